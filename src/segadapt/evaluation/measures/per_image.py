"""What an evaluation measures beside confusion: calibration and boundaries, kept for every image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from segadapt.evaluation.measures.boundary import BoundaryOverlap, boundary_miou, boundary_overlap
from segadapt.evaluation.measures.calibration import BINS, CalibrationBins, calibration_bins, expected_calibration_error


@dataclass(frozen=True)
class Measures:
    """Of N images at network label size; their sums are those of the whole set.

    Images with one class as a whole have no boundaries.
    """

    calibration: CalibrationBins
    boundary: BoundaryOverlap | None = None

    @classmethod
    def of_image(
        cls, confidence_HW: numpy.ndarray, prediction_HW: numpy.ndarray, label_HW: numpy.ndarray, num_classes: int
    ) -> "Measures":
        """Of one image, all at the label's size: the largest probabilities, and predicted and labelled train ids."""
        overlap = boundary_overlap(prediction_HW, label_HW, num_classes)
        return cls(calibration_bins(confidence_HW, prediction_HW, label_HW), overlap)

    @classmethod
    def of_whole_image(cls, confidence: float, prediction: int, label: int) -> "Measures":
        """Of an image that has one class."""
        return cls(calibration_bins(*map(numpy.atleast_1d, (confidence, prediction, label))))

    @classmethod
    def stacked(cls, images: Sequence["Measures"]) -> "Measures":
        """Those of several images as one."""
        boundary = None
        if images[0].boundary is not None:
            boundary = BoundaryOverlap(*map(numpy.stack, zip(*(each.boundary for each in images), strict=True)))
        return cls(
            CalibrationBins(*map(numpy.stack, zip(*(each.calibration for each in images), strict=True))), boundary
        )

    def confidence(self) -> numpy.ndarray:
        """The mean of the largest probabilities of every image, float64 (N,); NaN without a labelled pixel."""
        pixels_N, sum_N = self.calibration.pixels.sum(axis=1), self.calibration.confidence.sum(axis=1)
        return numpy.divide(sum_N, pixels_N, out=numpy.full(len(sum_N), math.nan), where=pixels_N > 0)

    def summary(self, classes: Sequence[int] | None = None) -> dict[str, float | None]:
        """Fractions in [0, 1] by name, boundaries those of all classes or of the given train ids; None if undefined."""
        found = {"ECE": expected_calibration_error(self.calibration)}
        if self.boundary is not None:
            found["boundary_mIoU"] = boundary_miou(self.boundary, classes)
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    def tensors(self) -> dict[str, numpy.ndarray]:
        """The arrays by name, for a file."""
        parts = {"calibration": self.calibration} | ({} if self.boundary is None else {"boundary": self.boundary})
        return {f"{part} {name}": each for part, sums in parts.items() for name, each in sums._asdict().items()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, numpy.ndarray]) -> "Measures":
        """What ``tensors`` gave; KeyError for an array that is missing."""
        calibration = CalibrationBins(*(tensors[f"calibration {name}"] for name in CalibrationBins._fields))
        if len(tensors) == len(CalibrationBins._fields):
            return cls(calibration)
        return cls(calibration, BoundaryOverlap(*(tensors[f"boundary {name}"] for name in BoundaryOverlap._fields)))

    def fit(self, images: int, classes: int) -> bool:
        """Whether the arrays are those of so many images and classes."""
        shapes = [(each, BINS) for each in self.calibration] + [(each, classes) for each in self.boundary or ()]
        return all(each.shape == (images, length) for each, length in shapes)
