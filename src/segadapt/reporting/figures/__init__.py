"""Figures, each with the points behind it."""
