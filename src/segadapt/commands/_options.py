"""Values that several commands take."""

import argparse
import os
import re


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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
