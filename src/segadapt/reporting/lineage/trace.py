"""The chain of jobs behind every row of a table, walked from record to record by the hashes in them.

A file under ``work/`` was made by a job, whose ``provenance.json`` lies beside it. A chain holds if each
record names the file with the very hash that its reader used, and if its fingerprint is that of its content.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, sha256_file
from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.provenance import read_provenance, record_is_genuine

Record = dict[str, Any]


def inputs_of(record: Record) -> list[tuple[Input, str | None]]:
    """What a job read, by its record, each file with its SHA-256."""
    found, sha256 = record["identity"]["inputs"], record["input_sha256"]
    if not isinstance(found, dict):
        return [(Input(**each), sha256.get(each["path"])) for each in found]
    # An earlier segadapt went by roles, numbered those of an ensemble's models, and left to paths who makes a file.
    made = {path: provenance_of(path) for path in found.values() if Path(path).parts[0] == "work"}
    return [
        (Input(role.partition("/")[0], path, maker=made.get(path)), sha256.get(role)) for role, path in found.items()
    ]


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

    def trace_file(self, file: Input) -> str:
        """As ``trace``, from the bytes that now lie there."""
        return self.trace(file, sha256_file(self.root / file.path))

    def trace(self, file: Input, sha256: str | None) -> str:
        """The fingerprint of the job that made these bytes; the whole chain up to it is in ``jobs`` then.

        UserError, which names the file, where the chain breaks: a record is missing or edited, or a file is
        not the one that its record speaks of.
        """
        path, record = file.path, self._record(file)
        made = {output["path"]: output["sha256"] for output in record["outputs"].values()}
        if path not in made or made[path] != sha256:
            raise UserError(
                f"{path}: its record speaks of other bytes ({_short(made.get(path))}, not {_short(sha256)}); "
                f"remove {Path(path).parent} and run the same command again"
            )
        fingerprint = record["fingerprint"]
        if fingerprint not in self.jobs:
            for source, read in inputs_of(record):
                if source.maker:
                    self.trace(source, read)
            self.jobs[fingerprint] = record
        return fingerprint

    def _record(self, file: Input) -> Record:
        path, where = file.path, file.maker
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
        for source, sha256 in inputs_of(jobs[fingerprint]):
            maker = makers.get((source.path, sha256))
            if maker is not None:
                visit(maker)
        found[fingerprint] = None

    for end in ends:
        visit(end)
    return list(found)


@dataclass(frozen=True)
class TracedRow:
    """A row of a table, or the part of it in one column, whose chain of records holds.

    ``about`` is its entry in the job's configuration. A part of a row has a key of its own; ``row`` is the row's there
    and ``column`` the part's. ``files`` are its scores, role to path, and ``made_by`` its jobs, both one a seed.
    """

    about: dict[str, Any]
    files: list[dict[str, str]]
    made_by: list[list[str]]

    @property
    def row(self) -> str:
        """The key of the row that it is, or is a part of."""
        return self.about.get("row", self.about["key"])

    @property
    def column(self) -> str | None:
        """The column that it is the part of a row in; None for a whole row."""
        return self.about.get("column")

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """What ``metrics.json`` says, one a seed."""
        return [read_json(Path(each["metrics"])) for each in self.files]

    def record(self, values: dict[str, list[float | None]]) -> dict[str, Any]:
        """What the table's lineage keeps of it; ``values`` are fractions by column, one a seed."""
        return {"key": self.about["key"], "title": self.about["title"], "made_by": self.made_by, "values": values}


