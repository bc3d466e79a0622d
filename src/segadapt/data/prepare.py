"""From a data set's files to the packed cache: parallel, resumable, checked, accounted for."""

import json
import multiprocessing
import os
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from segadapt.core.artifacts import atomic_path, sha256_file, write_failure, write_json
from segadapt.core.errors import UserError
from segadapt.core.progress import progress
from segadapt.data.cache import MANIFEST, PACK, record_crc
from segadapt.data.datasets import SampleFiles, dataset_module
from segadapt.data.reading import read_sample
from segadapt.labels import CLASS_SETS, IGNORE_INDEX


@dataclass(frozen=True)
class Preparation:
    """What to pack: a split of a data set at ``size`` = (width, height)."""

    format: str
    root: Path
    split: str
    size: tuple[int, int]
    classes: str
    labels: bool
    native_labels: bool


def prepare(what: Preparation, folder: Path, scratch: Path, processes: int) -> None:
    """Writes ``folder/pack.bin`` and ``folder/manifest.json``.

    Decoding runs in ``processes`` processes. Finished records are journalled in ``scratch``, so a
    killed preparation goes on where it stopped. UserError for anything wrong with the data or the
    disk, before anything in ``folder`` is touched.
    """
    module = dataset_module(what.format)
    samples = module.list_samples(what.root, what.split)
    table = module.train_id_table(CLASS_SETS[what.classes])
    _require_space(folder, what, len(samples))
    scratch.mkdir(parents=True, exist_ok=True)
    pack, journal = scratch / PACK, scratch / "journal.jsonl"
    records = _resume(pack, journal)
    rest = samples[len(records) :]
    work = partial(_pack_one, what=what, table=table)
    try:
        with open(pack, "r+b" if records else "wb") as data, open(journal, "a" if records else "w") as log:
            data.seek(0, os.SEEK_END)
            for parts, record in progress(_mapped(work, rest, processes), f"prepare {folder.name}", len(rest), "image"):
                record["offset"] = data.tell()
                for part in parts:
                    data.write(part)
                data.flush()
                print(json.dumps(record), file=log, flush=True)
                records.append(record)
    except OSError as error:
        raise write_failure(pack, error) from error
    _publish(what, records, pack, folder)


def _publish(what: Preparation, records: list[dict], pack: Path, folder: Path) -> None:
    histogram = np.zeros(256, np.int64)
    for record in records:
        for train_id, count in record.pop("histogram").items():
            histogram[int(train_id)] += count
    names = CLASS_SETS[what.classes].classes
    with atomic_path(folder / PACK) as temporary:
        os.replace(pack, temporary)
    manifest = {
        "format": what.format,
        "split": what.split,
        "size": list(what.size),
        "classes": what.classes,
        "labels": what.labels,
        "count": len(records),
        "label_histogram": {name: int(histogram[index]) for index, name in enumerate(names)},
        "ignored_pixels": int(histogram[IGNORE_INDEX]),
        "refused": [],
        "bytes": (folder / PACK).stat().st_size,
        "sha256": sha256_file(folder / PACK),
        "records": records,
    }
    write_json(folder / MANIFEST, manifest)


def _pack_one(files: SampleFiles, what: Preparation, table: np.ndarray) -> tuple[list[bytes], dict]:
    sample = read_sample(files, what.size, table, labels=what.labels, native_labels=what.native_labels)
    parts, native, histogram = [sample.image_HWC.tobytes()], None, {}
    if sample.label_HW is not None:
        parts.append(sample.label_HW.tobytes())
        values, counts = np.unique(sample.label_HW, return_counts=True)
        histogram = dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))
    if sample.native_label_HW is not None:
        parts.append(zlib.compress(sample.native_label_HW.tobytes(), 6))
        height, width = sample.native_label_HW.shape
        native = [width, height, len(parts[-1])]
    sources = [files.image] + ([files.label] if what.labels and files.label else [])
    record = {
        "name": files.name,
        "bytes": sum(map(len, parts)),
        "crc32": record_crc(*parts),
        "native": native,
        "sources": {path.name: sha256(path.read_bytes()).hexdigest() for path in sources},
        "histogram": histogram,
    }
    return parts, record


def _mapped(work, items: list[SampleFiles], processes: int) -> Iterator[tuple[list[bytes], dict]]:
    if processes == 1 or len(items) < 32:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        try:
            # Small windows, so that a large data set never waits in memory.
            for start in range(0, len(items), 256):
                yield from pool.map(work, items[start : start + 256], chunksize=4)
        except BrokenProcessPool as error:
            raise UserError(
                "a process that prepares images was killed, perhaps for want of memory; run the same command again, "
                "with a smaller run.prepare_processes in params.yaml if it recurs"
            ) from error


def _resume(pack: Path, journal: Path) -> list[dict]:
    if not (pack.is_file() and journal.is_file()):
        return []
    records = []
    for line in journal.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:  # the line that the kill cut short
            break
    end = 0
    with open(pack, "rb") as data:
        # A power cut may have left blocks in the pack that were never written: nothing is taken on trust.
        for count, record in enumerate(records):
            if record_crc(data.read(record["bytes"])) != record["crc32"]:
                del records[count:]
                break
            end = data.tell()
    os.truncate(pack, end)
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    return records


def _require_space(folder: Path, what: Preparation, count: int) -> None:
    width, height = what.size
    needed = count * width * height * (4 if what.labels else 3)
    parent = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise UserError(
            f"cache {folder} needs {needed / 1e9:.1f} GB but its disk has {free / 1e9:.1f} GB free; "
            "free some space or choose a smaller size in params.yaml"
        )
