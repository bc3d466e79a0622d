"""Whether the files behind a table are still those that it was made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from segadapt.core.artifacts import sha256_file, sha256_json
from segadapt.core.progress import progress
from segadapt.core.provenance import read_provenance, record_is_genuine
from segadapt.core.stages import PREPARE
from segadapt.data.shipped.sources import is_here, verify_sources
from segadapt.reporting.lineage.explain import read_lineage
from segadapt.reporting.lineage.trace import Record, chain, inputs_of, provenance_of


@dataclass(frozen=True)
class Tampered:
    """A file whose bytes are not the recorded ones, and the rows that rest on it."""

    path: Path
    recorded: str
    found: str
    rows: tuple[str, ...]


def verify(table: Path, root: Path = Path()) -> tuple[list[Tampered], list[str], int]:
    """Hashes everything behind ``table`` again: (what differs, what is not here, how many files agree).

    The data sets' own files are among it, where their caches are those of the table. The records beside the files are
    compared too, and the table's own with its checksum. Paths are relative to ``root``, the project's folder; the
    table's own files are sought beside the CSV, so that a copy can be verified too. UserError if the table keeps no
    lineage.
    """
    record = read_lineage(table)
    every_row = tuple(row["title"] for row in record["lineage"]["rows"])
    own = {_beside(table, record, Path(each["path"])): each["sha256"] for each in record["outputs"].values()}
    expected = {path: (sha256, every_row) for path, sha256 in own.items()}
    for path, (sha256, rows) in _behind(record).items():
        expected.setdefault(root / path, (sha256, tuple(rows)))
    differs, absent, agree = _records(record, table, root), [], 0
    for path, (sha256, rows) in progress(expected.items(), "verify", len(expected), "file"):
        if not path.is_file():
            absent.append(str(path))
        elif (now := sha256_file(path)) != sha256:
            differs.append(Tampered(path, sha256, now, rows))
        else:
            agree += 1
    for manifest, folder, rows in _caches(record, root):
        if not is_here(folder):
            absent += [str(folder)] * (str(folder) not in absent)
        elif manifest.is_file() and sha256_file(manifest) == expected[manifest][0]:
            found = verify_sources(manifest, folder, _shown)
            differs += [Tampered(folder / path, *hashes, rows) for path, hashes in found.differ.items()]
            absent += [str(folder / path) for path in found.absent]
            agree += found.agree
    return differs, absent, agree


def _beside(table: Path, record: Record, written: Path) -> Path:
    """Where a file of the table's own lies now; one of another name, such as a ranking, has that name still."""
    is_form = written.stem == Path(record["outputs"]["csv"]["path"]).stem
    return table.with_suffix(written.suffix) if is_form else table.with_name(written.name)


def _shown(files: Iterable[str], total: int) -> Iterator[str]:
    return progress(files, "verify sources", total, "file")


def _caches(record: Record, root: Path) -> list[tuple[Path, Path, tuple[str, ...]]]:
    """The manifest of each cache behind a table, the folder of its data set, and the rows that need it."""
    rows, found = _rows_of_jobs(record), []
    for fingerprint, job in record["lineage"]["jobs"].items():
        identity = job["identity"]
        if identity["stage"] == PREPARE:
            manifest = root / job["outputs"]["manifest"]["path"]
            found.append((manifest, root / identity["config"]["root"], tuple(rows.get(fingerprint, ()))))
    return found


def _records(record: Record, table: Path, root: Path) -> list[Tampered]:
    """The records that are not what was written: the table's own, and those that lie beside the files."""
    jobs, rows, found = record["lineage"]["jobs"], _rows_of_jobs(record), []
    whole = record_is_genuine(record) and all(map(record_is_genuine, jobs.values()))
    if not whole:
        path = table.with_suffix(".provenance.json")
        titles = tuple(row["title"] for row in record["lineage"]["rows"])
        found.append(Tampered(path, str(record.get("checksum", record["fingerprint"])), sha256_file(path), titles))
    for fingerprint, job in jobs.items():
        for beside in sorted({provenance_of(each["path"]) for each in job["outputs"].values()}):
            path = root / beside
            # A job that was run again has other times, so records need not be equal.
            if path.is_file() and not _is_record_of(fingerprint, read_provenance(path)):
                found.append(Tampered(path, sha256_json(job), sha256_file(path), tuple(rows.get(fingerprint, ()))))
    return found


def _is_record_of(fingerprint: str, record: Record | None) -> bool:
    return record is not None and record["fingerprint"] == fingerprint and record_is_genuine(record)


def _rows_of_jobs(record: Record) -> dict[str, list[str]]:
    """Fingerprint to the titles of the rows that need the job."""
    jobs, titles = record["lineage"]["jobs"], {}
    for row in record["lineage"]["rows"]:
        for fingerprint in chain(jobs, [each for seed in row["made_by"] for each in seed]):
            rows = titles.setdefault(fingerprint, [])
            if row["title"] not in rows:
                rows.append(row["title"])
    return titles


def _behind(record: Record) -> dict[str, tuple[str, list[str]]]:
    """Every file upstream of a table: path to (SHA-256, titles of the rows that need it)."""
    jobs, files = record["lineage"]["jobs"], {}
    for fingerprint, titles in _rows_of_jobs(record).items():
        job = jobs[fingerprint]
        read = {each.path: sha256 for each, sha256 in inputs_of(job)}
        made = {each["path"]: each["sha256"] for each in job["outputs"].values()}
        for path, sha256 in (read | made).items():
            rows = files.setdefault(path, (sha256, []))[1]
            rows += [title for title in titles if title not in rows]
    return files
