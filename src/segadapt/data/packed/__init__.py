"""The packed cache: resized once, verified, and read without decoding."""
