"""A function over many items in worker processes, results in the items' order."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from segadapt.core.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_PROCESSES = 32
"""With fewer items starting the processes would take longer than the work."""


def ordered(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """``map(work, items)``; UserError if a worker is killed. ``work`` and what it returns must be picklable."""
    if processes == 1 or len(items) < WORTH_PROCESSES:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        try:
            # A few more than there are processes: all stay busy, and a large data set never waits in memory.
            following = iter(items)
            waiting = deque(pool.submit(work, item) for item in islice(following, 4 * processes))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(following, 1))
                yield result
        except BrokenProcessPool as error:
            raise UserError(
                "a process that reads images was killed, perhaps for want of memory; run the same command again, with "
                "fewer processes (run.prepare_processes in params.yaml) if it recurs"
            ) from error
