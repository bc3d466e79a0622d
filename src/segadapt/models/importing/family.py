"""What is known of other people's files: networks whose files are told alike, and kinds of files of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from segadapt.models.architecture import FIRST_1X1


@dataclass(frozen=True)
class Family:
    """Networks whose files are told alike.

    ``signs`` are names of tensors, by any of which one of them is known. ``kind_of(path, tensors, is_maxsquare)`` is
    the key in ``KINDS``, as :func:`recognise` gives it. ``describe(path, tensors, kind)`` has the fields of the
    network's ``Architecture`` but for input and classes; a bare backbone's ``num_classes`` is None. Both: UserError for
    what they cannot tell.

    ``inner`` is the prefix of a part of the network that is one of another family by itself. Where several lie in one
    dictionary, that under the prefix ``student`` is meant if all others are under those of ``beside``, which say what
    they are.
    """

    signs: tuple[str, ...]
    kind_of: Callable[[object, Mapping[str, Tensor], bool], str]
    describe: Callable[[object, Mapping[str, Tensor], "Kind"], dict[str, Any]]
    inner: str = ""
    student: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """How the weights of one origin are named and must be used.

    ``prefix`` is taken off every key. Keys that then begin with one of ``skipped`` are left out for the reason given,
    and ``renamed`` replaces beginnings. ``convolved`` are matrices, by our names, that are kernels of that side.
    ``aspp_branches`` is None for a backbone alone. ``family`` is a key of ``FAMILIES``. ``image_size``
    is the WIDTHxHEIGHT that its authors score at, None where they do as the others.
    """

    title: str
    input: str
    stride_placement: str = FIRST_1X1
    aspp_branches: int | None = None
    prefix: str = ""
    skipped: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    convolved: Mapping[str, int] = field(default_factory=dict)
    family: str = "resnet"
    image_size: str | None = None
