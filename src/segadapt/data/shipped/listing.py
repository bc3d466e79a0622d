"""The files of a split and all faults that a look at names, lists and file sizes can find; no picture is opened.

``list_samples`` of a data set module ends in one of these helpers. Whatever they find wrong is collected, and raised
at the end as ``Faulty``, which carries the samples that are whole.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.core.files import require_regular
from segadapt.data.datasets import SampleFiles
from segadapt.data.shipped.faults import Fault, Faulty, Kind, MissingSplit

MOST_OF_A_LIST = 2**26
IMAGE_ENDS = (".png", ".jpg", ".jpeg")
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


class Listing(list[SampleFiles]):
    """The samples of a split that are whole, in a fixed order.

    ``place`` is the list or folder that says what belongs to the split, ``count`` the number of samples that it
    names, whole or not, ``known`` all files of all of these.
    """

    def __init__(self, samples: Iterable[SampleFiles], place: Path, every: Sequence[SampleFiles], extra: int = 0):
        super().__init__(samples)
        self.place = place
        self.count = len(every) + extra
        self.known = {place} | {path for each in every for path in (each.image, each.label) if path is not None}


def whole(samples: Sequence[SampleFiles], place: Path, faults: Sequence[Fault] = (), extra: int = 0) -> Listing:
    """The listing, if every file is there and none is empty; else ``Faulty``, with these faults and the given ones.

    ``extra`` entries of ``place`` name no sample and yet count.
    """
    faults, kept = list(faults), []
    for each in samples:
        label = [] if each.label is None else [_file_fault(each.label, Kind.MISSING_LABEL, each.image.name, place)]
        found = [_file_fault(each.image, Kind.MISSING_IMAGE, each.label and each.label.name, place), *label]
        faults += filter(None, found)
        if not any(found):
            kept.append(each)
    listing = Listing(kept, place, samples, extra)
    if faults:
        raise Faulty(faults, listing)
    return listing


def _file_fault(path: Path, missing: Kind, partner: str | None, place: Path) -> Fault | None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Fault(path, Kind.BAD_FILE_NAME, "has a name that is not UTF-8", "rename it, and its partner alike")
    try:
        about = path.stat()
    except OSError:
        why = f"though {place.name} names it" if place.suffix else f"though {partner} is there" if partner else ""
        return Fault(path, missing, f"is missing {why}".strip(), "restore it or take its sample out of the split")
    if not stat.S_ISREG(about.st_mode):
        return Fault(path, Kind.NO_FILE, "is a folder, a pipe or a device, not a file", "put the file in its place")
    if about.st_size == 0:
        return Fault(path, Kind.EMPTY_FILE, "is empty (0 bytes)", "fetch this file again")
    return None


def require_folders(root: Path, folders: Sequence[str], how_to_get: str) -> list[Path]:
    """``root / folder`` for each; MissingSplit, with ``how_to_get``, if none is there, Faulty if only some are.

    Where the folders lie elsewhere, as file managers unpack archives, MissingSplit says where.
    """
    paths = [root / folder for folder in folders]
    missing = [path for path in paths if not path.is_dir()]
    if len(missing) == len(paths):
        raise MissingSplit(f"folder {paths[0]} is missing{_elsewhere(root, folders) or f': {how_to_get}'}")
    if missing:
        raise Faulty([Fault(path, Kind.MISSING_FOLDER, "is missing", how_to_get) for path in missing])
    return paths


def _elsewhere(root: Path, folders: Sequence[str]) -> str:
    """Where the folders lie, if it is a level or two below ``root`` or the level above; empty if nowhere near."""
    found = {folder: _found(root, folder) for folder in folders}
    if not all(found.values()):
        return ""
    places = {base for base in found.values() if base is not None}
    if len(places) == 1:
        return f", but {places.pop()} holds it; name that folder instead of {root}"
    tops = [str(base / Path(folder).parts[0]) for folder, base in found.items()]
    return f", but it lies elsewhere; move {' and '.join(dict.fromkeys(tops))} into {root}"


def _found(root: Path, folder: str) -> Path | None:
    if not root.is_dir():
        return None
    places = [root.parent, *visible(root, "*"), *visible(root, "*/*")]
    return next((place for place in sorted(places[1:]) + places[:1] if (place / folder).is_dir()), None)


def pairs(
    images: Path, labels: Path | None, names: Iterable[str], read_ids: str = "index", ends: Sequence[str] = (".png",)
) -> list[SampleFiles]:
    """``images/<name><end>`` with ``labels/<name>.png``; the end is the first that exists, or the first of all."""
    samples = []
    for name in names:
        image = next((path for end in ends if (path := images / f"{name}{end}").is_file()), images / f"{name}{ends[0]}")
        samples.append(SampleFiles(name, image, labels and labels / f"{name}.png", read_ids))
    return samples


def folder_pairs(
    root: Path, images: str, labels: str, how_to_get: str, image_end: str = "", label_end: str = ".png"
) -> Listing:
    """All pictures of the folder ``images`` with their labels in the folder ``labels``, sorted by name.

    An image is called ``<name><image_end>.jpg`` (``.jpeg``, ``.png``, or in upper case), its label
    ``<name><label_end>``, for instance with ``label_end="_train_id.png"``. Labels that a converter has written for an
    image (``x_labelTrainIds.png`` for ``x``, whose label is ``x.png``) are passed over. Raises what ``require_folders``
    and ``whole`` raise; half a pair is a fault, and so is a name in two formats.
    """
    image_folder, label_folder = require_folders(root, [images, labels], how_to_get)
    found = sorted(path for path in visible(image_folder, "*") if _is_image(path, image_end))
    names = {path.stem.removesuffix(image_end) for path in found}
    labelled = {path.name.removesuffix(label_end) for path in visible(label_folder, f"*{label_end}")}
    orphans = [name for name in labelled - names if not _is_converted(name, names)]
    faults, samples = [], {}
    for path in found:
        name = path.stem.removesuffix(image_end)
        if name in samples:
            what = f"is one too many: {path.stem} is there in two formats"
            faults.append(Fault(path, Kind.TWO_FORMATS, what, "remove one"))
        samples.setdefault(name, SampleFiles(name, path, label_folder / f"{name}{label_end}"))
    # The image of a label without one would have the ending that the others have.
    end = found[0].suffix if found else ".png"
    for name in orphans:
        samples[name] = SampleFiles(name, image_folder / f"{name}{image_end}{end}", label_folder / f"{name}{label_end}")
    if not samples:
        faults.append(Fault(image_folder, Kind.EMPTY_SPLIT, "holds no image", how_to_get))
    return whole([samples[name] for name in sorted(samples)], image_folder, faults)


def _is_image(path: Path, image_end: str) -> bool:
    return path.suffix.lower() in IMAGE_ENDS and path.stem.endswith(image_end)


def _is_converted(name: str, known: set[str]) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in known for end in _CONVERTED)


_CONVERTED = ("_L", "_labelTrainIds", "_labelIds", "_instanceIds", "_color", "_colour", "_instances")


LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin", "__macosx"}
"""What Windows, macOS and network drives leave in folders, in lower case, beside hidden files."""


def is_litter(relative: Path) -> bool:
    """Whether a path below a folder of data is hidden, as ``._x.png`` is, or left there by a system."""
    return any(part.startswith(".") or part.lower() in LITTER for part in relative.parts)


def visible(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern without what systems leave or hide beside them."""
    return [path for path in folder.glob(pattern) if not is_litter(path.relative_to(folder))]


