"""Is it a file at all? Asked before a path from outside is opened: a FIFO would wait for ever, a device never end."""

import os
import stat
from pathlib import Path

from segadapt.core.errors import UserError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_regular(path: Path, what: str) -> os.stat_result:
    """The stat of a regular file, links followed; nothing is opened.

    UserError, with ``what`` the file should be ("weights", "a list of images"), if it is missing, a link that leads
    nowhere or in a circle, out of reach, a folder, a FIFO, a socket or a device.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {_cause(path, error)}; name {what}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "no regular file")
        raise UserError(f"cannot read {path}: it is {kind}; name {what} in a regular file")
    return found


def _cause(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return f"it is a link to {os.readlink(path)}, which is not there"
    return getattr(error, "strerror", None) or str(error)
