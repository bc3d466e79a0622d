"""A split as it may be used: listed, counted, and without the files whose faults the user accepts."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segadapt.core.errors import UserError
from segadapt.data.datasets import SampleFiles, dataset_module
from segadapt.data.shipped.faults import Fault, Faulty, Kind, MissingSplit
from segadapt.data.shipped.listing import Listing, whole
from segadapt.data.shipped.reading import faults_of
from segadapt.data.shipped.rendered import is_rendered, rendered_counts


def official_counts(format_name: str) -> dict[str, int]:
    """How many samples each split of a data set has as its authors ship it."""
    return dict(getattr(dataset_module(format_name), "COUNTS", {}))


def expected_counts(format_name: str, root: Path) -> dict[str, int]:
    """What a rendered folder was asked to hold; for all others the official counts."""
    return rendered_counts(root) if is_rendered(root) else official_counts(format_name)


def list_split(format_name: str, root: Path, split: str, count: int | None = None) -> tuple[Listing, list[Fault]]:
    """The whole samples of a split and the faults of all others; ``count`` is how many it should have, if it matters.

    UserError if the data set or its split is not there at all.
    """
    try:
        samples, faults = dataset_module(format_name).list_samples(root, split), []
        if not isinstance(samples, Listing):
            folders = {str(each.image.parent) for each in samples}
            samples = whole(samples, Path(os.path.commonpath(folders)) if folders else root)
    except Faulty as error:
        if not isinstance(error.listing, Listing):
            return Listing([], root, []), list(error.faults)
        samples, faults = error.listing, list(error.faults)
    # Of a place that gives nothing at all it has been said already.
    is_told = any(fault.kind in (Kind.BAD_LIST, Kind.EMPTY_SPLIT) for fault in faults)
    if count is not None and samples.count != count and not is_told:
        what = f"gives split '{split}' {samples.count} samples, not {count}"
        mend = "fetch what is missing, or accept it if it is so on purpose"
        faults.append(Fault(samples.place, Kind.COUNT, what, mend))
    return samples, faults


@dataclass(frozen=True)
class OpenedSplit:
    """The samples to use, and the accepted faults because of which others are left out."""

    samples: list[SampleFiles]
    accepted: list[Fault]


def open_split(
    format_name: str, root: Path, split: str, table: np.ndarray, accept: Sequence[str] = (), count: int | None = None
) -> OpenedSplit:
    """The split without the samples that have an accepted file.

    ``accept`` names files relative to ``root``; the pictures of their samples are opened, no others. Faulty, with all
    faults of names, lists and file sizes that are not accepted; UserError for an accepted file without a fault.
    """
    listing, faults = list_split(format_name, root, split, count)
    left_out = touched(listing, root, accept)
    faults += [fault for each in left_out for fault in faults_of(each, table)]
    accepted = accepted_faults(format_name, root, split, listing, faults, accept)
    names = {each.name for each in left_out}
    harmless = {path for each in left_out for path in (each.image, each.label)} | {each.file for each in accepted}
    rest = [fault for fault in faults if fault.file not in harmless]
    if rest:
        raise Faulty(rest, advice=advice(len(rest), root, split))
    samples = [each for each in listing if each.name not in names]
    if not samples:
        raise UserError(f"{listing.place} leaves split '{split}' without a sample; accept fewer files")
    return OpenedSplit(samples, accepted)


def touched(listing: Iterable[SampleFiles], root: Path, accept: Sequence[str]) -> list[SampleFiles]:
    """The samples that have an accepted file."""
    paths = {root / path for path in accept}
    return [each for each in listing if each.image in paths or each.label in paths]


def accepted_faults(
    format_name: str, root: Path, split: str, listing: Listing, faults: Sequence[Fault], accept: Sequence[str]
) -> list[Fault]:
    """Those of ``faults`` whose file is accepted; UserError for an accepted file that has none, in any split."""
    paths = {root / path: path for path in accept}
    accepted = [fault for fault in faults if fault.file in paths]
    idle = [path for path in paths if path not in {fault.file for fault in accepted}]
    if idle:
        known, faulty = _other_splits(format_name, root, split)
        for path in idle:
            if path in listing.known - faulty:
                raise UserError(f"{path} is accepted but has no fault; take {paths[path]} out of the accepted files")
            if path not in known | faulty:
                raise UserError(
                    f"{path} is accepted but is no file of this data set; correct the path, relative to {root}, or "
                    "take it out of the accepted files"
                )
    return sorted(accepted, key=lambda fault: (str(fault.file), fault.what))


def advice(count: int, root: Path, split: str) -> str:
    """What can be done about faults but mending them."""
    if is_rendered(root):
        return f"{root} is drawn by segadapt itself; delete this folder and run the same command again"
    return (
        f"{count} fault{'s'[: count != 1]} in split '{split}' of {root}; fix them, or name the files, relative to "
        "this folder, under accept of the data set in the preset to do without; segadapt check with -o FILE lists all"
    )


def _other_splits(format_name: str, root: Path, split: str) -> tuple[set[Path], set[Path]]:
    """The files of all other splits, and those of them whose names, lists or sizes have a fault."""
    known, faulty = set(), set()
    counts = expected_counts(format_name, root)
    for other in split_names(format_name, root):
        if other != split:
            try:
                listing, faults = list_split(format_name, root, other, counts.get(other))
            except MissingSplit:
                continue
            known |= listing.known
            faulty |= {fault.file for fault in faults}
    return known, faulty


def split_names(format_name: str, root: Path) -> list[str]:
    """The splits that a data set in this folder may have."""
    module = dataset_module(format_name)
    if hasattr(module, "split_names"):
        return module.split_names(root)
    return list(official_counts(format_name)) or ["train", "val", "test"]
