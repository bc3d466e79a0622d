"""A whole data set read and accounted for, without making anything: what ``segadapt check`` prints."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segadapt.core.errors import UserError
from segadapt.core.progress import progress
from segadapt.data.datasets import FOREIGN, SampleFiles, dataset_module, label_table
from segadapt.data.packed.parallel import ordered
from segadapt.data.shipped.faults import Fault, Faulty, Kind, MissingSplit
from segadapt.data.shipped.hints import MEND_TRAIN_IDS, are_train_ids
from segadapt.data.shipped.image_files import image_digest
from segadapt.data.shipped.reading import read_pair
from segadapt.data.shipped.splits import accepted_faults, expected_counts, list_split, split_names, touched
from segadapt.labels import CLASS_SETS, IGNORE_INDEX, ClassSet


@dataclass
class SplitReport:
    """What one split holds.

    ``sizes`` counts images by (width, height), ``pixels`` label pixels by train id of ``class_set``; in classification
    these are images. ``digests`` are SHA-256 of the image files by sample name.
    """

    split: str
    class_set: ClassSet
    expected: int | None
    count: int
    labelled: int = 0
    sizes: Counter = field(default_factory=Counter)
    pixels: Counter = field(default_factory=Counter)
    digests: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    accepted: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    name: str
    digest: str
    size: tuple[int, int] | None
    pixels: dict[int, int]
    faults: tuple[Fault, ...]


def parts_of(format_name: str, root: Path) -> list[Path]:
    """The data sets in ``root``: itself, but for formats that come as a folder of several."""
    return getattr(dataset_module(format_name), "parts", lambda folder: [folder])(root)


def check_dataset(
    format_name: str, root: Path, splits: Sequence[str] | None = None, accept: Sequence[str] = (), processes: int = 1
) -> list[SplitReport]:
    """Reads every file of every split that is there, or of those named.

    Args:
        format_name: name of a module of ``segadapt.data.datasets``.
        root: the data set's folder.
        splits: names; None for all that are there.
        accept: files, relative to ``root``, whose faults are known.
        processes: number of processes that read.

    Raises:
        UserError: unknown format, no such folder, no split there, a named split not there, an accepted file that has
            no fault.
    """
    module = dataset_module(format_name)
    if not root.is_dir():
        raise UserError(f"{root} is no folder; {module.HOW_TO_GET}")
    counts = expected_counts(format_name, root)
    reports, missing = [], None
    for split in splits or split_names(format_name, root):
        try:
            listing = list_split(format_name, root, split, counts.get(split))
        except MissingSplit as error:
            if splits:
                raise
            missing = missing or error
            continue
        reports.append(_check_split(format_name, root, split, listing, counts.get(split), accept, processes))
    if not reports:
        assert missing is not None
        raise missing
    for index, report in enumerate(reports):
        for other in reports[index + 1 :]:
            other.notes += overlap(report, other)
    return reports


def _check_split(format_name, root, split, listed, expected, accept, processes) -> SplitReport:
    listing, faults = listed
    class_set, table = _widest_view(format_name, root)
    report = SplitReport(split, class_set, expected, listing.count)
    work = partial(_examine, table=table)
    for seen in progress(ordered(work, listing, processes), f"check {root.name} {split}", len(listing), "image"):
        faults += seen.faults
        report.digests[seen.name] = seen.digest
        report.sizes.update([seen.size] if seen.size else [])
        report.pixels.update(seen.pixels)
    left_out = touched(listing, root, accept)
    report.labelled = sum(each.is_labelled for each in listing)
    report.accepted = accepted_faults(format_name, root, split, listing, faults, accept)
    harmless = {path for each in left_out for path in (each.image, each.label)} | {e.file for e in report.accepted}
    report.faults = [fault for fault in faults if fault.file not in harmless]
    labels = next((each.label for each in listing if each.label is not None), None)
    if labels is not None and are_train_ids(table, report.pixels):
        report.faults.append(Fault(labels.parent, Kind.TRAIN_IDS, "holds no label ids", MEND_TRAIN_IDS))
    native = getattr(dataset_module(format_name), "NATIVE_SIZE", None)
    others = sum(number for size, number in report.sizes.items() if size != native)
    if native and others:
        report.notes.append("{} of {} images are not {}x{}".format(others, report.sizes.total(), *native))
    return report


def _widest_view(format_name: str, root: Path) -> tuple[ClassSet, np.ndarray]:
    """The class set in which most of the data set's classes can be told apart; the first of equals."""
    views = []
    for each in CLASS_SETS.values():
        try:
            table = label_table(format_name, root, each)
        except UserError:
            continue
        views.append((len(set(table.tolist()) - {FOREIGN, IGNORE_INDEX}), each, table))
    if not views:
        raise UserError(f"data set format '{format_name}' serves none of the class sets {', '.join(CLASS_SETS)}")
    _, class_set, table = max(views, key=lambda view: view[0])
    return class_set, table


