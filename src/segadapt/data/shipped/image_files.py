"""Where a sample's image is: a file of its own, or a row of an array that many share.

Readers by the name that a data set module gives as ``SampleFiles.read_image``.
"""

from hashlib import sha256
from pathlib import Path

from PIL import Image

from segadapt.core.artifacts import sha256_file
from segadapt.data.datasets import SampleFiles
from segadapt.data.shipped.array_rows import archive_of, row_of, row_picture
from segadapt.data.shipped.faults import Fault, Faulty, Kind
from segadapt.data.shipped.pictures import as_rgb, open_picture, opened, orientation, upright, upright_size

_READERS = {"file": open_picture, "row": row_picture}


def read_image(files: SampleFiles) -> Image.Image:
    """The image at its own size, in RGB, as its label lies on it.

    An EXIF orientation is followed where there is no label of pixels, and where the label has the size of the upright
    picture; where it has that of the stored pixels it goes with them. Faulty if the image is damaged, of no known
    format, or if its orientation does not tell which way the label goes.
    """
    image = _READERS[files.read_image](files.image)
    return as_rgb(upright(image) if _is_to_be_turned(files, image) else image, files.image)


def image_size(files: SampleFiles) -> tuple[int, int]:
    """(width, height) of ``read_image``, from the file's header; Faulty as ``read_image``."""
    with row_picture(files.image) if files.read_image == "row" else opened(files.image) as image:
        return upright_size(image) if _is_to_be_turned(files, image) else image.size


def _is_to_be_turned(files: SampleFiles, image: Image.Image) -> bool:
    tag = orientation(image)
    if tag == 1 or files.label is None:
        return tag != 1
    if tag < 5 or image.width == image.height:
        what = f"has an EXIF orientation ({tag}), and nothing tells whether its label was drawn with or without it"
        raise Faulty([Fault(files.image, Kind.ORIENTATION, what, "save its pixels upright, without the tag")])
    with opened(files.label) as label:
        return label.size == upright_size(image)


def image_digest(files: SampleFiles) -> str:
    """Hex SHA-256 of the image's file, or of its row alone; UserError if a file cannot be read."""
    if files.read_image == "row":
        return sha256(row_of(files.image).tobytes()).hexdigest()
    return sha256_file(files.image)


def file_of(files: SampleFiles) -> Path:
    """The file that holds the image: its own, or the archive of its row."""
    return archive_of(files.image) if files.read_image == "row" else files.image


def shared_digests(samples: list[SampleFiles], root: Path) -> dict[str, str]:
    """Hex SHA-256 of each file, by its path relative to ``root``, that holds the images of several samples."""
    shared = {archive_of(files.image) for files in samples if files.read_image == "row"}
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in sorted(shared)}
