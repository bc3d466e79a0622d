"""Locks that the kernel gives back when their holder dies, however it dies.

Some network file systems have none (NFS without its lock service, Lustre mounted without ``flock``). There a lock of
the same name in this machine's own temporary folder stands in: it tells apart all processes of this machine.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def try_lock(path: Path) -> IO[str] | None:
    """Takes the lock and returns the open file that holds it, or None if somebody living has it."""
    return _or_none(*_try(path))


def try_machine_lock(name: str) -> IO[str] | None:
    """The same of a lock that all processes of this user on this machine know by its name."""
    return _or_none(*_try_here(name))


def _or_none(file: IO[str], is_ours: bool) -> IO[str] | None:
    if not is_ours:
        file.close()
        return None
    return file


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock for the block; waits, and says so, while another process has it."""
    file, is_ours = _try(path)
    with file:
        if not is_ours:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            print(f"another process (pid {holder}) is at work on this job; waiting for it to end", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try(path: Path) -> tuple[IO[str], bool]:
    """The open file of the lock, and whether it is locked now; if not, somebody living has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _try_file(path)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        folder = path.parent.resolve()
        _say_once(folder, error.strerror)
    return _try_here(hashlib.sha256(os.fsencode(folder / path.name)).hexdigest()[:40])


def _try_here(name: str) -> tuple[IO[str], bool]:
    """A lock of this machine, in its own temporary folder."""
    own = Path(tempfile.gettempdir()) / f"segadapt-locks-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    return _try_file(own / name)


def _try_file(path: Path) -> tuple[IO[str], bool]:
    file = open(path, "a+")  # noqa: SIM115 - the open file is the lock
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return file, False
    except BaseException:
        file.close()
        raise
    file.truncate(0)
    file.write(f"{os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file, True


@cache
def _say_once(folder: Path, reason: str) -> None:
    print(
        f"{folder}: this file system has no locks ({reason}), so that runs on two machines at once do not notice each "
        "other here; start a second one only on this machine",
        file=sys.stderr,
    )
