"""What an evaluation keeps: confusion matrices of every image, for every way to score the model."""

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

_METADATA_KEY = "segadapt.evaluation"
_PREFIX = "confusion "
_MEASURE = "measure "


@dataclass(frozen=True)
class Evaluation:
    """Confusion matrices (int64, (N, C, C), rows are labels) of N images by mode, both label sizes among them.

    The sum over images is the matrix of the whole set, so any statistic of the set or of a part of
    it (a city, a bootstrap sample) follows without running the model again. So it does from the
    ``measures``, which are of the last step's final head without flip at network label size.
    """

    image_names: tuple[str, ...]
    confusion_NCC: Mapping[ScoringMode, numpy.ndarray]
    measures: Measures | None = None

    def matrix(self, size: str = "native", **which: Any) -> numpy.ndarray:
        """Counts of all images, int64 (C, C), at ``"network"`` or ``"native"`` label size.

        ``which`` are the other fields of ``ScoringMode``: by default the final head, no flip and the last step.
        UserError for a mode that was not computed.
        """
        mode = ScoringMode(size, **which)
        if mode not in self.confusion_NCC:
            known = ", ".join(each.name for each in self.confusion_NCC)
            raise UserError(f"'{mode.name}' was not computed; this evaluation holds {known}")
        return self.confusion_NCC[mode].sum(axis=0)

    def iou(self, size: str = "native", **which: Any) -> numpy.ndarray:
        """IoU of every class over all images, float64 (C,), NaN where absent."""
        return iou_from_matrix(self.matrix(size, **which))

    def miou(self, size: str = "native", classes: Sequence[int] | None = None, **which: Any) -> float:
        """Mean IoU over the classes, or the given train ids, that are present."""
        return miou_from_matrix(self.matrix(size, **which), classes)

    def with_step(self, step: int, snapshot: "Evaluation") -> "Evaluation":
        """With the matrices of a snapshot of the same model on the same images, kept as that step's."""
        if snapshot.image_names != self.image_names:
            raise UserError(f"the snapshot of step {step} was scored on other images; evaluate both on the same set")
        added = {replace(mode, step=step): each for mode, each in snapshot.confusion_NCC.items()}
        return replace(self, confusion_NCC={**self.confusion_NCC, **added})

    def save(self, path: Path) -> None:
        """Writes matrices, measures and names as safetensors; equal evaluations give equal bytes."""
        tensors = {f"{_PREFIX}{mode.name}": each for mode, each in self.confusion_NCC.items()}
        if self.measures is not None:
            tensors |= {f"{_MEASURE}{name}": each for name, each in self.measures.tensors().items()}
        # All metadata stands under one key, for safetensors writes several in random order.
        metadata = {_METADATA_KEY: json.dumps({"image_names": list(self.image_names)})}
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
            names = tuple(json.loads(header["__metadata__"][_METADATA_KEY])["image_names"])
            measured = {key.removeprefix(_MEASURE): tensors.pop(key) for key in [*tensors] if key.startswith(_MEASURE)}
            matrices = {ScoringMode.of(key.removeprefix(_PREFIX)): each for key, each in tensors.items()}
            loaded = cls(names, matrices, Measures.of_tensors(measured) if measured else None)
        except (SafetensorError, UserError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is not a whole evaluation file ({type(error).__name__}: {error}); "
                "delete it and run evaluate again"
            ) from error
        loaded._check(path)
        return loaded

    def _check(self, path: Path) -> None:
        shapes = {each.shape for each in self.confusion_NCC.values()}
        types = {each.dtype for each in self.confusion_NCC.values()}
        shape = shapes.pop() if shapes else ()
        whole = not shapes and types == {numpy.dtype(numpy.int64)} and len(shape) == 3 and shape[1] == shape[2]
        whole = whole and all(ScoringMode(size) in self.confusion_NCC for size in LABEL_SIZES)
        if not whole or len(self.image_names) != shape[0] or (self.measures and not self.measures.fit(*shape[:2])):
            raise UserError(
                f"{path} is not an evaluation file: its matrices or measures do not fit its {len(self.image_names)} "
                "image names; delete it and run evaluate again"
            )
