"""A vector of whole numbers from a MATLAB file, which may be anything but that."""

import zlib
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.files import require_regular
from segadapt.data.packed.parallel import worker_pool
from segadapt.data.shipped.faults import Fault, Faulty, Kind

MOST_BYTES = 2**26
"""Of the file, and of what it unpacks to; GTA5's own list takes less than a thousandth."""
_MEND = "fetch this file again, or write list/<split>.txt"
_HEADER, _COMPRESSED = 128, 15


def read_vector(path: Path, variable: str) -> list[int] | None:
    """The variable's numbers in their order, or None if the file has no variable of that name.

    Faulty: a damaged or huge file; anything but whole numbers from 0 on. UserError if it is no regular file.
    """
    if require_regular(path, "a MATLAB file").st_size > MOST_BYTES:
        raise _faulty(path, f"has more than {MOST_BYTES:,} bytes")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _faulty(path, f"cannot be read ({error.strerror})") from error
    if _unpacks_to_more(content):
        raise _faulty(path, f"unpacks to more than {MOST_BYTES:,} bytes")
    try:
        # In a process of its own, which some damaged files make scipy crash.
        with worker_pool(1) as pool:
            numbers = pool.submit(_variable, path, variable).result()
    except BrokenProcessPool as error:
        raise _faulty(path, "is damaged so that its reader crashes") from error
    except Exception as error:  # scipy raises nearly anything for a damaged file
        raise _faulty(path, f"cannot be read ({type(error).__name__})") from error
    if numbers is None:
        return None
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "iuf":
        raise _faulty(path, f"has no numbers in {variable}")
    values = numbers.ravel().astype(np.float64)
    if not (np.isfinite(values).all() and (values == np.floor(values)).all() and (np.abs(values) < 1e9).all()):
        raise _faulty(path, f"has values in {variable} that are no image numbers")
    if (values < 0).any():
        raise _faulty(path, f"has values below 0 in {variable}")
    return [int(value) for value in values]


def _variable(path: Path, variable: str) -> Any:
    from scipy.io import loadmat  # here, for it takes a while and few need it

    return loadmat(path, variable_names=[variable]).get(variable)


def _faulty(path: Path, what: str) -> Faulty:
    return Faulty([Fault(path, Kind.BAD_LIST, what, _MEND)])


def _unpacks_to_more(content: bytes) -> bool:
    """Whether the compressed elements of a MATLAB 5 file are larger than they may be."""
    at, left = _HEADER, MOST_BYTES
    order = "big" if content[126:128] == b"MI" else "little"
    while at + 8 <= len(content):
        kind, length = (int.from_bytes(content[at + each : at + each + 4], order) for each in (0, 4))
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj()
            try:
                left -= len(unpacked.decompress(content[at + 8 : at + 8 + length], left + 1))
            except zlib.error:
                return False  # told when it is read
            if left < 0:
                return True
        at += 8 + length
    return False
