"""Batches for training: which images, how augmented, and how they reach the device."""
