"""Where a number comes from, and whether its files still are what was recorded."""
