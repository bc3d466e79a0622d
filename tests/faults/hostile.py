"""Input from elsewhere: refused by a sentence, or taken and then right; never a traceback, a hang or all the memory."""

import os
import random
import resource
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from segadapt.core.edge import guarded

from . import engine
from .case import HEALED, REFUSED, SILENT, STUCK, TRACEBACK, Case
from .engine import Report
from .judging import Judgement

SECONDS = 40.0
MEMORY = 2 * 2**30
"""Bytes that the reading process may take on top of what it has."""
MANY_LINES = 40
Maker = Callable[[random.Random], bytes]
"""The content of a file."""
TRAP = "a-foreign-program-ran"


def read(folder: Path, work: Callable[[], int | None]) -> Report:
    """``work`` in a process with little time and memory, in ``folder``; what is known becomes its sentence, exit 2."""

    def limited() -> int:
        have = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (have + MEMORY, resource.RLIM_INFINITY))
        _lay_trap(folder)
        return guarded(work)

    report = engine.call(folder, limited, SECONDS)
    if (folder / TRAP).exists():
        report.text += f"\n{TRAP}"
    return report


def _lay_trap(folder: Path) -> None:
    """What Pillow would start for a PostScript file."""
    program = folder / "bin/gs"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\ntouch '{folder / TRAP}'\necho 10.0\n")
    program.chmod(0o755)
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def judge(report: Report, compare: Callable[[], str]) -> Judgement:
    """``compare`` says what is wrong with what was taken, or ""."""
    if TRAP in report.text:
        return SILENT, f"a foreign program was run: {report.last_words()}"
    if report.hung:
        return STUCK, f"hangs: {report.last_words()}"
    if report.has_traceback:
        return TRACEBACK, report.last_words()
    if report.code not in (0, 1, 2):
        return TRACEBACK, f"exit {report.code}: {report.last_words()}"
    if report.code:
        lines = report.text.strip().splitlines()
        if not lines or len(lines) > MANY_LINES or max(map(len, lines)) > 2000:
            return TRACEBACK, f"{len(lines)} lines are no sentence: {report.last_words()}"
        return REFUSED, ""
    wrong = compare()
    return (SILENT, f"taken, and wrong: {wrong}") if wrong else (HEALED, "")


def strange_file(path: Path, kind: str) -> None:
    """Something else than a regular file, by name."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "nowhere":
        path.symlink_to("nothing is here")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
        os.chdir(here)
    elif kind == "unreadable":
        path.write_bytes(b"whatever")
        path.chmod(0)


STRANGE = ("fifo", "folder", "nowhere", "loop", "zeros", "socket", "unreadable")


def unlike(have: np.ndarray, want: np.ndarray, tolerance: float = 0.0) -> str:
    """What differs between two arrays, or "". With a tolerance, of the mean difference (lossy formats)."""
    if have.shape != want.shape:
        return f"shape {have.shape} for {want.shape}"
    difference = np.abs(have.astype(float) - want.astype(float))
    if difference.mean() > tolerance:
        return f"values differ by up to {difference.max():g}, {difference.mean():.3g} in the mean"
    return ""


def write(path: Path, case: Case, makers: Mapping[str, Maker]) -> bytes | None:
    """Puts a file of the case's kind there; its content, or None for what is no ordinary file."""
    if case.kind not in makers:
        strange_file(path, case.kind)
        return None
    content = makers[case.kind](random.Random(case.name))
    path.write_bytes(content)
    return content


def changed(make: Maker, how: str) -> Maker:
    """What is made, cut short or with flipped bits."""

    def altered(draw: random.Random) -> bytes:
        content = bytearray(make(draw))
        if how == "cut":
            return bytes(content[: draw.randrange(len(content))])
        for _ in range(draw.choice([1, 1, 4])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        return bytes(content)

    return altered


class Trap:
    """Unpickled, it starts a program."""

    def __reduce__(self):
        return os.system, ("gs",)
