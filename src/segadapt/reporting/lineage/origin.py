"""Where weights come from that a run of ours made and another run starts from."""

from pathlib import Path

from segadapt.core.artifacts import read_json, sha256_file, write_json
from segadapt.core.job import Input
from segadapt.reporting.lineage.trace import Record, Tracer, provenance_of


def origin_path(weights: Path) -> Path:
    """Where the record of how ``weights`` were made lies: beside them, like a table's."""
    return weights.with_suffix(".provenance.json")


def jobs_behind(model: Path) -> list[Record]:
    """All jobs that led to a model of ours, upstream first; UserError where the chain of records breaks."""
    tracer = Tracer()
    tracer.trace_file(Input("model", str(model), maker=provenance_of(str(model))))
    return list(tracer.jobs.values())


def write_origin(weights: Path, model: Path, jobs: list[Record]) -> None:
    """Writes beside ``weights`` that they were taken from ``model``, which ``jobs`` made."""
    write_json(origin_path(weights), {"model": str(model), "sha256": sha256_file(weights), "jobs": jobs})


def origin(weights: Path, sha256: str) -> list[Record]:
    """The jobs that made the file of weights with this hash, upstream first; none if nothing beside it says so."""
    beside = origin_path(weights)
    record = read_json(beside) if beside.is_file() else None
    return record["jobs"] if isinstance(record, dict) and record.get("sha256") == sha256 else []
