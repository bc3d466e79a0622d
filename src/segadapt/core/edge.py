"""The edge of a command or a stage: whatever ends it becomes a sentence where its cause is known, and an exit status.

A machine has its own ways to fail: a full disk, a folder that is read-only, too little memory, a terminal that knows no
λ, a reader that has gone (``| head``). Inside, they are plain exceptions; here they are told. What is not known keeps
its traceback, for it is a fault of ours.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from segadapt.core.errors import Stopped, UserError

MISTAKE = 2
"""Exit status after a sentence."""
READER_GONE = 141
"""Exit status when nobody reads the output any more: that of a program that SIGPIPE ends."""
INTERRUPTED = 130

_MENDS = {
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some of your quota and run the same command again",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f) and run the same command again",
    errno.EROFS: "mount it for writing, or work in a folder that can be written",
    errno.EACCES: "check the permissions of the file and its folders",
    errno.EPERM: "check the permissions of the file and its folders",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run the same command again",
    errno.ENFILE: "the whole machine has too many files open; run the same command again later",
    errno.ENAMETOOLONG: "choose a shorter name or folder",
    errno.ENOTDIR: "a file stands where a folder should be; move it away",
    errno.EISDIR: "a folder stands where a file should be; move it away",
    errno.EEXIST: "move it away",
    errno.ELOOP: "its links lead round in a circle; correct them",
    errno.ENOENT: "check the path",
    errno.EIO: "the disk or the network failed; run the same command again",
    errno.ESTALE: "the disk or the network failed; run the same command again",
    errno.ENOMEM: "free some memory and run the same command again",
    errno.EAGAIN: "the limit of processes or threads is reached (ulimit -u); run the same command again with fewer",
}
_MEMORY = "use a smaller size or batch_size, or fewer threads or processes, and run the same command again"
_OUT_OF_MEMORY = (
    "can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
    "could not create a primitive",  # oneDNN, for want of memory as far as anybody has seen
)  # fmt: skip


def guarded(work: Callable[[], int | None]) -> int:
    """Runs ``work`` and returns its exit status, 0 for None; one sentence on stderr if a known cause ends it.

    2 after a mistake of the user's or a failure of the machine's, 141 if the reader of the output has gone, 130 after
    Ctrl-C and what a :class:`Stopped` says. Any other exception passes.
    """
    _say_what_can_be_said()
    try:
        status = work() or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        _write_no_more()
        return READER_GONE
    except Stopped as error:
        return _tell(str(error), error.status)
    except KeyboardInterrupt:
        return _tell("interrupted", INTERRUPTED)
    except Exception as error:
        told = cause(error)
        if told is None:
            raise
        return _tell(told, MISTAKE)


def require_utf8(arguments: Sequence[str]) -> None:
    """UserError for a word of the command line, a file's name for example, that is no UTF-8."""
    for word in arguments:
        try:
            os.fsencode(word).decode()
        except UnicodeDecodeError as error:
            raise UserError(f"{os.fsencode(word)!r}: is no UTF-8 ({error.reason}); rename the file") from error


def require_importable(project: Path) -> None:
    """UserError for a folder that cannot stand in PYTHONPATH, by which its code is handed to other processes."""
    if os.pathsep in str(project):
        raise UserError(
            f"Python cannot import from {project}, for it splits paths at '{os.pathsep}'; rename the folder"
        )


@contextmanager
def known_causes() -> Iterator[None]:
    """A block whose exceptions of known cause leave it as UserError: for an engine, which prints in its own way."""
    try:
        yield
    except Exception as error:
        told = None if isinstance(error, UserError) else cause(error)
        if told is None:
            raise
        raise UserError(told) from error


def cause(error: BaseException) -> str | None:
    """The sentence for an exception whose cause is known; None for any other."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return _no_memory(error)
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, UnicodeError):
        return _of_text(error)
    if isinstance(error, ImportError) and "failed to map segment" in str(error):
        return _no_memory(error)
    if isinstance(error, RuntimeError):
        if any(sign in str(error) for sign in _OUT_OF_MEMORY):
            return _no_memory(error)
        if "can't start new thread" in str(error):
            return f"cannot start another thread; {_MENDS[errno.EAGAIN]}"
    if isinstance(error, ValueError) and "Expected more than 1 value per channel" in str(error):
        return "batch norm cannot learn from one value per channel; use a larger size or crop, or a larger batch_size"
    return None


def _of_the_system(error: OSError) -> str | None:
    if error.errno not in _MENDS:
        return None
    files = [os.fsdecode(each) for each in (error.filename, error.filename2) if isinstance(each, str | bytes)]
    where = " and ".join(map(_short, files)) or "a file or the output"
    return f"{where}: {os.strerror(error.errno)}; {_MENDS[error.errno]}"


def _of_text(error: UnicodeError) -> str:
    text = getattr(error, "object", "")
    if isinstance(error, UnicodeEncodeError) and error.encoding.replace("-", "").lower() not in ("utf8", "utf_8"):
        return (
            f"{_short(text)}: this terminal or file system is set to {error.encoding}, which cannot write it; "
            "set LC_ALL=C.UTF-8 (or PYTHONUTF8=1) and run the same command again"
        )
    return f"{_short(text)}: is no UTF-8 ({error.reason if text else error}); rename the file, or save it as UTF-8"


def _no_memory(error: BaseException) -> str:
    first = str(error).strip().split("\n")[0]
    return f"out of memory{f' ({_short(first)})' if first else ''}; {_MEMORY}"


def _short(text: object, most: int = 200) -> str:
    """A name or message on one line, printable, and cut in the middle if it is long."""
    shown = ascii(text) if isinstance(text, bytes) else " ".join(str(text).split())
    shown = shown.encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= most else f"{shown[: most // 2]}...{shown[-most // 2 :]}"


def _tell(sentence: str, status: int) -> int:
    # Where even this cannot be written the status alone speaks.
    with suppress(OSError):
        if sys.stderr is not None:
            print(f"segadapt: {sentence}", file=sys.stderr, flush=True)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _write_no_more()
    return status


def _say_what_can_be_said() -> None:
    """A terminal of few letters shows ``?`` for the others, rather than that a traceback ends a table."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _write_no_more() -> None:
    """Python writes what it has buffered once more when it ends; that goes nowhere now."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
