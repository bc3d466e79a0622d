"""Where a cell of a result table comes from, read from the table's provenance alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json
from segadapt.core.errors import UserError
from segadapt.core.stages import STAGES
from segadapt.reporting.lineage.trace import Record, chain, inputs_of, missing_rows, trainings_behind

_MEANS = ("mIoU", "accuracy")
_DATA_FOLDERS = {stage.folder.partition("/")[0] for stage in STAGES.values() if stage.phase == "data"}


@dataclass(frozen=True)
class Explanation:
    """One row of a table, or one class of it.

    ``values`` are fractions, one a seed; ``jobs`` are upstream first, and ``ends`` the fingerprints of those among
    them whose files the table was made from.
    """

    table: Record
    key: str
    title: str
    column: str
    values: list[float | None]
    jobs: list[Record]
    ends: tuple[str, ...]

    @property
    def config(self) -> dict[str, Any]:
        """The table's part of the parameters."""
        return self.table["identity"]["config"]

    @property
    def row(self) -> dict[str, Any]:
        """The row as the table's part of the parameters has it; of a classifier, its first task."""
        # Of a comparison, "dacs against mixed_zero", it is the row that is compared.
        key = self.key.partition(" against ")[0]
        return next(each for each in self.config["rows"] if key in (each["key"], each.get("row")))

    @property
    def seeds(self) -> list[int]:
        return self.config["seeds"]

    @property
    def scored(self) -> list[Record]:
        """The evaluations of the row, one a seed; after them those of a row that it is compared with."""
        by_fingerprint = {job["fingerprint"]: job for job in self.jobs}
        return [by_fingerprint[end] for end in self.ends if "metrics" in by_fingerprint[end]["outputs"]]

    @property
    def metrics(self) -> list[str]:
        """The metrics files of the row, one a seed."""
        return [job["outputs"]["metrics"]["path"] for job in self.scored]

    @property
    def trainings(self) -> list[Record]:
        """The job that trained what was scored with the first seed; several for an ensemble."""
        return trainings_behind(self.scored[:1], self.jobs)

    def outside_files(self) -> dict[str, str]:
        """Files that no job made, such as initial weights, with their SHA-256."""
        return {each.path: sha256 for job in self.jobs for each, sha256 in inputs_of(job) if not each.maker}

    def data_manifests(self) -> dict[str, str]:
        """The manifests of the data sets, each of which holds the hash of every image, with their SHA-256."""
        made = [job["outputs"]["manifest"] for job in self.jobs if "manifest" in job["outputs"]]
        # By their place: a record may name a stage as it was called when the table was made.
        return {each["path"]: each["sha256"] for each in made if Path(each["path"]).parts[2] in _DATA_FOLDERS}

    def remake(self) -> str:
        """The command that makes the row's metrics anew where they are missing or out of date."""
        seeds = ",".join(map(str, self.seeds))
        chosen = f"preset={self.config['preset']} protocol={self.config['protocol']} 'seeds=[{seeds}]'"
        return f"snakemake --cores 2 {' '.join(self.metrics)} --config {chosen}"


def read_lineage(table: Path) -> Record:
    """The record of a table's CSV; UserError if there is none, or none with a lineage."""
    path = table.with_suffix(".provenance.json")
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("lineage"), dict):
        raise UserError(
            f"{path} holds no lineage, for it was made by an earlier segadapt; make the table again with "
            f"'snakemake --cores 2 results/{table.name}'"
        )
    return record


def explain(table: Path, method: str, column: str | None = None) -> Explanation:
    """Finds the row by key or title and the column by class or task; case does not matter.

    None is the table's mean, or the row's first column where it has no mean, for it lacks a part. UserError, with the
    names there are, for a row or class that the table doesn't trace.
    """
    record = read_lineage(table)
    lineage = record["lineage"]
    row = _by_name(lineage["rows"]).get(method.casefold())
    if row is None:
        missing = missing_rows(record["identity"]["config"])
        asked = _by_name(record["identity"]["config"]["rows"]).get(method.casefold(), {"key": None})
        if asked["key"] in missing:
            raise UserError(f"{table} is partial and lacks the row '{method}': {missing[asked['key']]}")
        known = ", ".join(each["key"] for each in lineage["rows"])
        raise UserError(f"{table} has no traced row '{method}'; it has {known}; published rows come from the paper")
    if not row["values"]:
        raise UserError(f"{table} holds no scores; explain a row of the table that it goes with")
    columns = {name.casefold(): name for name in row["values"]}
    first = next(each for each in (*_MEANS, *row["values"]) if each in row["values"])
    name = columns.get((column or first).casefold())
    if name is None:
        raise UserError(f"{table} has no column '{column}'; it has {', '.join(row['values'])}")
    made_by = row.get("made_by_column", {}).get(name, row["made_by"])
    ends = tuple(dict.fromkeys(fingerprint for seed in made_by for fingerprint in seed))
    jobs = [lineage["jobs"][each] for each in chain(lineage["jobs"], ends)]
    return Explanation(record, row["key"], row["title"], name, row["values"][name], jobs, ends)


def _by_name(rows: list[Record]) -> dict[str, Record]:
    """Rows, or a part of each, by title and by the row's key, in lower case."""
    return {name.casefold(): row for row in rows for name in (row["title"], row.get("row", row["key"]))}
