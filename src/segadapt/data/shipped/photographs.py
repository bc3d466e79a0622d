"""A user's own photographs: any size, any of the usual formats, as they are meant to be seen."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from segadapt.core.errors import UserError
from segadapt.data.shipped.faults import Faulty, printable
from segadapt.data.shipped.listing import is_litter
from segadapt.data.shipped.pictures import as_rgb, open_picture, upright

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def find_photographs(paths: Sequence[Path], leave_out: Path) -> list[Path]:
    """The files named, and all pictures below the folders named (sorted), each once.

    Nothing below ``leave_out``, the folder that results go to, is taken, and nothing that is hidden. UserError for a
    path that does not exist, a folder without pictures, and a folder that is itself ``leave_out``.
    """
    found: dict[Path, Path] = {}
    leave_out = leave_out.resolve()
    for path in paths:
        if path.is_dir():
            if path.resolve() == leave_out:
                raise UserError(f"{path} is both read and written; choose another folder with -o")
            inside = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in SUFFIXES and each.is_file()]
            inside = [each for each in inside if not is_litter(each.relative_to(path))]
            inside = [each for each in inside if leave_out not in each.resolve().parents]
            if not inside:
                raise UserError(f"{path} holds no picture ({', '.join(SUFFIXES)}); name another folder")
        elif path.exists():
            inside = [path]
        else:
            raise UserError(f"{printable(path)} does not exist; correct the path")
        for each in inside:
            if printable(each) != str(each):
                raise UserError(f"{printable(each)} has a name that is not UTF-8; rename it")
            found.setdefault(each.resolve(), each)
    return list(found.values())


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """A name for the results of each file: its stem, with ``_2``, ``_3`` and so on where that is taken.

    Upper and lower case count as equal, for some file systems hold them to be.
    """
    taken = {path.stem.casefold() for path in paths}
    used: set[str] = set()
    names = []
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in used or (number > 1 and name.casefold() in taken):
            number += 1
            name = f"{path.stem}_{number}"
        used.add(name.casefold())
        names.append(name)
    return names


def read_photograph(path: Path) -> Image.Image:
    """The first picture of a file, in 8-bit RGB, upright as its EXIF orientation says.

    Transparent parts are laid on white, 16-bit grey is scaled to 8. UserError, naming the file: no regular file,
    unreadable, cut short, too large.
    """
    try:
        return as_rgb(upright(open_picture(path)), path)
    except Faulty as error:
        (fault,) = error.faults
        raise UserError(f"{path} {fault.what}; save it anew or leave it out") from error
