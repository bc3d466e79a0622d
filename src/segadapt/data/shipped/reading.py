"""One sample from its files: decoded, checked, resized and mapped, exactly as the paper's code does.

Images are resized by PIL's bicubic filter, labels by nearest, then ids become train ids
(MaxSquareLoss ``datasets/cityscapes_Dataset.py:_train_sync_transform``). The released code mirrors
before it resizes: with bicubic the order makes no difference, with nearest it does for a labelled
2048-pixel-wide source; segadapt mirrors afterwards.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from segadapt.data.datasets import FOREIGN, SampleFiles
from segadapt.data.shipped.faults import Fault, Faulty, Kind
from segadapt.data.shipped.hints import mend_of_ids
from segadapt.data.shipped.image_files import read_image
from segadapt.data.shipped.label_files import read_ids, unknown_ids
from segadapt.data.shipped.pictures import AGAIN
from segadapt.labels import IGNORE_INDEX


@dataclass(frozen=True)
class Sample:
    """uint8 arrays: RGB image and train ids at network size, train ids at the label's own size.

    In classification ``label_HW`` is the image's one train id, of shape (1, 1), and there is no other.
    """

    image_HWC: np.ndarray
    label_HW: np.ndarray | None
    native_label_HW: np.ndarray | None


@dataclass(frozen=True)
class Pair:
    """The two pictures of a sample at their own size, found whole; ``train_ids_HW`` is uint8.

    In classification ``ids`` is None and ``train_ids_HW`` of shape (1, 1).
    """

    image: Image.Image
    ids: Image.Image | None
    train_ids_HW: np.ndarray | None


def read_pair(files: SampleFiles, table: np.ndarray, *, labels: bool) -> Pair:
    """Decodes and checks both files of a sample.

    Faulty, with every fault that can be told, naming the file: unreadable or truncated, an image that is all black, a
    label of another size than its image, in colours or of another depth, an id that the data set does not define, no
    pixel of any class.
    """
    faults: list[Fault] = []
    image = ids = train_ids_HW = None
    try:
        image = read_image(files)
        if image.getbbox() is None:
            faults.append(Fault(files.image, Kind.ALL_BLACK, "is all black", "take its sample out of the split"))
    except Faulty as error:
        faults += error.faults
    if labels and files.label is not None:
        try:
            ids = read_ids(files.label, files.read_ids)
        except Faulty as error:
            faults += error.faults
        else:
            train_ids_HW = table[np.asarray(ids)]
            faults += _label_faults(files, image, np.asarray(ids), train_ids_HW, table)
    if labels and files.class_id is not None:
        train_ids_HW = table[np.array([[files.class_id]])]
        assert train_ids_HW[0, 0] not in (FOREIGN, IGNORE_INDEX), files
    if faults:
        raise Faulty(faults)
    assert image is not None
    return Pair(image, ids, train_ids_HW)


def read_sample(
    files: SampleFiles, size: tuple[int, int], table: np.ndarray, *, labels: bool, native_labels: bool
) -> Sample:
    """Reads one sample at ``size`` = (width, height); Faulty as ``read_pair``."""
    pair = read_pair(files, table, labels=labels)
    image_HWC = np.asarray(pair.image.resize(size, Image.Resampling.BICUBIC))
    if pair.ids is None:
        return Sample(image_HWC, pair.train_ids_HW, None)
    label_HW = table[np.asarray(pair.ids.resize(size, Image.Resampling.NEAREST))]
    return Sample(image_HWC, label_HW, pair.train_ids_HW if native_labels else None)


def faults_of(files: SampleFiles, table: np.ndarray) -> tuple[Fault, ...]:
    """All faults of a sample's files."""
    try:
        read_pair(files, table, labels=True)
    except Faulty as error:
        return error.faults
    return ()


def _label_faults(
    files: SampleFiles, image: Image.Image | None, ids_HW: np.ndarray, train_ids_HW: np.ndarray, table: np.ndarray
) -> list[Fault]:
    faults, (height, width) = [], ids_HW.shape
    if image is not None and image.size != (width, height):
        what = f"is {width}x{height} but its image {files.image.name} is {image.size[0]}x{image.size[1]}"
        faults.append(Fault(files.label, Kind.SIZES_DIFFER, what, "restore the pair from the data set"))
    foreign_HW = train_ids_HW == FOREIGN
    if foreign_HW.any():
        found = [each for each, number in enumerate(Image.fromarray(ids_HW).histogram()) if number]
        mend = mend_of_ids(table, found, AGAIN)
        faults.append(unknown_ids(files.label, [each for each in found if table[each] == FOREIGN], mend))
    elif (train_ids_HW == IGNORE_INDEX).all():
        what = "is of no use: no pixel belongs to any class"
        faults.append(Fault(files.label, Kind.ALL_IGNORED, what, "take its sample out of the split"))
    return faults
