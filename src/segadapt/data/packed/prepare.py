"""From a data set's files to the packed cache: parallel, resumable, checked, accounted for."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from segadapt.core.artifacts import move_into_place, sha256_file, sha256_json, write_failure, write_json
from segadapt.core.errors import UserError
from segadapt.core.progress import progress
from segadapt.data.datasets import SampleFiles, label_table
from segadapt.data.packed.cache import MANIFEST, PACK, record_crc
from segadapt.data.packed.parallel import ordered
from segadapt.data.packed.records import FORMS, encode_record
from segadapt.data.packed.space import estimate_forms, require_space
from segadapt.data.shipped.faults import Fault, Faulty
from segadapt.data.shipped.hints import MEND_TRAIN_IDS, are_train_ids
from segadapt.data.shipped.image_files import file_of, image_digest, shared_digests
from segadapt.data.shipped.reading import read_sample
from segadapt.data.shipped.sources import Look, look_at, remember
from segadapt.data.shipped.splits import advice, open_split
from segadapt.labels import CLASS_SETS, IGNORE_INDEX, ONE_LABEL


@dataclass(frozen=True)
class Preparation:
    """What to pack: a split of a data set at ``size`` = (width, height), stored in ``form`` (``records.py``).

    ``count`` is how many samples the split must name, if that matters; ``accept`` the files, relative to ``root``,
    whose faults are known: what they belong to is left out.
    """

    format: str
    root: Path
    split: str
    size: tuple[int, int]
    classes: str
    labels: bool
    native_labels: bool
    form: str = "raw"
    count: int | None = None
    accept: tuple[str, ...] = ()


def prepare(what: Preparation, folder: Path, scratch: Path, processes: int, memo: Path | None = None) -> None:
    """Writes ``folder/pack.bin`` and ``folder/manifest.json``, and how the source files looked into ``memo``.

    Decoding runs in ``processes`` processes. Finished records are journalled in ``scratch``, so a
    killed preparation goes on where it stopped. UserError for anything wrong with the data or the
    disk, before anything in ``folder`` is touched; what is wrong with names and lists is told before
    the first picture is read, what is wrong with pictures after the last.
    """
    table = label_table(what.format, what.root, CLASS_SETS[what.classes])
    opened = open_split(what.format, what.root, what.split, table, what.accept, what.count)
    samples = opened.samples
    pack, journal = scratch / PACK, scratch / "journal.jsonl"
    work = partial(_pack_one, what=what, table=table)
    try:
        records, digest = _resume(pack, journal, samples, what)
        _require_space(folder, what, table, samples, len(records))
        scratch.mkdir(parents=True, exist_ok=True)
        rest = samples[len(records) :]
        with open(pack, "r+b" if records else "wb") as data, open(journal, "a" if records else "w") as log:
            data.seek(0, os.SEEK_END)
            faults: list[Fault] = []
            for done in progress(ordered(work, rest, processes), f"prepare {folder.name}", len(rest), "image"):
                if isinstance(done, Faulty):
                    faults += done.faults
                if faults:
                    continue  # nothing will be published: the rest is read for its faults alone
                parts, record = done
                record["offset"] = data.tell()
                for part in parts:
                    data.write(part)
                    digest.update(part)
                data.flush()
                print(_journalled(record), file=log, flush=True)
                records.append(record)
            # Here and not after the rename, which a kill must not come between for long.
            os.fsync(data.fileno())
    except OSError as error:
        raise write_failure(pack, error) from error
    if faults:
        raise Faulty(faults, advice=advice(len(faults), what.root, what.split))
    if are_train_ids(table, _pixels(records)):
        raise UserError(f"the label files of split '{what.split}' of {what.root} hold no label ids; {MEND_TRAIN_IDS}")
    refused = [
        {"file": fault.relative(what.root), "reason": f"{fault.kind}: {fault.what}"} for fault in opened.accepted
    ]
    shared = shared_digests(samples, what.root)
    looks = {path: look for record in records for path, look in record.pop("looks").items()}
    source_bytes = {path: look[0] for path, look in looks.items()}
    origin = {"refused": refused, "shared_sources": shared, "source_bytes": source_bytes}
    if memo is not None:
        digests = {path: sha256 for record in records for path, sha256 in record["sources"].items()} | shared
        remember(memo, {path: (look, digests[path]) for path, look in looks.items()})
    _publish(what, records, origin, digest.hexdigest(), pack, folder)


def _publish(what: Preparation, records: list[dict], origin: dict, digest: str, pack: Path, folder: Path) -> None:
    histogram = _pixels(records)
    for record in records:
        del record["histogram"]
    classes = CLASS_SETS[what.classes]
    move_into_place(pack, folder / PACK)
    manifest = {
        "format": what.format,
        "split": what.split,
        "size": list(what.size),
        "classes": what.classes,
        "labels": what.labels,
        "label_size": list(ONE_LABEL if classes.task == "classification" else what.size),
        "form": what.form,
        "count": len(records),
        "label_histogram": {name: histogram[index] for index, name in enumerate(classes.classes)},
        "ignored_pixels": histogram[IGNORE_INDEX],
        **origin,
        "bytes": (folder / PACK).stat().st_size,
        "sha256": digest,
        "records": records,
    }
    write_json(folder / MANIFEST, manifest)


def _pixels(records: list[dict]) -> Counter[int]:
    """Label pixels by train id."""
    pixels: Counter[int] = Counter()
    for record in records:
        pixels.update({int(train_id): count for train_id, count in record["histogram"].items()})
    return pixels


def _pack_one(files: SampleFiles, what: Preparation, table: np.ndarray) -> tuple[list[bytes], dict] | Faulty:
    looks = _looks(files, what)
    try:
        sample = read_sample(files, what.size, table, labels=what.labels, native_labels=what.native_labels)
    except Faulty as error:
        return error
    native, histogram = None, {}
    if sample.label_HW is not None:
        counts = np.bincount(sample.label_HW.ravel())
        histogram = {str(train_id): int(counts[train_id]) for train_id in np.flatnonzero(counts)}
    if sample.native_label_HW is not None:
        height, width = sample.native_label_HW.shape
        native = [width, height]
    parts = encode_record(what.form, sample.image_HWC, sample.label_HW, sample.native_label_HW)
    sources = {files.image: image_digest(files)}
    if what.labels and files.label:
        sources[files.label] = sha256_file(files.label)
    record = {
        "name": files.name,
        "bytes": sum(map(len, parts)),
        "lengths": list(map(len, parts)),
        "crc32": record_crc(*parts),
        "native": native,
        "sources": {path.relative_to(what.root).as_posix(): digest for path, digest in sources.items()},
        "looks": looks,
        "histogram": histogram,
    }
    if _looks(files, what) != looks:
        raise UserError(f"{files.image} or its label changed while it was read; run the same command again")
    return parts, record


def _looks(files: SampleFiles, what: Preparation) -> dict[str, Look | None]:
    """How the sample's files look, by their paths relative to the data set's folder."""
    paths = [file_of(files), *([files.label] if what.labels and files.label else [])]
    return {path.relative_to(what.root).as_posix(): look_at(path) for path in paths}


def _resume(pack: Path, journal: Path, samples: list[SampleFiles], what: Preparation) -> tuple[list[dict], Any]:
    """The records that are whole on the disk, and the running SHA-256 of their bytes; the files are cut to them.

    The journal ends where it names another sample than ``samples`` does: the user may have accepted a file since. It
    ends too where a source file looks otherwise than when its record was made.
    """
    records, digest = [], sha256()
    if not (pack.is_file() and journal.is_file()):
        return records, digest
    with open(pack, "rb") as data:
        lines = journal.read_bytes().splitlines()
        pairs = zip(lines, samples, strict=False)
        for line, files in progress(pairs, f"check what {pack.parent.name} has", len(lines), "image"):
            record = _from_journal(line)
            if record is None:
                break
            if record["name"] != files.name or record.get("looks") != _looks(files, what):
                break
            # A power cut may have left blocks in the pack that were never written: nothing is taken on trust.
            content = data.read(record["bytes"])
            if record_crc(content) != record["crc32"]:
                break
            digest.update(content)
            records.append(record)
    os.truncate(pack, sum(record["bytes"] for record in records))
    journal.write_text("".join(_journalled(record) + "\n" for record in records))
    return records, digest


def _journalled(record: dict) -> str:
    return json.dumps(record | {"checksum": sha256_json(record)})


def _from_journal(line: bytes) -> dict | None:
    """The record of a line; None if a kill cut the line short, or the disk did not keep what was written."""
    try:
        record = json.loads(line)
        checksum = record.pop("checksum")
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
    return record if checksum == sha256_json(record) else None


def _require_space(folder: Path, what: Preparation, table: np.ndarray, samples: list[SampleFiles], done: int) -> None:
    def lengths(files: SampleFiles) -> dict[str, int]:
        sample = read_sample(files, what.size, table, labels=what.labels, native_labels=what.native_labels)
        arrays = sample.image_HWC, sample.label_HW, sample.native_label_HW
        return {form: sum(map(len, encode_record(form, *arrays))) for form in FORMS}

    description = f"{len(samples)} images at {what.size[0]}x{what.size[1]}"
    require_space(folder, description, estimate_forms(samples, lengths), what.form, len(samples), done)
