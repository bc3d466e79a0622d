"""Draws the three domains into a folder in Office-31's layout.

All of it takes a few seconds, so a call draws everything, and writes only what is not there with the same bytes: it
continues a call that was killed, and mends what was changed.
"""

import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.artifacts import write_bytes, write_failure
from segadapt.core.errors import UserError
from segadapt.core.seeding import generator
from segadapt.data.digits.dealing import check_counts, deal
from segadapt.data.digits.looks import LOOKS
from segadapt.data.shipped.rendered import DIGITS_NAME
from segadapt.labels import DIGITS10

NOTE = "the digits of scikit-learn (UCI, Alpaydin and Kaynak 1998) drawn anew by segadapt; not Office-31"
SMALLEST = 16
AVAILABLE = 1797
"""Handwritten digits that scikit-learn brings."""

Progress = Callable[[Iterable[int], int], Iterable[int]]


def render(root: Path, config: Mapping[str, Any], processes: int, progress: Progress) -> dict[str, str]:
    """``render_digits`` of scikit-learn's digits as its job's configuration says, with ``size`` in pixels.

    Returns ``pictures_sha256``, to be recorded. ``processes`` is of no use here.
    """
    names = ("splits", "size", "seed")
    digest = render_digits(root, *_handwritten(), **{name: config[name] for name in names}, progress=progress)
    return {"pictures_sha256": digest}


def check(config: Mapping[str, Any], available: int = AVAILABLE) -> None:
    """UserError for a job's configuration of which nothing can be drawn; ``size`` is in pixels."""
    for domain in config["splits"]:
        if domain not in LOOKS:
            raise UserError(f"domain '{domain}' of the built-in digits is unknown: use {', '.join(LOOKS)}")
    width, height = config["size"]
    if min(width, height) < SMALLEST:
        raise UserError(f"size {width}x{height} of the built-in digits is too small: use {SMALLEST}x{SMALLEST}")
    check_counts(config["splits"], available)


def _handwritten() -> tuple[np.ndarray, np.ndarray]:
    """1,797 digits, 8x8 greys in [0, 1], and what they are: of UCI's "Optical Recognition of Handwritten Digits"."""
    try:
        from sklearn.datasets import load_digits  # here, for it takes a while and nothing else needs it
    except ImportError as error:
        raise UserError(
            "the built-in digits come with scikit-learn, which is missing; install what requirements.txt lists"
        ) from error
    bundled = load_digits()
    return bundled.images / 16, bundled.target


def render_digits(
    root: Path,
    digits_NHW: np.ndarray,
    labels_N: np.ndarray,
    *,
    splits: dict[str, int],
    size: tuple[int, int],
    seed: int,
    progress: Progress | None = None,
) -> str:
    """Writes ``root/{domain}/images/{class}/digit_{index}.png`` and returns a hex SHA-256 over names and files.

    Each file depends on its digit, the domain, ``size`` and ``seed`` alone. Files that an earlier call drew from other
    arguments are removed.

    Args:
        root: folder of the data set, made if missing.
        digits_NHW: handwritten digits, 8x8 greys in [0, 1], 1 for ink.
        labels_N: what they are, 0 to 9.
        splits: number of pictures by domain, a key of ``LOOKS``; no digit is in two domains.
        size: (width, height) in pixels, 16 at least.
        seed: non-negative.
        progress: wraps the numbers of the pictures, given also their total (e.g. tqdm).

    Raises:
        UserError: unknown domain, too many or too few pictures, too small a size, a folder with pictures from
            elsewhere, a full disk.
    """
    check({"splits": splits, "size": size}, len(labels_N))
    dealt = deal(labels_N, splits, seed)
    places = [
        (root / domain / "images" / DIGITS10.classes[labels_N[index]] / f"digit_{index:04d}.png", domain, index)
        for domain, indices in dealt.items()
        for index in indices
    ]
    _claim(root, {"domain": "digits", "splits": splits, "size": list(size), "seed": seed})
    _remove_others(root, {path for path, *_ in places})
    digest = sha256()
    numbers = range(len(places))
    for number in progress(numbers, len(places)) if progress else numbers:
        path, domain, index = places[number]
        picture = LOOKS[domain](digits_NHW[index], size, generator(seed, "digits", domain, index))
        stored = io.BytesIO()
        picture.save(stored, "PNG")
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + stored.getvalue())
        if not (path.is_file() and path.read_bytes() == stored.getvalue()):
            # Some two thousand tiny files: brought to the disk together at the end.
            write_bytes(path, stored.getvalue(), lasting=False)
    os.sync()
    return digest.hexdigest()


def _claim(root: Path, asked: dict[str, object]) -> None:
    """Marks the folder as ours; UserError if it holds pictures but no mark."""
    mark = root / DIGITS_NAME
    foreign = next(iter(root.glob("*/images/*")), None)
    if foreign is not None and not mark.is_file():
        raise UserError(f"{foreign} is there, but no {DIGITS_NAME} says that we drew it: choose an empty folder")
    write_bytes(mark, (json.dumps(asked, indent=1) + "\n").encode())


def _remove_others(root: Path, keep: set[Path]) -> None:
    """Removes every file below a domain's folder but ``keep``, and folders that are empty then."""
    try:
        for path in sorted(root.glob("*/images/**/*"), reverse=True):
            if path.is_file() and path not in keep:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        for path in root.glob("*/images"):
            if not any(path.iterdir()):
                path.rmdir()
                path.parent.rmdir()
    except OSError as error:
        raise write_failure(root, error) from error
