"""Labels that we made as a packed cache without images: those stay in the target's own cache."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.artifacts import atomic_path, write_json
from segadapt.core.errors import UserError
from segadapt.data.packed.cache import MANIFEST, PACK, PackedCache, record_crc
from segadapt.data.packed.records import FORMS
from segadapt.labels import CLASS_SETS, IGNORE_INDEX

_FORM = "compressed"


def write_label_pack(
    folder: Path, names: Iterable[str], labels: Iterable[np.ndarray], size: tuple[int, int], class_set: str
) -> np.ndarray:
    """Writes ``pack.bin`` and ``manifest.json`` and returns how often each value occurs, int64 (256,).

    labels: uint8 (H, W) train ids or ``IGNORE_INDEX``, one for each name, taken one at a time.
    size: (width, height) of all of them.
    """
    records: list[dict[str, Any]] = []
    histogram, digest, offset = np.zeros(256, np.int64), sha256(), 0
    with atomic_path(folder / PACK) as temporary, open(temporary, "wb") as data:
        for name, label_HW in zip(names, labels, strict=True):
            assert label_HW.shape == size[::-1] and label_HW.dtype == np.uint8, (label_HW.shape, size)
            stored = FORMS[_FORM].encode_label(label_HW)
            data.write(stored)
            digest.update(stored)
            histogram += np.bincount(label_HW.ravel(), minlength=256)
            record = {"name": name, "bytes": len(stored), "lengths": [0, len(stored)], "crc32": record_crc(stored)}
            records.append(record | {"native": None, "sources": {}, "offset": offset})
            offset += len(stored)
    manifest = {
        "format": "pseudo_labels",
        "size": list(size),
        "classes": class_set,
        "labels": True,
        "form": _FORM,
        "count": len(records),
        "label_histogram": {name: int(histogram[index]) for index, name in enumerate(CLASS_SETS[class_set].classes)},
        "ignored_pixels": int(histogram[IGNORE_INDEX]),
        "refused": [],
        "bytes": offset,
        "sha256": digest.hexdigest(),
        "records": records,
    }
    write_json(folder / MANIFEST, manifest)
    return histogram


class LabelledImages:
    """The images of one cache with the labels of another, as a batch source reads them."""

    def __init__(self, images: PackedCache, labels: PackedCache) -> None:
        self.images, self.labels = images, labels
        self.width, self.height, self.class_set = images.width, images.height, labels.class_set
        self.label_size = labels.label_size
        same_names = [images.name(index) for index in range(len(images))] == [
            labels.name(index) for index in range(len(labels))
        ]
        if not same_names or (labels.width, labels.height) != (images.width, images.height):
            raise UserError(
                f"{labels.folder} holds labels of other images than {images.folder}; "
                f"delete {labels.folder} and run the same command again"
            )

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """The sample's name in its data set."""
        return self.images.name(index)

    def image(self, index: int) -> np.ndarray:
        """image_HWC, uint8 RGB, of the first cache."""
        return self.images.image(index)

    def label(self, index: int) -> np.ndarray:
        """label_HW, uint8, of the second."""
        return self.labels.label(index)
