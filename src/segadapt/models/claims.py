"""What a file of weights claims of its sizes, held against its own size and a limit before anything is allocated.

An archive of some megabytes can claim records of many gigabytes (a bomb), and a header any number of bytes.
"""

import json
import zipfile
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.core.files import require_regular

MOST_BYTES = 6_000_000_000
"""Of a file of weights: the largest network here takes 1.3 GB, and four times that with a teacher and Adam's state."""
MOST_STRUCTURE = 64 << 20
"""Bytes of names and shapes: a header, a pickle, a table of contents."""
_LENGTH_BYTES = 8
_ZIP_END = b"PK\x05\x06"
_LONGEST_ZIP_END = 22 + 0xFFFF


def require_weights_file(path: Path) -> int:
    """The size of a regular file that is no larger than weights can be; nothing is opened. UserError for another."""
    size = require_regular(path, "weights").st_size
    if size > MOST_BYTES:
        raise UserError(
            f"{path} has {size / 1e9:.1f} GB and weights at most {MOST_BYTES / 1e9:g} GB; name a file of one network"
        )
    return size


def require_sane_safetensors(path: Path, size: int) -> None:
    """UserError unless the header of a ``.safetensors`` file fits into it and its tensors fill the rest exactly."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > min(size - _LENGTH_BYTES, MOST_STRUCTURE):
            raise UserError(
                f"{path} is not a whole safetensors file: its header claims {length} bytes of {size}; it is damaged or "
                "of another format: make or fetch it again, or convert foreign weights with 'segadapt import-weights'"
            )
        header = file.read(length)
    try:
        ends = [each["data_offsets"][1] for name, each in json.loads(header).items() if name != "__metadata__"]
        claimed, held = max(ends, default=0), size - _LENGTH_BYTES - length
        problem = "" if claimed == held else f"its tensors claim {claimed} bytes and it has {held}"
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        problem = "its header describes no tensors"
    if problem:
        raise UserError(
            f"{path} is not a whole safetensors file: {problem}; it is damaged, cut short or of another format: make "
            "or fetch it again, or convert foreign weights with 'segadapt import-weights'"
        )


def require_sane_archive(path: Path, size: int) -> None:
    """UserError for a zip archive, the newer format of ``torch.save``, whose records claim more than there is.

    Torch compresses nothing, so all records together are smaller than the file. Another file passes.
    """
    with open(path, "rb") as file:
        file.seek(max(0, size - _LONGEST_ZIP_END))
        tail = file.read()
    end = tail.rfind(_ZIP_END)
    if end < 0:
        return
    if int.from_bytes(tail[end + 12 : end + 16], "little") > MOST_STRUCTURE:
        raise UserError(f"{path} is damaged: the archive's table of contents is too long; fetch this file again")
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError):
        return  # torch's reader says what is wrong with it
    claimed = sum(record.file_size for record in records)
    if claimed > size:
        raise UserError(
            f"{path} has {size} bytes and its records claim {claimed}: it was compressed or is damaged, and torch "
            "compresses nothing; get the file from its authors, or save its state_dict anew with torch.save"
        )
    for record in records:
        if record.filename.endswith("data.pkl") and record.file_size > MOST_STRUCTURE:
            raise UserError(f"{path} is damaged: {record.filename} has {record.file_size} bytes; fetch it again")


def require_intact_archive(path: Path) -> None:
    """UserError for a zip archive of which a record does not fit its checksum: torch never looks at them.

    Where not one storage fits, the file was written without checksums (``torch.serialization.set_crc32_options``), and
    nothing can be told. Another file passes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            fits = {record.filename: _fits(archive, record) for record in archive.infolist() if record.file_size}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError):
        return  # torch's reader says what is wrong with it
    damaged = [name for name, is_whole in fits.items() if not is_whole]
    storages = [is_whole for name, is_whole in fits.items() if "/data/" in name]
    if damaged and (len(storages) < 2 or any(storages)):
        raise UserError(f"{path} is damaged: its record {damaged[0]} does not fit its checksum; fetch this file again")


def _fits(archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(record) as content:
            while content.read(1 << 20):
                pass
    except zipfile.BadZipFile:
        return False
    return True
