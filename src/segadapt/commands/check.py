"""``segadapt check``: a data set as its authors ship it, verified file by file."""

import argparse
from pathlib import Path

from segadapt.commands._options import add_json, cores, positive, print_json

_FAULTS = ("faults", "accepted")
HELP = "verify a data set as its authors ship it: counts, sizes, ids, unreadable files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="its format: gta5, synthia, cityscapes, nthu, camvid, ...")
    parser.add_argument("root", metavar="ROOT", type=Path, help="its folder; for nthu a city's, or that of the cities")
    parser.add_argument("--split", nargs="+", metavar="S", help="default: every split that is there")
    parser.add_argument(
        "--accept", nargs="+", default=[], metavar="FILE", help="files, relative to ROOT, whose faults are known"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write every fault here, one a line")
    add_json(parser)
    parser.add_argument("--processes", type=positive, default=cores(), help="default: all cores")


def run(given: argparse.Namespace) -> int:
    from segadapt.core.artifacts import write_bytes
    from segadapt.core.errors import UserError
    from segadapt.data.shipped.checking import check_dataset, parts_of, summary
    from segadapt.data.shipped.faults import capped
    from segadapt.data.shipped.splits import split_names

    faults, found, parts = [], [], parts_of(given.dataset, given.root)
    own = {part: _below(part, given.root, given.accept) for part in parts}
    for path in given.accept:
        if not any(path in names for names in own.values()):
            raise UserError(f"--accept {path} lies in none of {', '.join(map(str, parts))}; correct the path")
    for part in parts:
        reports = check_dataset(given.dataset, part, given.split, list(own[part].values()), given.processes)
        absent = [] if given.split else set(split_names(given.dataset, part)) - {report.split for report in reports}
        faults += [fault for report in reports for fault in report.faults]
        if given.json:
            found.append({"root": str(part), "splits": list(map(_as_record, reports)), "absent": sorted(absent)})
            continue
        print(f"{given.dataset} in {part}")
        print("\n".join(summary(reports)))
        print(f"not there: {', '.join(sorted(absent))}\n" if absent else "")
    if given.output is not None:
        write_bytes(given.output, "".join(f"{fault.kind}: {fault}\n" for fault in faults).encode())
    if given.json:
        print_json({"format": given.dataset, "parts": found})
        return 1 if faults else 0
    if not faults:
        print("sound: no fault")
        return 0
    print(f"{len(faults)} fault{'s'[: len(faults) != 1]}:")
    lines = capped(faults, with_kind=True)
    print("\n".join(f"  {line}" for line in lines))
    if len(lines) < len(faults) and given.output is None:
        print("  (-o FILE writes all of them)")
    return 1


def _as_record(report) -> dict:
    """A split without its images' hashes."""
    faults = {name: [{"kind": each.kind, "fault": str(each)} for each in getattr(report, name)] for name in _FAULTS}
    sizes = {f"{width}x{height}": count for (width, height), count in sorted(report.sizes.items())}
    pixels = {name: report.pixels[place] for place, name in enumerate(report.class_set.classes)}
    counts = {name: getattr(report, name) for name in ("split", "expected", "count", "labelled")}
    return counts | {"sizes": sizes, "pixels": pixels, "notes": report.notes} | faults


def _below(part: Path, root: Path, accept: list[str]) -> dict[str, str]:
    """The accepted paths that lie in ``part``, by what the user wrote, relative to it."""
    prefix = part.relative_to(root).as_posix()
    if prefix == ".":
        return {path: path for path in accept}
    return {path: path.removeprefix(f"{prefix}/") for path in accept if path.startswith(f"{prefix}/")}
