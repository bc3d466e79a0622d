"""Files that are either complete under their final name or not there at all."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segadapt.core.errors import UserError
from segadapt.core.progress import progress_bar

LARGE_BYTES, PIECE_BYTES = 2**31, 2**24


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, with a bar if the file is large; UserError if it is no file or unreadable."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"cannot read {path}: it is no regular file; remove it and run the command again")
        with open(path, "rb") as file:
            if found.st_size < LARGE_BYTES:
                return hashlib.file_digest(file, "sha256").hexdigest()
            digest = hashlib.sha256()
            with progress_bar(f"read {path}", found.st_size >> 20, unit="MiB") as bar:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)
                    bar.update(len(piece) >> 20)
            return digest.hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; run the command again to make it") from error


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_failure(path: Path, error: OSError) -> UserError:
    """The sentence for a write that failed: which file, why, and how much space is left."""
    folder = next(parent for parent in (path, *path.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return UserError(
            f"cannot write {path}: no space left ({free / 2**20:.0f} MiB free on its disk, or a file size limit); "
            "free some space or raise the limit and run the same command again, nothing was overwritten"
        )
    return UserError(f"cannot write {path}: {error.strerror or error}; check the folder's permissions and run again")


@contextlib.contextmanager
def atomic_path(path: Path, lasting: bool = True) -> Iterator[Path]:
    """Yields a temporary path in the same folder that becomes ``path`` if the block succeeds.

    The content is flushed to the disk before the rename, so that a file under its final name is
    complete even after a power cut; not so if ``lasting`` is false. On any error the temporary file
    is removed and whatever stood under ``path`` stays. An OSError (a full disk, say) becomes a
    UserError that names the file.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if lasting:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if lasting:
            _sync_folder(path.parent)
    except OSError as error:
        raise write_failure(path, error) from error
    finally:
        # A parent that is no folder has already been reported above.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def move_into_place(finished: Path, path: Path) -> None:
    """Moves a finished file, which the disk has got, to its final name: whole or not at all.

    Across disks (folders of ``work`` may be links to others) it is copied first, beside its final name. UserError as of
    ``atomic_path``; the finished file is still there then.
    """
    with atomic_path(path) as temporary:
        try:
            os.replace(finished, temporary)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(finished, temporary)
    finished.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes, lasting: bool = True) -> None:
    """Writes a whole file atomically; ``lasting`` as of ``atomic_path``."""
    with atomic_path(path, lasting) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any, lasting: bool = True) -> None:
    """Writes JSON atomically, one key a line, keys in the order given; ``lasting`` as of ``atomic_path``."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode(), lasting)


def read_json(path: Path) -> Any:
    """Reads JSON; UserError with the file's name if it is missing, damaged or no regular file."""
    try:
        # A FIFO would be waited for.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UserError(f"cannot read {path}: it is no regular file; remove it and run the command again")
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; run the command again to make it") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); delete it and run the command again") from error
