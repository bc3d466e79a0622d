"""One pass of a model over a labelled set, with a confusion matrix for every image."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from segadapt.core.artifacts import write_bytes
from segadapt.core.errors import UserError
from segadapt.evaluation.confusion import ConfusionMatrix, iou_from_matrix, miou_from_matrix
from segadapt.evaluation.predict import predict_labels

LABEL_SIZES = ("network", "native")
"""Where predictions are compared: at the network's input size (the released code of the paper) or
at the labels' own size (AdaptSegNet, ADVENT, CBST)."""

_METADATA_KEY = "segadapt.evaluation"


@dataclass(frozen=True)
class Sample:
    """An image of network size, uint8 RGB (H, W, 3), and its uint8 train-id labels at two sizes."""

    name: str
    image_HWC: numpy.ndarray
    label_network_HW: numpy.ndarray
    label_native_HW: numpy.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Confusion matrices (int64, rows are labels) of N images at both label sizes.

    The sum over images is the matrix of the whole set, so any statistic of the set or of a part of
    it (a city, a bootstrap sample) follows without running the model again.
    """

    image_names: tuple[str, ...]
    confusion_network_NCC: numpy.ndarray
    confusion_native_NCC: numpy.ndarray

    def matrix(self, size: str = "native") -> numpy.ndarray:
        """Counts of all images, int64 (C, C), at ``"network"`` or ``"native"`` label size."""
        if size not in LABEL_SIZES:
            raise UserError(f"unknown label size {size!r}; choose one of {', '.join(LABEL_SIZES)}")
        return getattr(self, f"confusion_{size}_NCC").sum(axis=0)

    def iou(self, size: str = "native") -> numpy.ndarray:
        """IoU of every class over all images, float64 (C,), NaN where absent."""
        return iou_from_matrix(self.matrix(size))

    def miou(self, size: str = "native", classes: Sequence[int] | None = None) -> float:
        """Mean IoU over the classes, or the given train ids, that are present."""
        return miou_from_matrix(self.matrix(size), classes)

    def save(self, path: Path) -> None:
        """Writes the matrices and names as safetensors; equal evaluations give equal bytes."""
        tensors = {f"confusion_{size}": getattr(self, f"confusion_{size}_NCC") for size in LABEL_SIZES}
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
            loaded = cls(names, *(tensors[f"confusion_{size}"] for size in LABEL_SIZES))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is not a whole evaluation file ({type(error).__name__}: {error}); "
                "delete it and run evaluate again"
            ) from error
        loaded._check(path)
        return loaded

    def _check(self, path: Path) -> None:
        shapes = {self.confusion_network_NCC.shape, self.confusion_native_NCC.shape}
        types = {self.confusion_network_NCC.dtype, self.confusion_native_NCC.dtype}
        shape = shapes.pop()
        whole = not shapes and types == {numpy.dtype(numpy.int64)} and len(shape) == 3 and shape[1] == shape[2]
        if not whole or len(self.image_names) != shape[0]:
            raise UserError(
                f"{path} is not an evaluation file: its matrices do not fit its {len(self.image_names)} "
                "image names; delete it and run evaluate again"
            )


def evaluate(
    predict: Callable[[numpy.ndarray], torch.Tensor],
    samples: Iterable[Sample],
    num_classes: int,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Scores a model on every sample at both label sizes.

    Args:
        predict: From an image (H, W, 3) uint8 to logits (1, C, h, w), float, at any resolution.
        samples: Labelled images with distinct names; read once, in order, one held at a time.
        num_classes: C, the classes of the model's head and of the labels.
        progress: Called with 1 after every image; the ``update`` of a progress bar, say.

    Raises:
        UserError: for no samples, a name that comes twice, logits of another number of classes or
            not finite, and labels out of range; the image is named.
    """
    names: list[str] = []
    matrices: dict[str, list[numpy.ndarray]] = {size: [] for size in LABEL_SIZES}
    for sample in samples:
        if sample.name in names:
            raise UserError(f"image {sample.name} comes twice in the evaluation set; list every image once")
        try:
            logits_1CHW = predict(sample.image_HWC)
            if logits_1CHW.ndim != 4 or tuple(logits_1CHW.shape[:2]) != (1, num_classes):
                raise UserError(
                    f"the model gave logits of shape {tuple(logits_1CHW.shape)} for one image of {num_classes} "
                    "classes; use weights and labels of the same class set"
                )
            scores = _score(logits_1CHW, sample, num_classes)
        except UserError as error:
            raise UserError(f"image {sample.name}: {error}") from error
        names.append(sample.name)
        for size in LABEL_SIZES:
            matrices[size].append(scores[size])
        if progress is not None:
            progress(1)
    if not names:
        raise UserError("there is no image to evaluate; check the data set's list and split")
    return Evaluation(tuple(names), *(numpy.stack(matrices[size]) for size in LABEL_SIZES))


def _score(logits_1CHW: torch.Tensor, sample: Sample, num_classes: int) -> dict[str, numpy.ndarray]:
    """The (C, C) matrix of one image at each label size; equal sizes share one upsampling."""
    labels = {"network": sample.label_network_HW, "native": sample.label_native_HW}
    predictions: dict[tuple[int, ...], torch.Tensor] = {}
    scores = {}
    for size, label_HW in labels.items():
        shape = tuple(label_HW.shape)
        if shape not in predictions:
            predictions[shape] = predict_labels(logits_1CHW, shape)[0]
        confusion = ConfusionMatrix(num_classes)
        confusion.update(label_HW, predictions[shape])
        scores[size] = confusion.matrix
    return scores
