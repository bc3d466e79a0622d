"""Tables, what goes with them, and their forms."""
