"""What an evaluation keeps: statistics of every image, in every scoring mode."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load, save

from segadapt.core.artifacts import write_bytes
from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import LABEL_SIZES, ScoringMode
from segadapt.evaluation.measures.iou import iou_from_matrix, miou_from_matrix
from segadapt.evaluation.measures.per_image import Measures
from segadapt.evaluation.measures.reduction import ACCURACY, Reduction, iou_over

_METADATA_KEY = "segadapt.evaluation"
_PREFIX = "confusion "
_MEASURE = "measure "


@dataclass(frozen=True)
class Evaluation:
    """Confusion matrices (rows are labels) of N images by scoring mode, all that is to be said of the whole set.

    Their sum over images is the matrix of the set, so any statistic of the set or of a part of it (a city, a bootstrap
    sample) follows without running the model again. So it does from the ``measures``, which are of the last step's
    final head without flip.

    ``statistics`` are the matrices, int64 (N, C, C), both label sizes among them. The matrix of an image that has one
    class as a whole is a single count: ``classes_of_images`` is C then, and ``statistics`` are the places of these
    counts in the flattened matrices, int64 (N,), in the one mode of native labels.

    ``labelled`` are the train ids that the labels have where these are a part of the model's classes: scores are of
    those, and what is taken for another one is a miss.
    """

    image_names: tuple[str, ...]
    statistics: Mapping[ScoringMode, numpy.ndarray]
    measures: Measures | None = None
    classes_of_images: int | None = None
    labelled: tuple[int, ...] | None = None

    @property
    def reduction(self) -> Reduction:
        """What the matrices come to: IoU where pixels have classes, accuracy where images have."""
        return iou_over(self.labelled) if self.classes_of_images is None else ACCURACY

    @property
    def sizes(self) -> tuple[str, ...]:
        """The label sizes that the last step was scored at."""
        return tuple(size for size in LABEL_SIZES if ScoringMode(size) in self.statistics)

    def of_images(self, size: str = "native", **which: Any) -> numpy.ndarray:
        """The statistics in a mode, ``which`` being its other fields: by default final head, no flip, last step.

        UserError for a mode that was not computed.
        """
        mode = ScoringMode(size, **which)
        if mode not in self.statistics:
            known = ", ".join(each.name for each in self.statistics)
            raise UserError(f"'{mode.name}' was not computed; this evaluation holds {known}")
        return self.statistics[mode]

    def matrix(self, size: str = "native", **which: Any) -> numpy.ndarray:
        """Counts of all images, int64 (C, C); ``which`` as of ``of_images``."""
        found, classes = self.of_images(size, **which), self.classes_of_images
        return found.sum(axis=0) if classes is None else _count(found, classes)

    def resampled(self, times_RN: numpy.ndarray, size: str = "native", **which: Any) -> numpy.ndarray:
        """Counts of R samples in which each image is so many times, float64 (R, C, C)."""
        found, classes = self.of_images(size, **which), self.classes_of_images
        if classes is not None:
            return numpy.stack([_count(found, classes, times_N) for times_N in times_RN])
        # In float64 the product is one fast call, and exact: pixel counts stay far below 2^53.
        pooled_RM = times_RN.astype(float) @ found.reshape(len(found), -1).astype(float)
        return pooled_RM.reshape(-1, *found.shape[1:])

    def score(self, size: str = "native", **which: Any) -> float:
        """The number of all images: mIoU or accuracy in [0, 1], NaN where nothing is labelled."""
        return self.reduction.of_all(self.matrix(size, **which))

    def class_scores(self, size: str = "native", **which: Any) -> numpy.ndarray:
        """The number of every class over all images, float64 (C,), of those of ``labelled`` if there are; NaN where
        absent."""
        return self.reduction.of_classes(self.matrix(size, **which))

    def iou(self, size: str = "native", **which: Any) -> numpy.ndarray:
        """IoU of every class over all images, float64 (C,), NaN where absent."""
        return iou_from_matrix(self.matrix(size, **which))

    def miou(self, size: str = "native", classes: Sequence[int] | None = None, **which: Any) -> float:
        """Mean IoU over the classes, or the given train ids, that are present."""
        return miou_from_matrix(self.matrix(size, **which), classes)

    def part(self, places: Sequence[int]) -> "Evaluation":
        """That of some of the images, in the order given; without measures."""
        statistics = {mode: each[numpy.asarray(places)] for mode, each in self.statistics.items()}
        return replace(
            self, image_names=tuple(self.image_names[each] for each in places), statistics=statistics, measures=None
        )

    def with_step(self, step: int, snapshot: "Evaluation") -> "Evaluation":
        """With the statistics of a snapshot of the same model on the same images, kept as that step's."""
        if snapshot.image_names != self.image_names:
            raise UserError(f"the snapshot of step {step} was scored on other images; evaluate both on the same set")
        added = {replace(mode, step=step): each for mode, each in snapshot.statistics.items()}
        return replace(self, statistics={**self.statistics, **added})

    def save(self, path: Path) -> None:
        """Writes statistics, measures and names as safetensors; equal evaluations give equal bytes."""
        tensors = {f"{_PREFIX}{mode.name}": each for mode, each in self.statistics.items()}
        if self.measures is not None:
            tensors |= {f"{_MEASURE}{name}": each for name, each in self.measures.tensors().items()}
        about: dict[str, Any] = {"image_names": list(self.image_names)}
        if self.classes_of_images is not None:
            about["classes_of_images"] = self.classes_of_images
        if self.labelled is not None:
            about["labelled"] = list(self.labelled)
        # All metadata stands under one key, for safetensors writes several in random order.
        metadata = {_METADATA_KEY: json.dumps(about)}
        write_bytes(path, save({key: numpy.ascontiguousarray(each) for key, each in tensors.items()}, metadata))

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Reads what ``save`` wrote; UserError for a file that is missing, truncated or foreign."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"cannot read evaluation {path}: {error.strerror}; run evaluate again") from error
        try:
            tensors = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            about = json.loads(header["__metadata__"][_METADATA_KEY])
            measured = {key.removeprefix(_MEASURE): tensors.pop(key) for key in [*tensors] if key.startswith(_MEASURE)}
            statistics = {ScoringMode.of(key.removeprefix(_PREFIX)): each for key, each in tensors.items()}
            measures = Measures.of_tensors(measured) if measured else None
            labelled = about.get("labelled")
            loaded = cls(
                tuple(about["image_names"]), statistics, measures, about.get("classes_of_images"),
                None if labelled is None else tuple(labelled),
            )  # fmt: skip
        except (SafetensorError, UserError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is not a whole evaluation file ({type(error).__name__}: {error}); "
                "delete it and run evaluate again"
            ) from error
        if not loaded._is_whole():
            raise UserError(
                f"{path} is not an evaluation file: its matrices or measures do not fit its {len(loaded.image_names)} "
                "image names; delete it and run evaluate again"
            )
        return loaded

    def _is_whole(self) -> bool:
        shapes, classes = {each.shape for each in self.statistics.values()}, self.classes_of_images
        types = {each.dtype for each in self.statistics.values()}
        if len(shapes) != 1 or types != {numpy.dtype(numpy.int64)}:
            return False
        (shape,), images = shapes, len(self.image_names)
        if classes is None:
            whole = len(shape) == 3 and shape[1] == shape[2] and self.sizes == LABEL_SIZES
            whole = whole and all(0 <= each < shape[1] for each in self.labelled or ())
            return whole and shape[0] == images and (self.measures is None or self.measures.fit(*shape[:2]))
        fit = all(((each >= 0) & (each < classes**2)).all() for each in self.statistics.values())
        whole = shape == (images,) and "native" in self.sizes and fit
        return whole and (self.measures is None or self.measures.fit(images, classes))


def _count(place_N: numpy.ndarray, classes: int, times_N: numpy.ndarray | None = None) -> numpy.ndarray:
    return numpy.bincount(place_N, times_N, classes**2).reshape(classes, classes)
