"""Office-31 (Saenko et al., ECCV 2010) as shipped, and other sets of images in its layout.

``{domain}/images/{class}/*.jpg``; a domain is a split and a folder's name the class: amazon 2,817, dslr 498, webcam
795 images of 31 classes. Any folder of this layout can be read, with other domains too, if the folders of classes are
those of ``OFFICE31`` or those of ``DIGITS10``, all of them and no others in each domain.
"""

from pathlib import Path

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, lookup_table
from segadapt.data.shipped.faults import Fault, Faulty, Kind, MissingSplit
from segadapt.data.shipped.listing import IMAGE_ENDS, Listing, visible, whole
from segadapt.labels import CLASS_SETS, OFFICE31, ClassSet

HOW_TO_GET = (
    "get Office-31 from its authors' page (Domain Adaptation Project, Berkeley) and unpack it so that "
    "amazon/images/back_pack/*.jpg, and dslr and webcam alike, lie in it, or point "
    "datasets.<name>.root in presets/<preset>.yaml at your copy"
)
COUNTS = {"amazon": 2817, "dslr": 498, "webcam": 795}


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """A class's place in its set to its train id, which is the same; UserError for a class set of segmentation."""
    if class_set.task != "classification":
        raise UserError(f"images of objects have no labels of {class_set.name}; set model.classes: {OFFICE31.name}")
    return lookup_table(class_set.train_ids())


def split_names(root: Path) -> list[str]:
    """The domains in ``root``, with Office-31's own if one of them is there or none at all."""
    found = sorted(path.parent.name for path in visible(root, "*/images") if path.is_dir())
    own = list(COUNTS) if not found or set(found) & set(COUNTS) else []
    return own + [name for name in found if name not in own]


def class_set_of(root: Path) -> ClassSet:
    """The class set that has most of the folders of classes in ``root``; Office-31's if none has any."""
    names = {path.name for path in visible(root, "*/images/*")}
    sets = [OFFICE31, *(each for each in CLASS_SETS.values() if each.task == "classification")]
    return max(sets, key=lambda each: len(names & set(each.classes)))


def list_samples(root: Path, split: str) -> Listing:
    """The images of a domain, sorted by class, then by name.

    Faults, besides those of ``whole``: a folder of no class, a class without images, images of one class alone, a
    file that is no picture, a name in two formats.
    """
    place = root / split / "images"
    if not place.is_dir():
        raise MissingSplit(f"folder {place} is missing: {HOW_TO_GET}")
    class_set, faults, samples = class_set_of(root), [], []
    entries = sorted(visible(place, "*"))
    for entry in entries:
        if not entry.is_dir():
            faults.append(_no_picture(entry))
        elif entry.name not in class_set.classes:
            what = f"is a folder of no class of {class_set.name}"
            faults.append(Fault(entry, Kind.UNKNOWN_CLASS, what, f"correct its name or remove it; {_are(class_set)}"))
    for class_id, name in enumerate(class_set.classes):
        found, amiss = _images_of(place / name, split, class_id)
        samples += found
        faults += amiss
    present = {each.class_id for each in samples}
    if not present:
        raise Faulty([*faults, Fault(place, Kind.EMPTY_SPLIT, "holds no image of any class", HOW_TO_GET)])
    if len(present) == 1:
        what = f"holds images of a single class ({class_set.classes[present.pop()]})"
        faults.append(Fault(place, Kind.SINGLE_CLASS, what, f"restore the others; {_are(class_set)}"))
    else:
        absent = [name for class_id, name in enumerate(class_set.classes) if class_id not in present]
        faults += [_without_image(root, place / name, split) for name in absent]
    return whole(samples, place, faults)


def _images_of(folder: Path, split: str, class_id: int) -> tuple[list[SampleFiles], list[Fault]]:
    samples, faults = {}, []
    for path in sorted(visible(folder, "*")):
        if path.is_dir() or path.suffix.lower() not in IMAGE_ENDS:
            faults.append(_no_picture(path))
        elif path.stem in samples:
            what = f"is one too many: {path.stem} is there in two formats"
            faults.append(Fault(path, Kind.TWO_FORMATS, what, "remove one"))
        else:
            name = f"{split}/{folder.name}/{path.stem}"
            samples[path.stem] = SampleFiles(name, path, None, class_id=class_id)
    return list(samples.values()), faults


def _no_picture(path: Path) -> Fault:
    what = "is a folder where pictures belong" if path.is_dir() else f"is no picture ({', '.join(IMAGE_ENDS)})"
    return Fault(path, Kind.NO_PICTURE, what, "remove it, or accept it to leave it out")


def _without_image(root: Path, folder: Path, split: str) -> Fault:
    """The fault of a class that a domain lacks; it says where else the class is, if it is anywhere."""
    others = [name for name in split_names(root) if name != split and any(_pictures(root / name, folder.name))]
    what = "holds no image" if folder.is_dir() else "is missing"
    what += f", though domain {others[0]} has this class" if others else ", and so it is in every domain"
    return Fault(folder, Kind.MISSING_CLASS, what, "every domain needs images of every class: restore them")


def _pictures(domain: Path, name: str) -> list[Path]:
    return [path for path in visible(domain / "images" / name, "*") if path.suffix.lower() in IMAGE_ENDS]


def _are(class_set: ClassSet) -> str:
    return f"the classes are {', '.join(class_set.classes)}"
