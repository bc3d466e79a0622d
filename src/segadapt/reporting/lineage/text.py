"""An explanation of a cell as text for a terminal."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.core.metering import Cost
from segadapt.reporting.lineage.differences import differences, resolved
from segadapt.reporting.lineage.explain import Explanation
from segadapt.reporting.lineage.origin import origin
from segadapt.reporting.lineage.trace import Record, missing_note


def as_text(found: Explanation, parameters: Path) -> str:
    """The whole explanation.

    Args:
        found: From ``explain``.
        parameters: A ``params.yaml``, whose protocols and methods the run is compared with. It may be missing.
    """
    parts = (_value(found), _chain(found), _parameters(found), _differences(found, parameters), _cost(found))
    return "\n\n".join([*parts, _inputs(found), *_origins(found), _files(found), _remake(found)])


def _value(found: Explanation) -> str:
    known = [100 * value for value in found.values if value is not None]
    lines = [*filter(None, [missing_note(found.config)]), f"{found.title}, {found.column}"]
    if known:
        spread = f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else ""
        lines[-1] += f": {statistics.mean(known):.1f}{spread} %"
    for seed, value in zip(found.seeds, found.values, strict=True):
        lines.append(f"  seed {seed}: " + ("class absent" if value is None else f"{100 * value:.2f} %"))
    return "\n".join(lines)


def _chain(found: Explanation) -> str:
    return "\n".join(["Made by", *map(_job, found.jobs)])


def _job(job: Record) -> str:
    return f"  {job['identity']['name']:38s} {job['seconds']:9.1f} s   commit {job['commit']}"


def _parameters(found: Explanation) -> str:
    lines = [f"Parameters (preset {found.config['preset']}, protocol {found.config['protocol']})"]
    for job in found.trainings:
        if len(found.trainings) > 1:
            lines.append(f" {job['identity']['name']}")
        lines += [f"  {key}: {value}" for key, value in resolved(job, found.config).items()]
    return "\n".join(lines)


def _differences(found: Explanation, parameters: Path) -> str:
    head = f"Differs from the protocol's bundle and the method's entry in {parameters} as it is now, and from defaults"
    try:
        lines = differences(found, parameters)
    except UserError as error:
        return f"{head}\n  not compared: {error}"
    return "\n".join([head, *(f"  {line}" for line in lines or ["nothing"])])


def _cost(found: Explanation) -> str:
    return "\n".join(["Machine and cost", *(f"  {line}" for line in cost_lines(found.jobs))])


def cost_lines(jobs: Sequence[Record]) -> list[str]:
    """The machines that jobs ran on, and what all of them together cost."""
    cost = sum(map(Cost.of_record, jobs), Cost())
    killed = cost.processes - len(jobs)
    lines = sorted({job["machine"] for job in jobs})
    lines.append(
        f"{cost.cpu_seconds / 3600:.3f} CPU-hours and {cost.gpu_seconds / 3600:.3f} GPU-hours, all seeds and inputs; "
        f"peak memory {cost.peak_memory_bytes / 2**20:.0f} MiB"
    )
    if cost.peak_gpu_memory_bytes:
        lines[-1] += f", of the GPU {cost.peak_gpu_memory_bytes / 2**20:.0f} MiB"
    if killed:
        lines.append(f"interrupted and resumed {killed} times; what was spent before counts")
    return lines


def _inputs(found: Explanation) -> str:
    inputs = found.data_manifests() | found.outside_files()
    return "\n".join(["Inputs (SHA-256)", *(f"  {sha256}  {path}" for path, sha256 in inputs.items())])


def _origins(found: Explanation) -> list[str]:
    """A part for each file of initial weights that a run of ours made: its own jobs and parameters."""
    parts = []
    for path, sha256 in found.outside_files().items():
        jobs = origin(Path(path), sha256)
        if jobs:
            settings = [f"    {key}: {value}" for key, value in jobs[-1]["identity"]["config"].items()]
            parts.append("\n".join([f"{path} was made by", *map(_job, jobs), "  with", *settings]))
    return parts


def _files(found: Explanation) -> str:
    made = {each["path"]: each["sha256"] for job in found.jobs for each in job["outputs"].values()}
    return "\n".join(["Files (SHA-256)", *(f"  {sha256[:16]}  {path}" for path, sha256 in made.items())])


def _remake(found: Explanation) -> str:
    commits = sorted({job["commit"] for job in found.jobs})
    return f"Remake (at commit {', '.join(commits)})\n  {found.remake()}"
