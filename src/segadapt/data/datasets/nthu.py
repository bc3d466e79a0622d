"""NTHU cross-city (Chen et al., ICCV 2017): one city's folder (Rome, Rio, Tokyo or Taipei) as shipped.

``Images/{Train,Test}/pano_*.jpg`` (or ``.png``), ``Labels/Test/pano_*_eval.png`` with Cityscapes label ids, and
``List/{train,test}.txt``, one name without its ending a line. 3,200 images of ``train`` have no labels, 100 of
``test`` have. The lists of both share names; ``segadapt check nthu`` tells whether the files are the same.
"""

from pathlib import Path

from segadapt.data.datasets import SampleFiles, cityscapes_id_table
from segadapt.data.shipped.faults import MissingSplit
from segadapt.data.shipped.listing import (
    Listing,
    bad_entries,
    pairs,
    plain_name,
    read_list,
    require_folders,
    whole,
    without_end,
)

HOW_TO_GET = (
    "get the NTHU data set from its authors (yihsinchen.github.io/segmentation_adaptation_dataset) and name one city's "
    "folder, with Images/Train, Images/Test, Labels/Test and List/{train,test}.txt in it, as "
    "datasets.<name>.root in presets/<preset>.yaml"
)
COUNTS = {"train": 3200, "test": 100}
NATIVE_SIZE = (2048, 1024)
CITIES = ("Rome", "Rio", "Tokyo", "Taipei")

train_id_table = cityscapes_id_table


def parts(root: Path) -> list[Path]:
    """The cities' folders in ``root``, or ``root`` if it is itself one."""
    cities = [root / name for name in CITIES if (root / name).is_dir()]
    return cities if cities and not (root / "Images").is_dir() else [root]


def list_samples(root: Path, split: str) -> Listing:
    """The images of ``List/{split}.txt`` in its order."""
    if split not in COUNTS:
        raise MissingSplit(f"NTHU has no split '{split}'; it has train and test")
    place, folder = root / "List" / f"{split}.txt", split.capitalize()
    names, faults = read_list(place, HOW_TO_GET, lambda line: plain_name(without_end(line)), "plain name")
    images = require_folders(root, [f"Images/{folder}"], HOW_TO_GET)[0]
    samples = pairs(images, None, names, ends=(".jpg", ".png"))
    if split == "test":
        labels = require_folders(root, ["Labels/Test"], HOW_TO_GET)[0]
        samples = [SampleFiles(each.name, each.image, labels / f"{each.name}_eval.png") for each in samples]
    return whole(samples, place, faults, bad_entries(faults))
