"""Handwritten digits of MNIST and USPS in one NumPy archive, any ``*.npz``, in a folder of its own.

``mnist_x`` (N, 28, 28), ``usps_train_x`` and ``usps_test_x`` (N, 16, 16) hold grey images, uint8; ``mnist_y``,
``usps_train_y`` and ``usps_test_y`` (N,) the digits, 0 to 9. The splits are mnist (MNIST's test images, 10,000), usps
(7,291 for training) and usps_test (2,007).
"""

from pathlib import Path

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, lookup_table
from segadapt.data.shipped.array_rows import check_images, check_labels, read_array, row_path
from segadapt.data.shipped.faults import Fault, Faulty, Kind, MissingSplit
from segadapt.data.shipped.listing import Listing, visible
from segadapt.labels import DIGITS10, ClassSet

HOW_TO_GET = (
    "write the digits of MNIST and USPS with numpy.savez_compressed as arrays mnist_x, mnist_y, usps_train_x, "
    "usps_train_y, usps_test_x and usps_test_y (images uint8, labels 0 to 9) to one file in a folder of its own, and "
    "name the folder as datasets.<name>.root in presets/<preset>.yaml"
)
COUNTS = {"mnist": 10_000, "usps": 7_291, "usps_test": 2_007}
ARRAYS = {"mnist": ("mnist", 28), "usps": ("usps_train", 16), "usps_test": ("usps_test", 16)}
"""Split to the beginning of its arrays' names and the side of its images."""


def train_id_table(class_set: ClassSet) -> np.ndarray:
    """Digits to the train ids of ``DIGITS10``, which are the same; UserError for any other class set."""
    if class_set is not DIGITS10:
        raise UserError(f"the classes of digits are {DIGITS10.name}, not {class_set.name}; set classes: digits10")
    return lookup_table(class_set.train_ids())


def list_samples(root: Path, split: str) -> Listing:
    """All rows of a split in the arrays' order."""
    if split not in ARRAYS:
        raise MissingSplit(f"there is no split '{split}' of these digits; they are {', '.join(ARRAYS)}")
    archive = _archive(root)
    (name, side), classes = ARRAYS[split], len(DIGITS10)
    faults, images, labels = [], archive / f"{name}_x", archive / f"{name}_y"
    found = []
    for path in (images, labels):
        try:
            found.append(read_array(archive, path.name))
        except Faulty as error:
            faults += error.faults
    if faults:
        raise Faulty(list(dict.fromkeys(faults)))  # of a damaged file once
    faults = check_images(images, found[0], side) or check_labels(labels, found[1], len(found[0]), classes)
    if faults:
        raise Faulty(faults)
    samples = [
        SampleFiles(f"{split}/{row:05d}", row_path(archive, images.name, row), None, read_image="row", class_id=digit)
        for row, digit in enumerate(found[1].tolist())
    ]
    return Listing(samples, images, samples)


def _archive(root: Path) -> Path:
    found = sorted(visible(root, "*.npz"))
    if not found:
        raise MissingSplit(f"folder {root} holds no .npz file: {HOW_TO_GET}")
    if len(found) > 1:
        what = f"is one of {len(found)} .npz files, and which one is meant is not known"
        raise Faulty([Fault(path, Kind.TWO_FORMATS, what, "keep one in this folder") for path in found])
    return found[0]
