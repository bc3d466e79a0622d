"""One pass of a model over a labelled set, with a confusion matrix for every image and every way to score it.

Matrices are kept where they are counted until all of them are wanted, for to look at a number is to wait for a GPU. So
what may be wrong with an image, logits that are not finite and foreign labels, is noted on the device and looked at
once in a while.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import FINAL, LABEL_SIZES, ScoringMode
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.measures.per_image import Measures
from segadapt.evaluation.pairs import count_pairs, on_host
from segadapt.evaluation.predict import NOT_FINITE, unchecked_labels
from segadapt.evaluation.views import View
from segadapt.labels import IGNORE_INDEX

_MEASURED = ScoringMode("network", FINAL)
"""What calibration and boundaries are measured of."""
CHECK_EVERY = 64
"""Matrices that a GPU counts between two looks at them; a CPU's are looked at one by one."""


@dataclass(frozen=True)
class Sample:
    """An image of network size, uint8 RGB (H, W, 3), and its uint8 train-id labels at two sizes."""

    name: str
    image_HWC: numpy.ndarray
    label_network_HW: numpy.ndarray
    label_native_HW: numpy.ndarray


class _Noted(NamedTuple):
    image: str
    finite: Tensor
    """Whether the logits are: a truth value on their device."""
    foreign_F: Tensor
    """Pixels with each label between the classes and ``IGNORE_INDEX``."""


class MatrixCounts:
    """Counts of (label, prediction) pixel pairs of each image by mode, without those labelled ``IGNORE_INDEX``.

    Args:
        num_classes: C, at most 255.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._matrices: dict[ScoringMode, list[Tensor]] = {}
        self._noted: list[_Noted] = []

    def add(
        self, image: str, mode: ScoringMode, label_HW: numpy.ndarray, prediction_HW: Tensor, finite: Tensor
    ) -> None:
        """Counts one map: uint8 train ids, and uint8 labels of the same size predicted from logits that are ``finite``.

        Raises:
            UserError: as ``check``, now and then.
        """
        assert label_HW.dtype == numpy.uint8 and label_HW.shape == tuple(prediction_HW.shape)
        # The copy of a byte map costs little and makes memory that torch may share.
        known_HW = torch.from_numpy(label_HW.copy())
        if prediction_HW.is_cuda:
            # From other memory than this a GPU is waited for.
            known_HW = known_HW.pin_memory()
        counts = count_pairs(known_HW, prediction_HW, self.num_classes)
        self._matrices.setdefault(mode, []).append(counts[: self.num_classes].clone())
        self._noted.append(_Noted(image, finite, counts[self.num_classes : IGNORE_INDEX].sum(dim=1)))
        if on_host(prediction_HW) or len(self._noted) >= CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """UserError for an image since the last look whose logits were not finite or labels out of range."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        finite_N = torch.stack([each.finite for each in noted]).tolist()
        foreign_NF = torch.stack([each.foreign_F for each in noted]).cpu().numpy()
        for each, finite, foreign_F in zip(noted, finite_N, foreign_NF, strict=True):
            if not finite:
                raise UserError(f"image {each.image}: {NOT_FINITE}")
            if foreign_F.any():
                raise UserError(
                    f"image {each.image}: label value {self.num_classes + foreign_F.argmax()} is outside the classes "
                    f"0..{self.num_classes - 1} and is not ignore_index {IGNORE_INDEX}; map the labels to train ids"
                )

    def matrices(self) -> dict[ScoringMode, numpy.ndarray]:
        """int64 (N, C, C) by mode: rows are labels, columns predictions. UserError as ``check``."""
        self.check()
        return {mode: torch.stack(each).cpu().numpy() for mode, each in self._matrices.items()}


def evaluate(
    predict: Callable[[numpy.ndarray], Tensor | Iterable[View]],
    samples: Iterable[Sample],
    num_classes: int,
    progress: Callable[[int], object] | None = None,
    measures: bool = True,
) -> Evaluation:
    """Scores a model on every sample at both label sizes.

    Args:
        predict: From an image (H, W, 3) uint8 to logits (1, C, h, w), float, at any resolution; or to several views
            of it, from ``all_views``.
        samples: Labelled images with distinct names; read once, in order, one held at a time.
        num_classes: C, the classes of the model's head and of the labels.
        progress: Called with 1 after every image; the ``update`` of a progress bar, say.
        measures: Whether calibration and boundaries are measured as well: at network label size, final head, no flip.

    Raises:
        UserError: for no samples, a name that comes twice, logits of another number of classes or
            not finite, and labels out of range; the image is named.
    """
    names: list[str] = []
    counts = MatrixCounts(num_classes)
    measured: list[Measures] = []
    for sample in samples:
        if sample.name in names:
            raise UserError(f"image {sample.name} comes twice in the evaluation set; list every image once")
        for view in _views(predict, sample):
            for mode, prediction_HW in _score(view, sample, counts):
                if measures and mode == _MEASURED:
                    counts.check()
                    confidence_HW = view.probabilities(tuple(prediction_HW.shape)).amax(dim=1)[0]
                    maps = confidence_HW.cpu().numpy(), prediction_HW.cpu().numpy(), sample.label_network_HW
                    measured.append(Measures.of_image(*maps, num_classes))
        names.append(sample.name)
        if progress is not None:
            progress(1)
    if not names:
        raise UserError("there is no image to evaluate; check the data set's list and split")
    return Evaluation(tuple(names), counts.matrices(), Measures.stacked(measured) if measured else None)


def _views(predict: Callable[[numpy.ndarray], Tensor | Iterable[View]], sample: Sample) -> Iterator[View]:
    """The views of an image, one held at a time; an error on the way names it."""
    try:
        scores = predict(sample.image_HWC)
        yield from [View(scores)] if isinstance(scores, Tensor) else scores
    except UserError as error:
        raise UserError(f"image {sample.name}: {error}") from error


def _score(view: View, sample: Sample, counts: MatrixCounts) -> Iterator[tuple[ScoringMode, Tensor]]:
    """Counts one view of an image at each label size, and gives its labels; equal sizes share one upsampling."""
    scores_1CHW = view.scores_1CHW
    if scores_1CHW.ndim != 4 or tuple(scores_1CHW.shape[:2]) != (1, counts.num_classes):
        raise UserError(
            f"image {sample.name}: the model gave logits of shape {tuple(scores_1CHW.shape)} for one image of "
            f"{counts.num_classes} classes; use weights and labels of the same class set"
        )
    finite = torch.isfinite(scores_1CHW).all()
    predictions: dict[tuple[int, ...], Tensor] = {}
    for size in LABEL_SIZES:
        label_HW = getattr(sample, f"label_{size}_HW")
        shape = tuple(label_HW.shape)
        if shape not in predictions:
            predictions[shape] = unchecked_labels(scores_1CHW if view.aligned else view.at(shape), shape)[0]
        mode = ScoringMode(size, view.head, view.flip)
        counts.add(sample.name, mode, label_HW, predictions[shape], finite)
        yield mode, predictions[shape]