@dataclass(frozen=True)
class Traced:
    """What a table's job reads. ``left_out`` are the rows and parts that cannot be traced, with the reason why;
    ``jobs`` are the records of all jobs behind the others, by fingerprint, upstream first."""

    job: Job
    scored: list[TracedRow]
    left_out: list[dict[str, str]]
    jobs: dict[str, Record]

    @cached_property
    def rows(self) -> list[list[TracedRow]]:
        """Each row of the configuration, whole or in parts; what cannot be traced, or is missing, is not in it."""
        return [[each for each in self.scored if each.about in entries] for entries in rows_of(self.job.config)]

    def notes(self, warn: bool = True) -> str:
        """A table's warning: what its data are not (if ``warn``), and which rows are missing and why."""
        sentences = [self.job.config["data_note"]] if warn else []
        left_out = [f"{each['title']} ({each['why']})" for each in self.left_out]
        sentences += [f"Left out, because it cannot be traced: {each}." for each in left_out]
        return " ".join([*sentences, *filter(None, [missing_note(self.job.config)])])

    def trainings(self, row: TracedRow) -> list[Record]:
        """The jobs that trained what was scored of the first seed; several for an ensemble."""
        return trainings_behind([self.jobs[end] for end in row.made_by[0]], self.jobs.values())

    def models(self) -> list[dict[str, Any]]:
        """What the scores say of the models that they are of."""
        return [metrics["model"] for each in self.scored for metrics in each.metrics]

    def lineage(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The table's lineage, ``rows`` being what it keeps of each."""
        return {"rows": rows, "left_out": self.left_out, "jobs": self.jobs}


def trainings_behind(scored: Iterable[Record], jobs: Iterable[Record]) -> list[Record]:
    """Those among ``jobs`` that made the models which ``scored`` evaluate."""
    models = {each.path for record in scored for each, _ in inputs_of(record) if each.role == "model"}
    return [job for job in jobs if models & {each["path"] for each in job["outputs"].values()}]


def joined(parts: list[TracedRow], values: dict[str, list[float | None]]) -> dict[str, Any]:
    """What a lineage keeps of a row that is whole or in ``parts``; ``values`` are fractions by column, one a seed.

    Beside ``made_by``, all jobs behind the row, stands ``made_by_column`` of one in parts.
    """
    record = parts[0].record(values) | {"key": parts[0].row}
    made_by = zip(*(part.made_by for part in parts), strict=True)
    record["made_by"] = [list(dict.fromkeys(each for jobs in of_seed for each in jobs)) for of_seed in made_by]
    of_columns = {part.column: part.made_by for part in parts if part.column is not None}
    return record | ({"made_by_column": of_columns} if of_columns else {})


def trace_table(job: Job) -> Traced:
    """The rows of a table's job that can be traced; stderr says why of those that cannot.

    Rows that a partial table lacks are among neither.
    """
    tracer, kept, left_out = Tracer(), [], []
    for row in job.config["rows"]:
        if row["key"] in missing_rows(job.config):
            continue
        own = [each for each in job.inputs if each.row == row["key"]]
        by_seed = [[each for each in own if each.seed == seed] for seed in job.config["seeds"]]
        try:
            made_by = [sorted({tracer.trace_file(each) for each in scores}) for scores in by_seed]
        except UserError as error:
            left_out.append({"key": row["key"], "title": row["title"], "why": str(error)})
            print(f"{job.name}: row {row['title']} is left out, it cannot be traced: {error}", file=sys.stderr)
            continue
        files = [{each.role: each.path for each in scores} for scores in by_seed]
        kept.append(TracedRow(row, files, made_by))
    return Traced(job, kept, left_out, tracer.jobs)


def rows_of(config: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The entries of each row in a table's configuration: one, or one a column."""
    found: list[list[dict[str, Any]]] = []
    for entry in config["rows"]:
        if "column" in entry and found and found[-1][0]["row"] == entry["row"]:
            found[-1].append(entry)
        else:
            found.append([entry])
    return found


def missing_rows(config: dict[str, Any]) -> dict[str, str]:
    """Key of each row of a partial table that is not there to the jobs that failed; empty for a whole table."""
    return config.get("missing", {})


def missing_note(config: dict[str, Any]) -> str:
    """One sentence on the rows that a partial table lacks, or ""."""
    missing = missing_rows(config)
    rows = [f"{row['title']} ({missing[row['key']]})" for row in config["rows"] if row["key"] in missing]
    return f"This table is partial. Missing: {'; '.join(rows)}." if rows else ""


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else f"{sha256[:12]}..."
