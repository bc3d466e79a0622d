"""Work in worker processes that end with their parent, and a function over many items there."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

from segadapt.core.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_PROCESSES = 32
"""With fewer items starting the processes would take longer than the work."""


def worker_pool(processes: int) -> Executor:
    """Spawned processes that end with this one, however it ends, and leave Ctrl-C to it.

    Where the machine shares no semaphores between processes (``/dev/shm`` missing or read-only, as in some
    containers) the work is done in this process, one piece after the other.
    """
    try:
        return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin_worker)
    except (OSError, ImportError) as error:
        print(f"no worker processes ({error}; is /dev/shm writable?): one image after the other", file=sys.stderr)
        return _Here()


def ordered(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """``map(work, items)``; UserError if a worker is killed. ``work`` and what it returns must be picklable."""
    if processes == 1 or len(items) < WORTH_PROCESSES:
        yield from map(work, items)
        return
    pool = worker_pool(processes)
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
            "fewer processes (run.prepare_processes in the preset) if it recurs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Here(Executor):
    """Does a piece of work at once, when it is submitted."""

    def submit(self, work: Callable[..., Result], /, *arguments: object, **named: object) -> Future[Result]:
        done: Future[Result] = Future()
        try:
            done.set_result(work(*arguments, **named))
        except Exception as error:
            done.set_exception(error)
        return done


def _begin_worker() -> None:
    """An orphan would wait for work for ever; and a terminal sends Ctrl-C to all, but the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
