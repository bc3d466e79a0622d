"""The packed cache: one file of records and a manifest that accounts for every byte.

A record is the image (uint8 RGB), then, if the cache has labels, train ids (uint8), then, if it keeps them, the
label at its own size. The label of an image that has a class as a whole is one pixel. ``records.py`` says how they are
stored. Records are memory-mapped; each one's CRC is checked over the stored bytes the first time a process reads it,
so a flipped byte is never trained on or scored.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.artifacts import read_json
from segadapt.core.errors import UserError
from segadapt.data.packed.records import FORMS
from segadapt.data.packed.scratch import nearest
from segadapt.labels import CLASS_SETS, IGNORE_INDEX

PACK, MANIFEST = "pack.bin", "manifest.json"
Decoder = Callable[[np.ndarray, int, int], np.ndarray]


def record_crc(*parts: bytes | memoryview) -> int:
    """CRC-32 over the parts of a record in their order."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


class PackedCache:
    """Read access by index. Opening checks the file's size, reading checks each record once.

    Args:
        manifest_path: Of the cache.
        classes: The class set whose train ids labels are read as, which has those of the cache; None for the cache's.
    """

    def __init__(self, manifest_path: Path, classes: str | None = None) -> None:
        self.folder = Path(manifest_path).parent
        self.manifest: dict[str, Any] = read_json(manifest_path)
        try:
            self.width, self.height = self.manifest["size"]
            # Caches made before there was classification do not say.
            label_width, label_height = self.manifest.get("label_size", self.manifest["size"])
            self.records = self.manifest["records"]
            self.class_set = self.manifest["classes"]
            self.has_labels: bool = self.manifest["labels"]
            self.form = FORMS[self.manifest["form"]]
            length = self.manifest["bytes"]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{manifest_path} is no manifest of a cache; delete it and run the same command again"
            ) from error
        self._train_ids = None
        if classes not in (None, self.class_set):
            self._train_ids = np.full(256, IGNORE_INDEX, np.uint8)
            positions = CLASS_SETS[self.class_set].positions_in(CLASS_SETS[classes])
            self._train_ids[: len(positions)] = positions
        self.label_size: tuple[int, int] = (label_height, label_width)
        """(H, W) of the labels, also where there are none: (1, 1) in classification, else that of the images."""
        self._checked = np.zeros(len(self.records), bool)
        self._path = self.folder / PACK
        if not self._path.is_file() or self._path.stat().st_size != length:
            raise self._damaged("is missing or has not the size its manifest says")
        try:
            self._path = nearest(self._path, Path(manifest_path), length)
            self._bytes = np.memmap(self._path, np.uint8, "r")
        except OSError as error:
            raise self._damaged(f"cannot be read ({error.strerror})") from error

    def __len__(self) -> int:
        return len(self.records)

    def name(self, index: int) -> str:
        """The sample's name in its data set."""
        return self.records[index]["name"]

    def image(self, index: int) -> np.ndarray:
        """image_HWC, uint8 RGB at network size, read-only; a view of the file if the cache is raw."""
        return self._decoded(index, 0, self.form.decode_image, self.height, self.width)

    def label(self, index: int) -> np.ndarray:
        """label_HW, uint8 train ids at ``label_size``, read-only; a view of the file if the cache is raw."""
        if not self.has_labels:
            raise UserError(f"cache {self.folder} has no labels; set labels: true for it in the preset")
        return self._renamed(self._decoded(index, 1, self.form.decode_label, *self.label_size))

    def native_label(self, index: int) -> np.ndarray:
        """label_HW, uint8 train ids at the label file's own size, read-only."""
        native = self.records[index]["native"]
        if native is None:
            raise UserError(f"cache {self.folder} keeps no native labels; set native_labels: true in the preset")
        width, height = native
        return self._renamed(self._decoded(index, 2, FORMS["compressed"].decode_label, height, width))

    def _renamed(self, label_HW: np.ndarray) -> np.ndarray:
        return label_HW if self._train_ids is None else self._train_ids[label_HW]

    def _decoded(self, index: int, part: int, decode: Decoder, height: int, width: int) -> np.ndarray:
        start, lengths = self._verified(index), self.records[index]["lengths"]
        start += sum(lengths[:part])
        try:
            return decode(self._bytes[start : start + lengths[part]], height, width)
        except ValueError as error:
            raise self._damaged(f"and its manifest do not agree at record {index} ({error})") from error

    def _verified(self, index: int) -> int:
        record = self.records[index]
        start, length = record["offset"], record["bytes"]
        if not self._checked[index]:
            if record_crc(self._bytes[start : start + length].data) != record["crc32"]:
                raise self._damaged(f"does not match its checksum at record {index} ({record['name']})")
            self._checked[index] = True
        return start

    def _damaged(self, what: str) -> UserError:
        damaged = self.folder if self._path.parent == self.folder else self._path
        return UserError(f"{self._path} {what}; delete {damaged} and run the same command again")
