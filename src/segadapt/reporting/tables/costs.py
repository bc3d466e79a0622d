"""The table of costs: what every row took, its own part and the part that it shares with other rows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segadapt.core.metering import Cost
from segadapt.core.parameters.root import ORACLE
from segadapt.core.stages import STAGES
from segadapt.reporting.lineage.trace import Record, Traced, chain, joined
from segadapt.reporting.tables.cells import companion_csv
from segadapt.reporting.tables.formats import TableHeader
from segadapt.reporting.tables.markdown import escape, heading, row_line

COLUMNS = (
    "method", "origin", "cpu_hours", "own_cpu_hours", "source_cpu_hours", "data_cpu_hours", "gpu_hours",
    "own_gpu_hours", "source_gpu_hours", "wall_hours", "peak_memory_gib", "peak_gpu_memory_gib", "interruptions",
    "seeds", "machine", "preset",
)  # fmt: skip
SHARES = {"data": "data", "pretrain": "source"}
"""Phases that rows share; all others are a row's own."""
_TEXT = {"method", "origin", "machine", "preset"}
_MEANING = (
    "Hours of all seeds together, over the whole chain of jobs from the data to the score. **Own**: adaptation and "
    "evaluation; **source**: the source models that it starts from; **data**: rendering and packing. Rows share the "
    "last two, so hours must not be added down a column. **cpu**: all cores together; **gpu**: while a GPU was in use; "
    "**wall**: one job after the other. Memory is the peak of any one process. A killed job counts in full, but for "
    "the last seconds before each kill."
)


def build(traced: Traced) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """``results/<table>_costs.*`` by role, and what its lineage keeps of each row.

    The numbers are those of the runs that were made, so no two runs give equal bytes.
    """
    config, cells, rows, behind = traced.job.config, [], [], {}
    for parts in filter(None, traced.rows):
        made_by = chain(traced.jobs, [end for part in parts for seed in part.made_by for end in seed])
        jobs = {fingerprint: traced.jobs[fingerprint] for fingerprint in made_by}
        rows.append(joined(parts, {}))
        cells.append(cost_record(parts[0].about | {"key": parts[0].row}, list(jobs.values()), config))
        behind |= jobs
    header = TableHeader.of_models(config, traced.notes(), behind.values())
    text = costs_markdown(cells, Path(traced.job.outputs["csv"]).stem, header.entries(), header.data_note)
    return {"md": text.encode(), "csv": companion_csv(cells, COLUMNS)}, rows


def shares(method: str, jobs: Iterable[Record]) -> dict[str, Cost]:
    """What the jobs behind a row cost: ``data``, ``source`` (models that other rows start from too) and ``own``.

    Args:
        method: The row's.
        jobs: The records of its chain, each once.
    """
    found = dict.fromkeys(("data", "source", "own"), Cost())
    for job in jobs:
        share = SHARES.get(STAGES[job["identity"]["stage"]].phase, "own")
        # Source models are shared, but for the oracle's, which is a row itself.
        found["own" if share == "source" and method == ORACLE else share] += Cost.of_record(job)
    return found


def cost_record(row: Mapping[str, Any], jobs: Sequence[Record], config: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a row by column, as they stand in the CSV: hours with four decimals, GiB with two.

    Args:
        row: Its entry in the job's configuration: title, origin, method.
        jobs: The records of its chain, each once.
        config: The job's: ``seeds`` and ``preset``.
    """
    parts = shares(row["method"], jobs)
    total = sum(parts.values(), Cost())
    hours = {
        "cpu_hours": total.cpu_seconds,
        **{f"{part}_cpu_hours": cost.cpu_seconds for part, cost in parts.items()},
        "gpu_hours": total.gpu_seconds,
        **{f"{part}_gpu_hours": parts[part].gpu_seconds for part in ("own", "source")},
        "wall_hours": total.seconds,
    }
    memory = {"peak_memory_gib": total.peak_memory_bytes, "peak_gpu_memory_gib": total.peak_gpu_memory_bytes}
    return {
        "method": row["title"],
        "origin": row["origin"],
        **{name: f"{seconds / 3600:.4f}" for name, seconds in hours.items()},
        **{name: f"{size / 2**30:.2f}" for name, size in memory.items()},
        "interruptions": str(total.processes - len(jobs)),
        "seeds": str(len(config["seeds"])),
        "machine": "; ".join(sorted({job["machine"] for job in jobs})),
        "preset": config["preset"],
    }


def costs_markdown(records: Sequence[Mapping[str, str]], title: str, entries: Mapping[str, str], note: str) -> str:
    """Markdown with the facts of ``entries``, the note, and what the columns mean.

    Args:
        records: Cells by column, from ``cost_record``.
        title: The heading.
        entries: Name and value of each fact.
        note: A warning, or "".
    """
    lines = [*heading(title, entries, note), "", _MEANING, ""]
    shown = [name for name in COLUMNS if name not in ("machine", "preset")]
    lines.append(row_line([escape(name) for name in shown]))
    lines.append(row_line(["---" if name in _TEXT else "---:" for name in shown]))
    lines += [row_line([escape(record[name]) for name in shown]) for record in records]
    return "\n".join(lines) + "\n"
