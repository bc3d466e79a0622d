"""Cityscapes (Cordts et al., CVPR 2016) as shipped.

``leftImg8bit/{split}/{city}/{city}_{seq}_{frame}_leftImg8bit.png`` with
``gtFine/{split}/{city}/{city}_{seq}_{frame}_gtFine_labelIds.png``.
"""

from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, cityscapes_id_table, require_folder

HOW_TO_GET = (
    "get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip at www.cityscapes-dataset.com (free account) and "
    "unpack both so that leftImg8bit/train/<city>/*.png and gtFine/train/<city>/*_labelIds.png lie in it, "
    "or point presets.<preset>.datasets.<name>.root in params.yaml at your copy"
)
IMAGE_END, LABEL_END = "_leftImg8bit.png", "_gtFine_labelIds.png"

train_id_table = cityscapes_id_table


def list_samples(root: Path, split: str) -> list[SampleFiles]:
    """All images of ``leftImg8bit/{split}``, sorted by name; UserError for one of a pair without the other."""
    images = require_folder(root, f"leftImg8bit/{split}", HOW_TO_GET)
    labels = require_folder(root, f"gtFine/{split}", HOW_TO_GET)
    samples = []
    for image in sorted(images.glob(f"*/*{IMAGE_END}")):
        name = image.name.removesuffix(IMAGE_END)
        label = labels / image.parent.name / f"{name}{LABEL_END}"
        if not label.is_file():
            raise UserError(f"{label} is missing though {image.name} is there; restore it or remove the image")
        samples.append(SampleFiles(name, image, label))
    named = {sample.label for sample in samples}
    for label in sorted(labels.glob(f"*/*{LABEL_END}")) if samples else ():
        if label not in named:
            image = images / label.parent.name / label.name.replace(LABEL_END, IMAGE_END)
            raise UserError(f"{image} is missing though {label.name} is there; restore it or remove the label")
    if not samples:
        raise UserError(f"{images} holds no */*{IMAGE_END}: {HOW_TO_GET}")
    return samples
