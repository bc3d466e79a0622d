"""Locks that the kernel gives back when their holder dies, however it dies."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def try_lock(path: Path) -> IO[str] | None:
    """Takes the lock and returns the open file that holds it, or None if somebody living has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a+")  # noqa: SIM115 - the open file is the lock
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock for the block; waits, and says so, while another process has it."""
    file = try_lock(path)
    if file is None:
        holder = path.read_text().strip() or "unknown"
        print(f"another process (pid {holder}) is at work on this job; waiting for it to end", file=sys.stderr)
        with open(path, "a+") as waiting:
            fcntl.flock(waiting, fcntl.LOCK_EX)
            yield
        return
    with file:
        yield
