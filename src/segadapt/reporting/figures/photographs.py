"""Class maps and overlays of photographs, each at its photograph's own size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.core.artifacts import atomic_path
from segadapt.core.errors import UserError
from segadapt.core.progress import progress
from segadapt.data.shipped.as_shipped import network_size
from segadapt.data.shipped.photographs import distinct_names, read_photograph
from segadapt.evaluation import predict_labels
from segadapt.evaluation.opened import EXACT, OpenedWeights
from segadapt.labels import ClassSet
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import final_predictor
from segadapt.reporting.figures.qualitative import legend

OPACITY = 0.5
"""Share of the class's colour in an overlay."""


def draw_photographs(
    weights: OpenedWeights, photographs: Sequence[Path], folder: Path, size: tuple[int, int] | int, threads: int
) -> list[str]:
    """Writes ``<name>_classes.png``, ``<name>_overlay.jpg`` and one ``legend.png`` into ``folder``.

    A class map is a palette PNG: its pixel values are train ids, its colours those of the class set. ``size`` is what
    the network is fed: (width, height), or the longer side, to which larger photographs are shrunk. Returns one
    sentence for each photograph that cannot be read; the others are drawn all the same.
    """
    compute = set_up_compute(EXACT, threads)
    predict = final_predictor(weights.model, compute)
    _save(legend(weights.class_set), folder / "legend.png", "PNG")
    faults = []
    named = list(zip(photographs, distinct_names(photographs), strict=True))
    for path, name in progress(named, "predict", len(named), "photograph"):
        try:
            photograph = read_photograph(path)
        except UserError as fault:
            faults.append(str(fault))
            continue
        fed = size if isinstance(size, tuple) else network_size(photograph.size, size, weights.model.multiple)
        image_HWC = np.asarray(photograph.resize(fed, Image.Resampling.BICUBIC))
        label_HW = predict_labels(predict(image_HWC), (photograph.height, photograph.width))[0].cpu().numpy()
        classes = class_map(label_HW, weights.class_set)
        _save(classes, folder / f"{name}_classes.png", "PNG")
        _save(overlay(photograph, classes), folder / f"{name}_overlay.jpg", "JPEG", quality=90)
    return faults


def class_map(label_HW: np.ndarray, class_set: ClassSet) -> Image.Image:
    """Train ids (uint8) as a picture whose palette is the class set's; all other values are black."""
    picture = Image.fromarray(label_HW)
    colours = [value for colour in class_set.palette for value in colour]
    picture.putpalette(colours + [0] * (3 * 256 - len(colours)))
    return picture


def overlay(photograph: Image.Image, classes: Image.Image) -> Image.Image:
    """The photograph under the colours of a class map; the bytes of torchvision's ``draw_segmentation_masks``."""
    return Image.blend(photograph, classes.convert("RGB"), OPACITY)


def _save(picture: Image.Image, path: Path, kind: str, **options: int) -> None:
    with atomic_path(path) as temporary:
        picture.save(temporary, format=kind, **options)
