"""The mathematics of the losses: cross-entropy, entropies, maximum squares, image weights, guidance."""

from segadapt.losses.cross_entropy import cross_entropy
from segadapt.losses.entropy import entropy
from segadapt.losses.guidance import guidance
from segadapt.losses.hard_pseudo_label import hard_pseudo_label
from segadapt.losses.image_weight import ImageWeight
from segadapt.losses.max_squares import max_squares
from segadapt.losses.scaled_entropy import scaled_entropy
