"""Where a cell of a result table comes from, read from the table's provenance alone."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json
from segadapt.core.errors import UserError
from segadapt.reporting.lineage import Record, chain, is_made

_TRAINING_STAGES = ("pretrain", "adapt", "refine")


@dataclass(frozen=True)
class Explanation:
    """One row of a table, or one class of it. ``values`` are fractions, one a seed; ``jobs`` are upstream first."""

    table: Record
    title: str
    column: str
    values: list[float | None]
    jobs: list[Record]

    @property
    def seeds(self) -> list[int]:
        return self.table["identity"]["config"]["seeds"]

    @property
    def metrics(self) -> list[str]:
        """The metrics files of the row, one a seed."""
        return [job["outputs"]["metrics"]["path"] for job in self.jobs if "metrics" in job["outputs"]]

    @property
    def training(self) -> Record:
        """The training job that gives the row its name, with the first seed; an ensemble's is its first member's."""
        scored = next(job for job in self.jobs if "metrics" in job["outputs"])
        inputs = scored["identity"]["inputs"]
        model = next(path for role, path in inputs.items() if role.partition("/")[0] == "model")
        return next(job for job in self.jobs if any(each["path"] == model for each in job["outputs"].values()))

    def outside_files(self) -> dict[str, str]:
        """Files that no job made, such as initial weights, with their SHA-256."""
        return {
            path: job["input_sha256"][role]
            for job in self.jobs
            for role, path in job["identity"]["inputs"].items()
            if not is_made(path)
        }

    def remake(self) -> str:
        """The command that makes the row's metrics anew where they are missing or out of date."""
        preset = self.table["identity"]["config"]["preset"]
        return f"snakemake --cores 2 {' '.join(self.metrics)} --config preset={preset}"


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
    """Finds the row by key or title and the column by class name, mIoU if None; case does not matter.

    UserError, with the names there are, for a row or class that the table doesn't trace.
    """
    record = read_lineage(table)
    lineage = record["lineage"]
    rows = {name.casefold(): row for row in lineage["rows"] for name in (row["title"], row["key"])}
    row = rows.get(method.casefold())
    if row is None:
        known = ", ".join(each["key"] for each in lineage["rows"])
        raise UserError(f"{table} has no traced row '{method}'; it has {known}; published rows come from the paper")
    columns = {name.casefold(): name for name in row["values"]}
    name = columns.get((column or "mIoU").casefold())
    if name is None:
        raise UserError(f"{table} has no column '{column}'; it has {', '.join(row['values'])}")
    ends = [fingerprint for seed in row["made_by"] for fingerprint in seed]
    jobs = [lineage["jobs"][each] for each in chain(lineage["jobs"], ends)]
    return Explanation(record, row["title"], name, row["values"][name], jobs)


def as_text(found: Explanation) -> str:
    """The explanation for a terminal."""
    return "\n\n".join([_value(found), _chain(found), _parameters(found), _cost(found), _files(found), _remake(found)])


def _value(found: Explanation) -> str:
    known = [100 * value for value in found.values if value is not None]
    lines = [f"{found.title}, {found.column}"]
    if known:
        spread = f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else ""
        lines[0] += f": {statistics.mean(known):.1f}{spread} %"
    for seed, value in zip(found.seeds, found.values, strict=True):
        lines.append(f"  seed {seed}: " + ("class absent" if value is None else f"{100 * value:.2f} %"))
    return "\n".join(lines)


def _chain(found: Explanation) -> str:
    lines = ["Made by"]
    lines += [f"  {job['identity']['name']:38s} {job['seconds']:9.1f} s   commit {job['commit']}" for job in found.jobs]
    return "\n".join(lines)


def _parameters(found: Explanation) -> str:
    config, table = found.training["identity"]["config"], found.table["identity"]["config"]
    lines = [f"Parameters (preset {table['preset']}, protocol {table['protocol']})"]
    for section in ("method", "training", "protocol", "model"):
        for key, value in flat(config.get(section, {})):
            lines.append(f"  {section}.{key}: {value}")
    return "\n".join(lines)


def flat(section: dict[str, Any]) -> list[tuple[str, Any]]:
    """Nested keys as dotted paths, in their order."""
    found = []
    for key, value in section.items():
        inner = flat(value) if isinstance(value, dict) else []
        found += [(f"{key}.{below}", each) for below, each in inner] or [(key, value)]
    return found


def _cost(found: Explanation) -> str:
    training = [job for job in found.jobs if job["identity"]["stage"] in _TRAINING_STAGES]
    hours = {kind: sum(job.get(kind, 0.0) for job in found.jobs) / 3600 for kind in ("cpu_seconds", "gpu_seconds")}
    lines = [
        "Machine and cost",
        *(f"  {machine}" for machine in sorted({job["machine"] for job in found.jobs})),
        f"  {hours['cpu_seconds']:.3f} CPU-hours and {hours['gpu_seconds']:.3f} GPU-hours, all seeds and inputs; "
        f"peak memory {max(job['peak_memory_mib'] for job in training or found.jobs)} MiB",
    ]
    return "\n".join(lines)


def _files(found: Explanation) -> str:
    made = {each["path"]: each["sha256"] for job in found.jobs for each in job["outputs"].values()}
    lines = ["Files (SHA-256)"]
    lines += [f"  {sha256[:16]}  {path}" for path, sha256 in (found.outside_files() | made).items()]
    return "\n".join(lines)


def _remake(found: Explanation) -> str:
    commits = sorted({job["commit"] for job in found.jobs})
    return f"Remake (at commit {', '.join(commits)})\n  {found.remake()}"
