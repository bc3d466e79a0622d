"""The jobs of a plan, one module a kind."""
