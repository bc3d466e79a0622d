"""Values that several commands take."""

import argparse
import json
import os
import re
from typing import Any

from segadapt.core.errors import UserError
from segadapt.labels import CLASS_SETS, ClassSet


def size(text: str) -> tuple[int, int]:
    """``1024x512`` as (1024, 512)."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write WIDTHxHEIGHT, for example 1024x512")
    return int(found[1]), int(found[2])


def size_or_side(text: str) -> tuple[int, int] | int:
    """``1024x512`` as (1024, 512), and ``1024`` as it is: the longer side."""
    return int(text) if re.fullmatch(r"[1-9]\d{0,4}", text) else size(text)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if re.fullmatch(r"[1-9]\d{0,3}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 9999")
    return int(text)


def class_set(name: str | None) -> ClassSet | None:
    """The set that ``--classes`` names; UserError if there is none of that name."""
    if name is not None and name not in CLASS_SETS:
        raise UserError(f"--classes {name} is unknown; use one of {', '.join(CLASS_SETS)}")
    return None if name is None else CLASS_SETS[name]


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``, of commands that then print nothing else."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def print_json(value: Any) -> None:
    """One key a line, as in all our files."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