def read_list(
    path: Path, how_to_get: str, name_of: Callable[[str], str | None] | None = None, kind: str = "plain name"
) -> tuple[list[str], list[Fault]]:
    """The names in a list file, one a line, in its order and each once, and the faults of the list.

    A byte order mark, Windows line ends and empty lines are read as what they are. ``name_of`` turns a line into a
    name, or None if it is no ``kind``; by default a line is the name, unless it could lead out of its folder.
    MissingSplit, with ``how_to_get``, if there is no such file; UserError if it is no regular file.
    """
    if not os.path.exists(path):
        raise MissingSplit(f"split list {path} is missing: {how_to_get}")
    if require_regular(path, "a list of images").st_size > MOST_OF_A_LIST:
        return [], [Fault(path, Kind.BAD_LIST, f"has more than {MOST_OF_A_LIST:,} bytes", f"list one {kind} a line")]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; make it readable") from error
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        return [], [Fault(path, Kind.BAD_LIST, "is not plain text", f"list one {kind} a line")]
    if not lines:
        return [], [Fault(path, Kind.BAD_LIST, "is empty", f"list one {kind} a line")]
    faults, first = [], {}
    for number, line in enumerate(lines, 1):
        name = (name_of or plain_name)(line)
        if name is None:
            what = f"is faulty: entry {number} is '{line[:80]}', not a {kind}"
            faults.append(Fault(path, Kind.BAD_NAME, what.replace("a image", "an image"), "correct or remove it"))
        elif name in first:
            what = f"is faulty: image {first[name]} is listed twice (entry {number})"
            faults.append(Fault(path, Kind.LISTED_TWICE, what, "keep one line"))
        else:
            first[name] = line
    return list(first), faults


def plain_name(line: str) -> str | None:
    """The line itself, or None if it is no bare file name: ``../x``, ``/x``, ``C:x``."""
    return None if line.startswith(".") or _FORBIDDEN.search(line) else line


def without_end(line: str) -> str:
    """A list's entry without an image's ending, which some lists have."""
    stem, dot, end = line.rpartition(".")
    return stem if f"{dot}{end}".lower() in IMAGE_ENDS else line


def padded(digits: int) -> Callable[[str], str | None]:
    """A reader of entries that are image numbers, with or without leading zeros and ending: ``12``, ``00012.png``."""

    def name_of(line: str) -> str | None:
        number = without_end(line)
        return f"{int(number):0{digits}d}" if re.fullmatch("[0-9]{1,9}", number) else None

    return name_of


def bad_entries(faults: Iterable[Fault]) -> int:
    """How many list entries name nothing."""
    return sum(fault.kind is Kind.BAD_NAME for fault in faults)
