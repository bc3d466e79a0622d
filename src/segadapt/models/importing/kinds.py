"""The kinds of files there are, and how to tell them by their keys."""

from collections.abc import Mapping

from torch import Tensor

from segadapt.models.importing import daformer, resnet, vgg, vit
from segadapt.models.importing.family import Family, Kind

KINDS: dict[str, Kind] = {**resnet.KINDS, **daformer.KINDS, **vit.KINDS, **vgg.KINDS}
FAMILIES: dict[str, Family] = {"resnet": resnet.FAMILY, **daformer.FAMILIES, **vit.FAMILIES, **vgg.FAMILIES}


def recognise(path: object, tensors: Mapping[str, Tensor], is_maxsquare: bool) -> str:
    """The key in ``KINDS`` of a network's tensors; UserError where the file alone cannot tell.

    ``is_maxsquare`` says that they lay in a checkpoint such as MaxSquareLoss writes.
    """
    family = next((each for each in FAMILIES.values() if set(each.signs) & set(tensors)), FAMILIES["resnet"])
    return family.kind_of(path, tensors, is_maxsquare)