def _examine(files: SampleFiles, table: np.ndarray) -> _Seen:
    try:
        digest = image_digest(files)
    except UserError:
        digest = ""  # told by read_pair
    try:
        pair = read_pair(files, table, labels=True)
    except Faulty as error:
        return _Seen(files.name, digest, None, {}, error.faults)
    pixels = {}
    if pair.train_ids_HW is not None:
        # Not ``bincount``, which makes eight bytes of each pixel first.
        numbers = Image.fromarray(pair.train_ids_HW).histogram()
        pixels = {train_id: number for train_id, number in enumerate(numbers) if number}
    return _Seen(files.name, digest, pair.image.size, pixels, ())


def overlap(first: SplitReport, second: SplitReport) -> list[str]:
    """Sentences about images that two splits share, by name and by content."""
    by_digest = {digest: name for name, digest in first.digests.items()}
    same, renamed, namesakes = [], [], []
    for name, digest in second.digests.items():
        if first.digests.get(name) == digest:
            same.append(name)
        else:
            if name in first.digests:
                namesakes.append(name)
            if digest in by_digest:
                renamed.append(f"{name} = {by_digest[digest]}")
    sentences = (
        (f"in {first.split} too, same name and same bytes", same),
        (f"of the same name as one in {first.split}, other bytes", namesakes),
        (f"in {first.split} too, under another name", renamed),
    )
    return [f"images {text}: {len(names)} ({_some(names)})" for text, names in sentences if names]


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def shares(report: SplitReport) -> dict[str, float]:
    """Percent of the label pixels that belong to each class, and to none (``ignored``), the largest first."""
    total = report.pixels.total()
    names = dict(enumerate(report.class_set.classes)) | {IGNORE_INDEX: "ignored"}
    return {names[train_id]: 100 * number / total for train_id, number in report.pixels.most_common()}


def summary(reports: Iterable[SplitReport]) -> list[str]:
    """Lines for a person: counts, sizes, class shares, notes; faults are for the caller to print."""
    lines = []
    for report in reports:
        of = "" if report.expected is None else f" of {report.expected}"
        sizes = [f"{width}x{height} ({number})" for (width, height), number in report.sizes.most_common(4)]
        more = f" and {len(report.sizes) - 4} more" if len(report.sizes) > 4 else ""
        lines.append(f"{report.split:6s} {report.count}{of} images, {report.labelled} labelled")
        lines.append(f"       sizes   {', '.join(sizes) or 'none'}{more}")
        classes = _classes(report)
        lines += [
            f"       {'classes' if at == 0 else '':7s} {', '.join(classes[at : at + 8])}" for at in _starts(classes)
        ]
        if classes:
            lines[-1] += " (images)" if report.class_set.task == "classification" else " (% of pixels)"
        lines += [f"       note    {note}" for note in report.notes]
        lines += [f"       without {fault.file}: {fault.what} (accepted)" for fault in report.accepted]
        state = f"{len(report.faults)} faults" if len(report.faults) > 1 else "1 fault" if report.faults else "sound"
        lines.append(f"       result  {state}")
    return lines


def _classes(report: SplitReport) -> list[str]:
    """Each class with its share of the pixels, the largest first, or with its number of images, in the set's order."""
    if report.class_set.task == "classification" and report.labelled:
        return [f"{name} {report.pixels[train_id]}" for train_id, name in enumerate(report.class_set.classes)]
    return [f"{name} {share:.1f}" for name, share in shares(report).items()]


def _starts(items: Sequence[str]) -> range:
    return range(0, len(items), 8)
