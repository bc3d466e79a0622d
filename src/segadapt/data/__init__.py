"""Data sets as shipped, the packed cache, and samples as a pure function of (seed, domain, step)."""
