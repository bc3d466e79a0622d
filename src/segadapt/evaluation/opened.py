"""A file of weights by itself: what it predicts, and what it wants to be fed."""

from dataclasses import dataclass
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.labels import CLASS_SETS, ClassSet, unnamed
from segadapt.models import Network, open_model
from segadapt.models.loading import IMAGE_SIZE

LONG_SIDE = 1024
"""Pixels along the longer side of what a network is fed, where its file does not say: the papers' 1024x512."""

EXACT = {"bf16": False, "tf32": False, "channels_last": False}


@dataclass(frozen=True)
class OpenedWeights:
    """A model with what must be known to use it. ``long_side`` is the longer side of the images it was trained on.

    ``class_set`` is that of :func:`segadapt.labels.unnamed` where ``is_named`` is false.
    """

    model: Network
    class_set: ClassSet
    long_side: int
    sha256: str
    is_named: bool = True


def open_weights(path: Path, classes: ClassSet | None = None) -> OpenedWeights:
    """Our own or an imported file, with the class set of its head.

    A head whose file names no set that is known here gets ``classes``, if they are as many, else numbers for names.
    UserError for another file, an image classifier, and a head of another size than its set or ``classes``.
    """
    model, metadata = open_model(path)
    if model.architecture.task != "segmentation":
        raise UserError(f"{path} is an image classifier, with one answer for a whole image; name a segmentation model")
    name, count = model.architecture.class_set, model.architecture.num_classes
    own = CLASS_SETS.get(name or "")
    named = classes if own is None else own
    if named is not None and len(named) != count:
        source = "--classes names" if own is None else "its file says"
        raise UserError(
            f"{path} has a head of {count} classes, and {source} {named.name}, which has {len(named)}; name a class "
            f"set of {count} classes{_of_that_size(count)}"
        )
    sides = [int(side) for side in metadata.get(IMAGE_SIZE, "").split("x") if side.isdecimal()]
    long_side, sha256 = max(sides, default=LONG_SIDE), metadata["sha256"]
    return OpenedWeights(model, named or unnamed(count), long_side, sha256, named is not None)


def require_names(path: Path, weights: OpenedWeights) -> None:
    """UserError for a head whose classes are unknown: labels cannot be held against its predictions."""
    count = len(weights.class_set)
    if not weights.is_named:
        raise UserError(
            f"{path} has a head of {count} classes whose names are not known; add --classes with a class set of "
            f"{count} classes{_of_that_size(count)}"
        )


def _of_that_size(count: int) -> str:
    names = [name for name, each in CLASS_SETS.items() if len(each) == count and each.task == "segmentation"]
    return f", such as {' or '.join(names)}" if names else ""
