"""GTA5 ("Playing for Data", Richter et al., ECCV 2016) as shipped.

Images ``images/00001.png`` and palette label files ``labels/00001.png`` whose *index* is the
Cityscapes label id (34, the licence plate, is ignored). A split is ``list/{split}.txt`` with one
image number a line, unpadded, as in the released code's ``datasets/gta5_list``.
"""

from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, cityscapes_id_table, require_folder

HOW_TO_GET = (
    "get GTA5 from the authors' page (download.visinf.tu-darmstadt.de/data/from_games) and unpack it so that "
    "images/00001.png, labels/00001.png and list/train.txt (one image number a line) lie in it, "
    "or point presets.<preset>.datasets.<name>.root in params.yaml at your copy"
)

train_id_table = cityscapes_id_table


def list_samples(root: Path, split: str) -> list[SampleFiles]:
    """The images of ``list/{split}.txt`` in its order; UserError for a bad line or a missing file."""
    images = require_folder(root, "images", HOW_TO_GET)
    labels = require_folder(root, "labels", HOW_TO_GET)
    samples = []
    for number in _numbers(root / "list" / f"{split}.txt"):
        sample = SampleFiles(f"{number:05d}", images / f"{number:05d}.png", labels / f"{number:05d}.png")
        for path in (sample.image, sample.label):
            if not path.is_file():
                raise UserError(f"{path} is missing though list/{split}.txt names it; restore it or take the line out")
        samples.append(sample)
    return samples


def _numbers(path: Path) -> list[int]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except OSError as error:
        raise UserError(f"split list {path} is missing: {HOW_TO_GET}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not plain text; list one image number a line") from error
    for index, line in enumerate(lines, 1):
        if not line.isdecimal():
            raise UserError(f"{path}: entry {index} is '{line}', not an image number; correct or remove it")
    numbers = [int(line) for line in lines]
    if not numbers:
        raise UserError(f"{path} is empty; list one image number a line")
    if len(set(numbers)) != len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise UserError(f"{path}: image {twice} is listed twice; keep one line")
    return numbers
