"""Class numbers that quads carry, and their way back to Cityscapes label ids."""

import numpy as np

from segadapt.labels import CITYSCAPES19

NUMBER = {name: number for number, name in enumerate(CITYSCAPES19.classes, 1)}
"""Number of a class in a quad's ``label`` field; 0 is the empty background, which is sky."""

LABEL_ID = np.array((CITYSCAPES19.label_ids[NUMBER["sky"] - 1], *CITYSCAPES19.label_ids), np.uint8)
"""Cityscapes label id by class number."""
