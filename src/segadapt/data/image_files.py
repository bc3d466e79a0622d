"""Where a sample's image is: a file of its own, or a row of an array that many share.

Readers by the name that a data set module gives as ``SampleFiles.read_image``.
"""

from hashlib import sha256
from pathlib import Path

from PIL import Image

from segadapt.core.artifacts import sha256_file
from segadapt.data.array_rows import archive_of, row_of, row_picture
from segadapt.data.datasets import SampleFiles
from segadapt.data.label_files import open_picture

_READERS = {"file": open_picture, "row": row_picture}


def read_image(files: SampleFiles) -> Image.Image:
    """The image at its own size, in RGB; Faulty if it is damaged or of no known format."""
    return _READERS[files.read_image](files.image).convert("RGB")


def image_digest(files: SampleFiles) -> str:
    """Hex SHA-256 of the image's file, or of its row alone; OSError if a file cannot be read."""
    content = row_of(files.image).tobytes() if files.read_image == "row" else files.image.read_bytes()
    return sha256(content).hexdigest()


def file_of(files: SampleFiles) -> Path:
    """The file that holds the image: its own, or the archive of its row."""
    return archive_of(files.image) if files.read_image == "row" else files.image


def shared_digests(samples: list[SampleFiles], root: Path) -> dict[str, str]:
    """Hex SHA-256 of each file, by its path relative to ``root``, that holds the images of several samples."""
    shared = {archive_of(files.image) for files in samples if files.read_image == "row"}
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in sorted(shared)}
