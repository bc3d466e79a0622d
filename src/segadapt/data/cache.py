"""The packed cache: one file of records and a manifest that accounts for every byte.

A record is the image (H*W*3 uint8 RGB), then, if the cache has labels, train ids (H*W uint8), then,
if it keeps them, the label at its own size (zlib). Records are memory-mapped; each one's CRC is
checked the first time a process reads it, so a flipped byte is never trained on or scored.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.artifacts import read_json
from segadapt.core.errors import UserError

PACK, MANIFEST = "pack.bin", "manifest.json"


def record_crc(*parts: bytes | memoryview) -> int:
    """CRC-32 over the parts of a record in their order."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


class PackedCache:
    """Read access by index. Opening checks the file's size, reading checks each record once."""

    def __init__(self, manifest_path: Path) -> None:
        self.folder = Path(manifest_path).parent
        self.manifest: dict[str, Any] = read_json(manifest_path)
        try:
            self.width, self.height = self.manifest["size"]
            self.records = self.manifest["records"]
            self.class_set = self.manifest["classes"]
            self.has_labels: bool = self.manifest["labels"]
            length = self.manifest["bytes"]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{manifest_path} is no manifest of a cache; delete it and run the same command again"
            ) from error
        self._checked = np.zeros(len(self.records), bool)
        path = self.folder / PACK
        if not path.is_file() or path.stat().st_size != length:
            raise self._damaged("is missing or has not the size its manifest says")
        self._bytes = np.memmap(path, np.uint8, "r")

    def __len__(self) -> int:
        return len(self.records)

    def name(self, index: int) -> str:
        """The sample's name in its data set."""
        return self.records[index]["name"]

    def image(self, index: int) -> np.ndarray:
        """image_HWC, uint8 RGB at network size, a read-only view."""
        start = self._verified(index)
        return self._bytes[start : start + self._pixels * 3].reshape(self.height, self.width, 3)

    def label(self, index: int) -> np.ndarray:
        """label_HW, uint8 train ids at network size, a read-only view."""
        if not self.has_labels:
            raise UserError(f"cache {self.folder} has no labels; set labels: true for it in params.yaml")
        start = self._verified(index) + self._pixels * 3
        return self._bytes[start : start + self._pixels].reshape(self.height, self.width)

    def native_label(self, index: int) -> np.ndarray:
        """label_HW, uint8 train ids at the label file's own size."""
        record = self.records[index]
        if record["native"] is None:
            raise UserError(f"cache {self.folder} keeps no native labels; set native_labels: true in params.yaml")
        start = self._verified(index) + self._pixels * 4
        width, height, length = record["native"]
        return np.frombuffer(zlib.decompress(self._bytes[start : start + length]), np.uint8).reshape(height, width)

    @property
    def _pixels(self) -> int:
        return self.width * self.height

    def _verified(self, index: int) -> int:
        record = self.records[index]
        start, length = record["offset"], record["bytes"]
        if not self._checked[index]:
            if record_crc(self._bytes[start : start + length].data) != record["crc32"]:
                raise self._damaged(f"does not match its checksum at record {index} ({record['name']})")
            self._checked[index] = True
        return start

    def _damaged(self, what: str) -> UserError:
        return UserError(f"{self.folder / PACK} {what}; delete {self.folder} and run the same command again")
