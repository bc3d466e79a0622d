"""What files held when they were last read, so that what has not been touched since is not read again.

A file's size, its times and its inode change whenever it is written or replaced, whoever does it: the time of the
inode's last change cannot be set. A memo is local to a machine and may be deleted; everything is then read once more.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from segadapt.core.artifacts import read_json, sha256_file, write_json
from segadapt.core.errors import UserError

TOO_YOUNG_NANOSECONDS = 50_000_000
"""A change within one tick of the file system's clock need not show in its times."""


def memo_path(preset: str, provenance: str) -> Path:
    """Where the memo of the job with this record lies, outside all that is versioned."""
    below = Path(provenance.removeprefix(f"work/{preset}/"))
    return Path(f"work/{preset}/seen") / below.with_suffix(".memo")


class Memo:
    """Answers about files, each kept as long as its file stays untouched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, list] = {}
        self._has_changed = False
        with contextlib.suppress(UserError):
            content = read_json(path)
            self._known = content if isinstance(content, dict) else {}

    def sha256(self, path: str) -> str | None:
        """Hex SHA-256 of a file's bytes; None if it cannot be read or is no regular file."""
        return self.answer(path, "sha256", lambda: sha256_file(Path(path)))

    def answer(self, path: str, question: str, find: Callable[[], str]) -> str | None:
        """What ``find`` says of the file; None if it raises a UserError or there is no regular file."""
        if not os.path.isfile(path):
            return None
        key, taken = f"{question} {path}", time.time_ns()
        state = _state(path)
        known = self._known.get(key)
        if isinstance(known, list) and known[:-1] == state:
            return known[-1]
        try:
            found = find()
        except UserError:
            return None
        if _state(path) == state and os.stat(path).st_ctime_ns < taken - TOO_YOUNG_NANOSECONDS:
            self._known[key] = [*state, found]
            self._has_changed = True
        return found

    def save(self) -> None:
        """Writes what was learned; a folder that cannot be written to only costs another look."""
        if self._has_changed:
            with contextlib.suppress(UserError):
                write_json(self.path, self._known, lasting=False)
            self._has_changed = False


def _state(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]
