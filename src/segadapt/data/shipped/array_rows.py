"""Pictures that are rows of an array in a NumPy archive.

A row is named by a path, as if the archive were a folder: ``digits.npz/mnist_x/00017``. Each process decompresses an
array once and keeps it.
"""

import io
import math
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.core.files import require_regular
from segadapt.data.shipped.faults import Fault, Faulty, Kind
from segadapt.data.shipped.pictures import damaged


def row_path(archive: Path, array: str, row: int) -> Path:
    """The name of a row."""
    return archive / array / f"{row:05d}"


def archive_of(path: Path) -> Path:
    """The archive of a row's path."""
    return path.parent.parent


def read_array(archive: Path, name: str) -> np.ndarray:
    """An array of an archive, read-only; Faulty if the archive is damaged, lacks it, or has it as Python objects.

    UserError if the archive is no regular file.
    """
    about = require_regular(archive, "an archive of arrays (.npz)")
    try:
        return _read_array(archive, name, about.st_size, about.st_mtime_ns)
    except KeyError as error:
        raise Faulty([Fault(archive / name, Kind.ARRAY, "is missing from this file", _MEND)]) from error
    except Faulty:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise nearly anything for a damaged file
        raise Faulty([damaged(archive, error)]) from error


_MEND = "write the arrays anew with numpy.savez_compressed"
MOST_BYTES = 2**30
"""Of an array: as 28 x 28 pixels, more than a million images."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@lru_cache(maxsize=16)
def _read_array(archive: Path, name: str, size: int, time: int) -> np.ndarray:
    # Read as a whole: numpy.load stops before the end, where the archive's checksum is compared.
    with zipfile.ZipFile(archive) as members:
        claimed = members.getinfo(f"{name}.npy").file_size
        if claimed > MOST_BYTES:
            what = f"claims {claimed:,} bytes, more than {MOST_BYTES:,}"
            raise Faulty([Fault(archive / name, Kind.TOO_LARGE, what, _MEND)])
        content = io.BytesIO(members.read(f"{name}.npy"))
    _check_claims(archive / name, content, claimed)
    array = np.lib.format.read_array(content, allow_pickle=False)
    array.flags.writeable = False
    return array


def _check_claims(path: Path, content: io.BytesIO, size: int) -> None:
    """Faulty if an array's header speaks of more, or less, than there is: numpy believes it."""
    version = np.lib.format.read_magic(content)
    if version not in _HEADERS:
        raise Faulty([Fault(path, Kind.ARRAY, "has a header of another kind than uint8 arrays have", _MEND)])
    shape, _, kind = _HEADERS[version](content)
    claimed, rest = math.prod(shape) * kind.itemsize, size - content.tell()
    if claimed != rest and not kind.hasobject:
        what = f"claims {kind} of shape {shape}, which is {claimed:,} bytes, and has {rest:,}"
        raise Faulty([Fault(path, Kind.ARRAY, what, _MEND)])
    content.seek(0)


def check_images(path: Path, images_NHW: np.ndarray, side: int) -> list[Fault]:
    """The faults of an array, named ``path``, that should hold grey images of ``side`` x ``side``."""
    wanted = f"uint8 of shape (N, {side}, {side})"
    return _check(path, images_NHW, images_NHW.dtype == np.uint8, images_NHW.shape[1:] == (side, side), wanted)


def check_labels(path: Path, labels_N: np.ndarray, count: int, classes: int) -> list[Fault]:
    """The faults of an array that should hold a class, 0 to ``classes - 1``, for each of ``count`` images."""
    whole_numbers = np.issubdtype(labels_N.dtype, np.integer)
    faults = _check(path, labels_N, whole_numbers, labels_N.ndim == 1, "whole numbers of shape (N,)")
    if faults:
        return faults
    if len(labels_N) != count:
        what = f"holds {len(labels_N)} labels for {count} images"
        return [Fault(path, Kind.ARRAY, what, _MEND)]
    foreign = np.flatnonzero((labels_N < 0) | (labels_N >= classes))
    if foreign.size:
        what = f"holds label {labels_N[foreign[0]]} at index {foreign[0]}, beyond 0 to {classes - 1}"
        return [Fault(path, Kind.UNKNOWN_ID, what, _MEND)]
    return []


def _check(path: Path, array: np.ndarray, is_type: bool, is_shape: bool, wanted: str) -> list[Fault]:
    if is_type and is_shape and array.size:
        return []
    what = f"holds {array.dtype} of shape {array.shape}, not {wanted}"
    return [Fault(path, Kind.ARRAY, what, _MEND)]


def row_of(path: Path) -> np.ndarray:
    """The array's row, image_HW uint8; Faulty as ``read_array``."""
    return read_array(archive_of(path), path.parent.name)[int(path.name)]


def row_picture(path: Path) -> Image.Image:
    """The row as a grey picture, values as they are."""
    return Image.fromarray(row_of(path))
