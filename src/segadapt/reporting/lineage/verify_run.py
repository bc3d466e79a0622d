"""Whether all that a preset has made, and the data sets that it was made from, are byte for byte the recorded ones."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segadapt.core.artifacts import sha256_file
from segadapt.core.job import Job
from segadapt.core.progress import progress_bar
from segadapt.core.provenance import read_provenance, record_is_genuine
from segadapt.core.seen import memo_path
from segadapt.core.stages import PREPARE
from segadapt.data.packed.cache import MANIFEST
from segadapt.data.shipped.sources import count_sources, is_here, seen_path, verify_sources


@dataclass
class Findings:
    """``differ``: a sentence a file, with the mend; ``absent``: what is not here; ``agree``: how many are the same."""

    differ: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    agree: int = 0


def verify_run(jobs: Sequence[Job]) -> Findings:
    """Hashes every output of every job that has a record, and every source file of every cache.

    What is remembered of a job whose file differs is forgotten, so that the next run hashes it again and makes it
    anew.
    """
    found, records = Findings(), {}
    for job in jobs:
        record = read_provenance(Path(job.provenance))
        if record is not None and not record_is_genuine(record):
            found.differ.append(f"{job.provenance} was edited; {_ANEW}")
            _forget(job)
        elif record is not None:
            records[job.name] = job, record["outputs"].values()
    caches = [job for job, outputs in records.values() if job.stage == PREPARE and _has_its_manifest(outputs)]
    here = [job for job in caches if is_here(Path(job.config["root"]))]
    found.absent += [f"{root} (a data set)" for root in sorted({j.config["root"] for j in caches if j not in here})]
    total = sum(len(outputs) for _, outputs in records.values())
    with progress_bar(
        "verify", total + sum(count_sources(Path(j.outputs["manifest"])) for j in here), unit="file"
    ) as bar:

        def counted(files: Iterable[str], number: int = 0) -> Iterator[str]:
            for file in files:
                yield file
                bar.update()

        for job, outputs in records.values():
            _verify_outputs(job, counted(outputs), found)
        known: dict[str, str] = {}
        for job in here:
            _verify_sources(job, counted, known, found)
    return found


_ANEW = "run the same command again, which makes it anew"


def _has_its_manifest(outputs: Iterable[dict]) -> bool:
    recorded = {output["path"]: output["sha256"] for output in outputs if Path(output["path"]).name == MANIFEST}
    return all(_is_there(path) and sha256_file(Path(path)) == sha256 for path, sha256 in recorded.items())


def _is_there(path: str) -> bool:
    return Path(path).is_file()


def _forget(job: Job) -> None:
    memo_path(job.preset, job.provenance).unlink(missing_ok=True)


def _verify_outputs(job: Job, outputs: Iterable[dict], found: Findings) -> None:
    for output in outputs:
        path = output["path"]
        if not _is_there(path):
            found.absent.append(path)
        elif sha256_file(Path(path)) == output["sha256"]:
            found.agree += 1
        else:
            found.differ.append(f"{path} is not the file that {job.name} wrote; {_ANEW}")
            _forget(job)


def _verify_sources(job: Job, counted, known: dict[str, str], found: Findings) -> None:
    manifest, root = Path(job.outputs["manifest"]), Path(job.config["root"])
    cache = manifest.parent.name
    memo = seen_path(job.preset, cache)
    sources = verify_sources(manifest, root, counted, memo, known)
    found.agree += sources.agree
    mend = "if it was changed on purpose run the same command again, for the cache is due by itself; if not, restore it"
    found.differ += [
        f"{root / path} is not the file that cache {cache} was made from; {mend}" for path in sources.differ
    ]
    mend = f"restore it, or run the same command again: cache {cache} is due by itself"
    found.differ += [f"{root / path} is not there any more; {mend}" for path in sources.absent]
