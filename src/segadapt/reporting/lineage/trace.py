"""The chain of jobs behind every row of a table, walked from record to record by the hashes in them.

A file under ``work/`` was made by a job, whose ``provenance.json`` lies beside it. A chain holds if each
record names the file with the very hash that its reader used, and if its fingerprint is that of its content.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import sha256_file
from segadapt.core.errors import UserError
from segadapt.core.job import Job, score_paths
from segadapt.core.provenance import read_provenance, record_is_genuine

Record = dict[str, Any]


def is_made(path: str) -> bool:
    """Whether a job makes this file; others (initial weights, published numbers) come from outside."""
    return Path(path).parts[:1] == ("work",)


def provenance_of(path: str) -> str:
    """Where the record of the job that made ``work/...`` lies."""
    return str(Path(path).with_name("provenance.json"))


@dataclass
class Tracer:
    """Collects records, upstream first, while it follows files to where they come from.

    ``root`` is the folder that the jobs' paths are relative to; ``jobs`` maps fingerprint to record.
    """

    root: Path = Path()
    jobs: dict[str, Record] = field(default_factory=dict)

    def trace_file(self, path: str) -> str:
        """As ``trace``, from the bytes that now lie there."""
        return self.trace(path, sha256_file(self.root / path))

    def trace(self, path: str, sha256: str | None) -> str:
        """The fingerprint of the job that made these bytes; the whole chain up to it is in ``jobs`` then.

        UserError, which names the file, where the chain breaks: a record is missing or edited, or a file is
        not the one that its record speaks of.
        """
        record = self._record(path)
        made = {output["path"]: output["sha256"] for output in record["outputs"].values()}
        if path not in made or made[path] != sha256:
            raise UserError(
                f"{path}: its record speaks of other bytes ({_short(made.get(path))}, not {_short(sha256)}); "
                f"remove {Path(path).parent} and run the same command again"
            )
        fingerprint = record["fingerprint"]
        if fingerprint not in self.jobs:
            for role, source in record["identity"]["inputs"].items():
                if is_made(source):
                    self.trace(source, record["input_sha256"].get(role))
            self.jobs[fingerprint] = record
        return fingerprint

    def _record(self, path: str) -> Record:
        where = provenance_of(path)
        record = read_provenance(self.root / where)
        mend = f"remove {Path(path).parent} and run the same command again"
        if record is None:
            raise UserError(f"{path}: its record {where} is missing or damaged; {mend}")
        try:
            genuine = record_is_genuine(record)
            assert all({"path", "sha256", "bytes"} <= output.keys() for output in record["outputs"].values())
        except (KeyError, TypeError, AttributeError, AssertionError):
            genuine = False
        if not genuine:
            raise UserError(f"{path}: its record {where} was edited, it does not fit its fingerprint; {mend}")
        return record


def chain(jobs: dict[str, Record], ends: Iterable[str]) -> list[str]:
    """Fingerprints of the jobs that lead to ``ends``, these included, upstream first."""
    makers = {
        (output["path"], output["sha256"]): fingerprint
        for fingerprint, record in jobs.items()
        for output in record["outputs"].values()
    }
    found: dict[str, None] = {}

    def visit(fingerprint: str) -> None:
        if fingerprint in found or fingerprint not in jobs:
            return
        record = jobs[fingerprint]
        for role, path in record["identity"]["inputs"].items():
            maker = makers.get((path, record["input_sha256"].get(role)))
            if maker is not None:
                visit(maker)
        found[fingerprint] = None

    for end in ends:
        visit(end)
    return list(found)


@dataclass(frozen=True)
class TracedRow:
    """A row of a table whose chain of records holds. ``metrics`` are its files, ``made_by`` its jobs, one a seed."""

    about: dict[str, Any]
    metrics: list[str]
    made_by: list[list[str]]

    def record(self, values: dict[str, list[float | None]]) -> dict[str, Any]:
        """What the table's lineage keeps of the row; ``values`` are fractions by column, one a seed."""
        return {"key": self.about["key"], "title": self.about["title"], "made_by": self.made_by, "values": values}


def joined(cells: Iterable[TracedRow], values: Mapping[str, dict[str, list[float | None]]]) -> list[dict[str, Any]]:
    """What the lineage keeps of rows whose every column is traced by itself, as those of tasks are.

    ``cells`` are about a ``row`` and a ``task`` each; ``values``, by row, are fractions by column, one a seed. Beside
    ``made_by``, all jobs behind a row, stands ``made_by_column``.
    """
    records: dict[str, dict[str, Any]] = {}
    for cell in cells:
        key, task = cell.about["row"], cell.about["task"]
        if key not in records:
            about = {"key": key, "title": cell.about["title"], "made_by": [[] for _ in cell.made_by]}
            records[key] = about | {"values": values[key], "made_by_column": {}}
        records[key]["made_by_column"][task] = cell.made_by
        for every, made_by in zip(records[key]["made_by"], cell.made_by, strict=True):
            every += [each for each in made_by if each not in every]
    return list(records.values())


def trace_rows(job: Job, tracer: Tracer) -> tuple[list[TracedRow], list[dict[str, str]]]:
    """The rows of a table's job that can be traced, and those that cannot, with the reason why; stderr says so too.

    Rows that a partial table lacks are in neither.
    """
    kept, left_out = [], []
    for row in job.config["rows"]:
        if row["key"] in missing_rows(job.config):
            continue
        inputs = [score_paths(job.inputs, row["key"], seed) for seed in job.config["seeds"]]
        try:
            made_by = [sorted({tracer.trace_file(path) for path in each.values()}) for each in inputs]
        except UserError as error:
            left_out.append({"key": row["key"], "title": row["title"], "why": str(error)})
            print(f"{job.name}: row {row['title']} is left out, it cannot be traced: {error}", file=sys.stderr)
            continue
        kept.append(TracedRow(row, [each["metrics"] for each in inputs], made_by))
    return kept, left_out


def missing_rows(config: dict[str, Any]) -> dict[str, str]:
    """Key of each row of a partial table that is not there to the jobs that failed; empty for a whole table."""
    return config.get("missing", {})


def missing_note(config: dict[str, Any]) -> str:
    """One sentence on the rows that a partial table lacks, or ""."""
    missing = missing_rows(config)
    rows = [f"{row['title']} ({missing[row['key']]})" for row in config["rows"] if row["key"] in missing]
    return f"This table is partial. Missing: {'; '.join(rows)}." if rows else ""


def notes(job: Job, left_out: list[dict[str, str]], warn: bool = True) -> str:
    """A table's warning: what its data are not (if ``warn``), and which rows are missing and why."""
    sentences = [job.config["data_note"]] if warn else []
    sentences += [f"Left out, because it cannot be traced: {each['title']} ({each['why']})." for each in left_out]
    return " ".join([*sentences, *filter(None, [missing_note(job.config)])])


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else f"{sha256[:12]}..."
