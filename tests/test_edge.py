"""What ends a command or a stage: one sentence and a status where the cause is known, a traceback where it is not."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch

from segadapt.core.edge import cause, guarded, known_causes
from segadapt.core.errors import Stopped, UserError

OF_THE_SYSTEM = [
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE,
    errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENOENT, errno.EIO, errno.ESTALE,
    errno.ENOMEM, errno.EAGAIN,
]  # fmt: skip


def raising(error: BaseException):
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize("number", OF_THE_SYSTEM, ids=errno.errorcode.get)
def test_what_the_system_says_is_told_with_the_file(number, capsys):
    assert guarded(raising(OSError(number, os.strerror(number), "work/x.bin"))) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"segadapt: work/x.bin: {os.strerror(number)}; ") and told.count("\n") == 1


def test_two_files_are_both_told():
    assert "a and b: " in cause(OSError(errno.EACCES, "no", "a", None, "b"))


def test_a_users_mistake_is_told_as_it_is(capsys):
    assert guarded(raising(UserError("wrong; mend it"))) == 2
    assert capsys.readouterr().err == "segadapt: wrong; mend it\n"


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.zeros(10**15),
        lambda: np.zeros(10**15),
        raising(MemoryError()),
        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nMore text.")),
        raising(RuntimeError("CUDA error: out of memory")),
        raising(RuntimeError("could not create a primitive")),
        raising(ImportError("/lib/_backend_agg.so: failed to map segment from shared object")),
    ],
    ids=["torch", "numpy", "python", "cuda", "driver", "onednn", "loader"],
)
def test_too_little_memory_is_one_sentence(allocate, capsys):
    assert guarded(allocate) == 2
    told = capsys.readouterr().err
    assert told.startswith("segadapt: out of memory") and "batch_size" in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("encode", "expected"),
    [
        (lambda: "toy/\udcff.png".encode(), r"toy/\udcff.png: is no UTF-8"),
        (lambda: b"toy/\xff".decode(), "is no UTF-8"),
        (lambda: "datasets/Zürich".encode("ascii"), "set to ascii, which cannot write it; set LC_ALL=C.UTF-8"),
    ],
)
def test_text_that_cannot_be_written_is_one_sentence(encode, expected, capsys):
    assert guarded(encode) == 2
    told = capsys.readouterr().err
    assert expected in told and told.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x"), OSError("no number"), AssertionError()])
def test_what_is_not_known_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        guarded(raising(error))
    with pytest.raises(type(error)), known_causes():
        raise error


def test_an_engine_gets_a_users_error():
    with pytest.raises(UserError, match=r"^work: Read-only file system; mount"), known_causes():
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "work")
    with pytest.raises(UserError, match=r"^as it was$"), known_causes():
        raise UserError("as it was")


def test_the_ends_that_are_no_failures(capsys):
    assert guarded(lambda: None) == 0
    assert guarded(lambda: 3) == 3
    assert guarded(raising(KeyboardInterrupt())) == 130
    assert guarded(raising(Stopped("stopped after step 6 of 9", 143))) == 143
    assert capsys.readouterr().err == "segadapt: interrupted\nsegadapt: stopped after step 6 of 9\n"


def command(*arguments: str, **more) -> subprocess.CompletedProcess[bytes]:
    variables = tiny.environment(tiny.REPOSITORY) | more.pop("variables", {})
    words = [sys.executable, "-m", "segadapt", *arguments]
    return subprocess.run(
        words, cwd=tiny.REPOSITORY, env=variables, stderr=subprocess.PIPE, timeout=120, check=False, **more
    )


def test_a_reader_that_leaves_ends_it_quietly():
    read, write = os.pipe()
    os.close(read)
    try:
        ended = command("schema", stdout=write)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_one_sentence():
    with open("/dev/full", "wb") as full:
        ended = command("schema", stdout=full)
    assert ended.returncode == 2
    assert (
        ended.stderr.decode().startswith("segadapt: a file or the output: No space left")
        and ended.stderr.count(b"\n") == 1
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["latin-1", "posix"],
)
def test_a_terminal_of_few_letters_shows_a_mark_for_the_others(variables, tmp_path):
    table = tmp_path / "t_protocols.csv"
    table.with_suffix(".md").write_text("λ = 0.1\n", encoding="utf-8")
    ended = command("show", str(table), stdout=subprocess.PIPE, variables=variables)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"? = 0.1\n\n", b"")


def test_an_argument_that_is_no_utf8_is_one_sentence():
    ended = command("show", b"results/\xff.csv", stdout=subprocess.PIPE)
    assert ended.returncode == 2
    assert ended.stderr == b"segadapt: b'results/\\xff.csv': is no UTF-8 (invalid start byte); rename the file\n"
