"""The mathematics of the losses: cross-entropy, entropy, maximum squares, image weights, guidance."""

from segadapt.losses.cross_entropy import cross_entropy
from segadapt.losses.entropy import entropy
from segadapt.losses.guidance import guidance
from segadapt.losses.image_weight import ImageWeight
from segadapt.losses.max_squares import max_squares

__all__ = ["ImageWeight", "cross_entropy", "entropy", "guidance", "max_squares"]
