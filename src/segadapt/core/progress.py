"""One way to show progress: a bar on a terminal, a line every few seconds in a log.

Every line carries the rate and the time that is left.
"""

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINE_SECONDS = 10.0


def progress_bar(description: str, total: int, initial: int = 0, unit: str = "it") -> tqdm:
    """A tqdm bar; where stderr is no terminal it prints whole lines, at most one in ten seconds.

    What ``set_postfix_str`` is told, without a refresh, stands at the end of the next.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        desc=description,
        unit=unit,
        mininterval=0.2 if terminal else LINE_SECONDS,
        maxinterval=LINE_SECONDS,
        dynamic_ncols=terminal,
        ascii=not terminal,
        file=sys.stderr if terminal else _Lines(),
        disable=os.environ.get("SEGADAPT_PROGRESS") == "0",
        bar_format=None
        if terminal
        else "{desc}: {n_fmt}/{total_fmt} ({percentage:.0f} %), {rate_fmt}, {remaining} left{postfix}",
    )


def progress(items: Iterable[Item], description: str, total: int, unit: str = "it") -> Iterator[Item]:
    """Passes the items on and shows how far they are."""
    with progress_bar(description, total, unit=unit) as bar:
        for item in items:
            yield item
            bar.update()


class _Lines:
    """A file for tqdm that makes lines of its carriage returns and leaves out what comes too soon, but for the last."""

    _due = -math.inf

    def write(self, text: str) -> None:
        text, now = text.strip("\r\n "), time.monotonic()
        is_last = "(100 %)" in text and self._due < math.inf
        if text and (is_last or now >= self._due):
            self._due = math.inf if is_last else now + LINE_SECONDS
            print(text, file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()
