"""Whether the files behind a table are still those that it was made from."""

from dataclasses import dataclass
from pathlib import Path

from segadapt.core.artifacts import sha256_file
from segadapt.core.progress import progress
from segadapt.reporting.explain import read_lineage
from segadapt.reporting.lineage import Record, chain


@dataclass(frozen=True)
class Tampered:
    """A file whose bytes are not the recorded ones, and the rows that rest on it."""

    path: Path
    recorded: str
    found: str
    rows: tuple[str, ...]


def verify(table: Path, root: Path = Path()) -> tuple[list[Tampered], list[str], int]:
    """Hashes everything behind ``table`` again: (what differs, what is not here, how many files agree).

    Paths are relative to ``root``, the project's folder; the table's own files are sought beside the CSV, so that
    a copy can be verified too. UserError if the table keeps no lineage.
    """
    record = read_lineage(table)
    every_row = tuple(row["title"] for row in record["lineage"]["rows"])
    expected = {
        table.with_suffix(Path(each["path"]).suffix): (each["sha256"], every_row) for each in record["outputs"].values()
    }
    for path, (sha256, rows) in _behind(record).items():
        expected.setdefault(root / path, (sha256, tuple(rows)))
    differs, absent, agree = [], [], 0
    for path, (sha256, rows) in progress(expected.items(), "verify", len(expected), "file"):
        if not path.is_file():
            absent.append(str(path))
        elif (now := sha256_file(path)) != sha256:
            differs.append(Tampered(path, sha256, now, rows))
        else:
            agree += 1
    return differs, absent, agree


def _behind(record: Record) -> dict[str, tuple[str, list[str]]]:
    """Every file upstream of a table: path to (SHA-256, titles of the rows that need it)."""
    jobs, files = record["lineage"]["jobs"], {}
    for row in record["lineage"]["rows"]:
        for fingerprint in chain(jobs, [each for seed in row["made_by"] for each in seed]):
            job = jobs[fingerprint]
            read = {path: job["input_sha256"][role] for role, path in job["identity"]["inputs"].items()}
            made = {each["path"]: each["sha256"] for each in job["outputs"].values()}
            for path, sha256 in (read | made).items():
                rows = files.setdefault(path, (sha256, []))[1]
                if row["title"] not in rows:
                    rows.append(row["title"])
    return files
