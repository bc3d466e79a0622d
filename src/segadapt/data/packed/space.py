"""How large a cache will be in either form, told and checked against the disk before any work begins."""

import math
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.errors import UserError
from segadapt.data.packed.records import FORMS

SAMPLED = 8
"""So many records, spread evenly over the set, are encoded to estimate the size of all."""
STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class Estimate:
    """Bytes of ``count`` records: expected, and the upper bound that the disk must have room for."""

    expected: int
    upper: int


def estimate(lengths: Sequence[int], count: int) -> Estimate:
    """From the bytes of the sampled records; upper is three standard errors more, unless all were sampled."""
    mean = statistics.fmean(lengths) if lengths else 0.0
    spread = statistics.pstdev(lengths) if len(lengths) > 1 and len(lengths) < count else 0.0
    error = spread / math.sqrt(max(len(lengths), 1))
    return Estimate(round(count * mean), math.ceil(count * (mean + STANDARD_ERRORS * error)))


def estimate_forms(items: Sequence[Any], lengths_of: Callable[[Any], dict[str, int]]) -> dict[str, Estimate]:
    """For each form the size of all ``items``; ``lengths_of`` gives the bytes of one of them in each form.

    Items that cannot be read (UserError) are passed over: whoever packs them reports them.
    """
    step = max(len(items) / SAMPLED, 1.0)
    sampled = []
    for index in range(min(SAMPLED, len(items))):
        try:
            sampled.append(lengths_of(items[int(step * (index + 0.5))]))
        except UserError:
            continue
    return {form: estimate([lengths[form] for lengths in sampled], len(items)) for form in FORMS}


def require_space(
    folder: Path, description: str, forms: dict[str, Estimate], form: str, count: int, finished: int
) -> None:
    """Prints one line on stderr; UserError if what is left to write in ``form`` does not fit.

    ``finished`` of the ``count`` records are on the disk already, from a preparation that was killed.
    """
    parent = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(parent).free
    left = (count - finished) / max(count, 1)
    sizes = {name: each.expected for name, each in forms.items()}
    print(
        f"prepare {folder.name}: {description}, {in_words(sizes['raw'])} raw or about "
        f"{in_words(sizes['compressed'])} compressed; writing {form}"
        + (f", {finished} of {count} are there already" if finished else "")
        + f"; {in_words(free)} free, {in_words(max(free - sizes[form] * left, 0))} afterwards",
        file=sys.stderr,
        flush=True,
    )
    if forms[form].upper * left <= free:
        return
    other = next(name for name in FORMS if name != form)
    # The other form starts from nothing.
    fits = forms[other].upper <= free
    raise UserError(
        f"cache {folder} needs up to {in_words(forms[form].upper * left)} in the form '{form}' but its disk has "
        f"{in_words(free)} free; free some space, choose a smaller size in the preset"
        + (f", or set form: {other} for this cache, which needs {in_words(forms[other].upper)}" if fits else "")
    )


def in_words(size: float) -> str:
    """A size with its unit: ``45.7 GB``."""
    for unit, value in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= value:
            return f"{size / value:.1f} {unit}"
    return f"{size:.0f} bytes"
