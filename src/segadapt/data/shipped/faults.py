"""What can be wrong with a data set: named kinds, one sentence each, and an error that carries them all."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from segadapt.core.errors import UserError


class Kind(StrEnum):
    """Names of the faults, as manifests and ``segadapt check`` print them."""

    MISSING_FOLDER = "missing folder"
    MISSING_IMAGE = "missing image"
    MISSING_LABEL = "missing label"
    EMPTY_FILE = "zero-byte file"
    DAMAGED = "damaged or cut file"
    ALL_BLACK = "all-black image"
    SIZES_DIFFER = "sizes differ"
    COLOURS = "colours instead of ids"
    BIT_DEPTH = "wrong bit depth"
    UNKNOWN_ID = "unknown id"
    ALL_IGNORED = "all pixels ignored"
    BAD_LIST = "unusable list"
    BAD_NAME = "bad name in a list"
    LISTED_TWICE = "duplicate list entry"
    TWO_FORMATS = "image in two formats"
    EMPTY_SPLIT = "empty split"
    COUNT = "unexpected count"
    UNKNOWN_CLASS = "folder of no class"
    MISSING_CLASS = "class without images"
    SINGLE_CLASS = "single class"
    NO_PICTURE = "no picture"
    ARRAY = "unusable array"
    TOO_LARGE = "too large"
    ORIENTATION = "unclear orientation"
    UNREADABLE = "unreadable file"
    NO_FILE = "no regular file"
    TRAIN_IDS = "train ids for label ids"
    BAD_FILE_NAME = "file name that is no text"


@dataclass(frozen=True)
class Fault:
    """One fault. The sentence is ``file what; mend``; ``what`` names no folder, so that it may go into a manifest."""

    file: Path
    kind: Kind
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{printable(self.file)} {self.what}; {self.mend}"

    def relative(self, root: Path) -> str:
        """The file as ``accept`` names it: relative to the data set's folder, with forward slashes."""
        return printable(self.file.relative_to(root).as_posix())


def printable(path: Path | str) -> str:
    """A path for people: bytes that are no UTF-8 as ``\\xff``."""
    return os.fsencode(path).decode(errors="backslashreplace")


SHOWN = 10
"""So many faults of a kind are printed in full."""


def capped(faults: Sequence[Fault], with_kind: bool = False) -> list[str]:
    """A line a fault; where a kind has more than ``SHOWN``, its first, and in place of the others their number."""
    lines, seen, total = [], Counter(), Counter(fault.kind for fault in faults)
    for fault in faults:
        seen[fault.kind] += 1
        if seen[fault.kind] <= SHOWN:
            lines.append(f"{fault.kind}: {fault}" if with_kind else str(fault))
        elif seen[fault.kind] == total[fault.kind]:
            lines.append(f"{fault.kind}: {total[fault.kind] - SHOWN:,} more like these")
    return lines


class Faulty(UserError):
    """A data set, or a pair of files, with faults: one line each, of many of a kind the first.

    ``listing`` holds what is whole all the same, where a split was listed.
    """

    def __init__(self, faults: Sequence[Fault], listing: Sequence | None = None, advice: str = "") -> None:
        super().__init__("\n".join([*capped(faults), *([advice] if advice else [])]))
        self.faults = tuple(faults)
        self.listing = listing

    def __reduce__(self) -> tuple:
        return Faulty, (self.faults, self.listing)  # for worker processes; the advice is added where it is raised


class MissingSplit(UserError):
    """Nothing of a split is there: no list, no folder."""
