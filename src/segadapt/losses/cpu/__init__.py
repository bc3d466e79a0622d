"""The losses' fast form on a CPU: bands of rows that stay in the cache."""
