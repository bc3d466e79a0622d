"""A file of weights by itself: what it predicts, and what it wants to be fed."""

from dataclasses import dataclass
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.labels import CLASS_SETS, ClassSet
from segadapt.models import Network, open_model
from segadapt.training.assembly import IMAGE_SIZE

LONG_SIDE = 1024
"""Pixels along the longer side of what a network is fed, where its file does not say: the papers' 1024x512."""

EXACT = {"bf16": False, "tf32": False, "channels_last": False}


@dataclass(frozen=True)
class OpenedWeights:
    """A model with what must be known to use it. ``long_side`` is the longer side of the images it was trained on."""

    model: Network
    class_set: ClassSet
    long_side: int
    sha256: str


def open_weights(path: Path) -> OpenedWeights:
    """Our own or an imported file; UserError for another one, and for a head whose classes nobody knows."""
    model, metadata = open_model(path)
    architecture = model.architecture
    class_set = CLASS_SETS.get(architecture.class_set or "")
    if class_set is None or len(class_set) != architecture.num_classes:
        raise UserError(
            f"{path} has a head of {architecture.num_classes} classes of an unknown set; known are "
            f"{', '.join(f'{name} ({len(each)})' for name, each in CLASS_SETS.items())}: use weights for one of them"
        )
    sides = [int(side) for side in metadata.get(IMAGE_SIZE, "").split("x") if side.isdecimal()]
    return OpenedWeights(model, class_set, max(sides, default=LONG_SIDE), metadata["sha256"])
