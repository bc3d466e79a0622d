"""One pass of a model over a labelled set, with a confusion matrix for every image and every way to score it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy
import torch

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import FINAL, LABEL_SIZES, ScoringMode
from segadapt.evaluation.evaluation import Evaluation
from segadapt.evaluation.measures.per_image import Measures
from segadapt.evaluation.predict import unchecked_labels
from segadapt.evaluation.tally import Tally
from segadapt.evaluation.views import View

_MEASURED = ScoringMode("network", FINAL)
"""What calibration and boundaries are measured of."""


@dataclass(frozen=True)
class Sample:
    """An image of network size, uint8 RGB (H, W, 3), and its uint8 train-id labels at two sizes."""

    name: str
    image_HWC: numpy.ndarray
    label_network_HW: numpy.ndarray
    label_native_HW: numpy.ndarray


def evaluate(
    predict: Callable[[numpy.ndarray], torch.Tensor | Iterable[View]],
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
    tally = Tally(num_classes)
    measured: list[Measures] = []
    for sample in samples:
        if sample.name in names:
            raise UserError(f"image {sample.name} comes twice in the evaluation set; list every image once")
        for view in _views(predict, sample):
            for mode, prediction_HW in _score(view, sample, tally):
                if measures and mode == _MEASURED:
                    tally.check()
                    confidence_HW = view.probabilities(tuple(prediction_HW.shape)).amax(dim=1)[0]
                    maps = confidence_HW.cpu().numpy(), prediction_HW.cpu().numpy(), sample.label_network_HW
                    measured.append(Measures.of_image(*maps, num_classes))
        names.append(sample.name)
        if progress is not None:
            progress(1)
    if not names:
        raise UserError("there is no image to evaluate; check the data set's list and split")
    return Evaluation(tuple(names), tally.matrices(), Measures.stacked(measured) if measured else None)


def _views(predict: Callable[[numpy.ndarray], torch.Tensor | Iterable[View]], sample: Sample) -> Iterator[View]:
    """The views of an image, one held at a time; an error on the way names it."""
    try:
        scores = predict(sample.image_HWC)
        yield from [View(scores)] if isinstance(scores, torch.Tensor) else scores
    except UserError as error:
        raise UserError(f"image {sample.name}: {error}") from error


def _score(view: View, sample: Sample, tally: Tally) -> Iterator[tuple[ScoringMode, torch.Tensor]]:
    """Counts one view of an image at each label size, and gives its labels; equal sizes share one upsampling."""
    scores_1CHW = view.scores_1CHW
    if scores_1CHW.ndim != 4 or tuple(scores_1CHW.shape[:2]) != (1, tally.num_classes):
        raise UserError(
            f"image {sample.name}: the model gave logits of shape {tuple(scores_1CHW.shape)} for one image of "
            f"{tally.num_classes} classes; use weights and labels of the same class set"
        )
    finite = torch.isfinite(scores_1CHW).all()
    predictions: dict[tuple[int, ...], torch.Tensor] = {}
    for size in LABEL_SIZES:
        label_HW = getattr(sample, f"label_{size}_HW")
        shape = tuple(label_HW.shape)
        if shape not in predictions:
            predictions[shape] = unchecked_labels(scores_1CHW, shape)[0]
        mode = ScoringMode(size, view.head, view.flip)
        tally.add(sample.name, mode, label_HW, predictions[shape], finite)
        yield mode, predictions[shape]
