"""Adversarial training, one file a kind: discriminators of the domains, on output maps or on features."""
