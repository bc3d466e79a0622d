"""What all benchmarks share: equality first, then interleaved timing, then one JSON and one Markdown file.

Variants take turns (a b c, a b c, ...), so that a neighbour's load or a warm clock speed meets all of them. CPU
time (``time.process_time``: all threads of this process) stands beside wall time; on a busy machine read the first.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import write_bytes, write_json
from segadapt.core.progress import progress
from segadapt.core.provenance import commit, machine, packages

RESULTS = Path(__file__).resolve().parent.parent / "results" / "bench"


@dataclass(frozen=True)
class Timing:
    """Seconds of one call of a variant: median and minimum over the repeats, CPU and wall."""

    cpu_median: float
    cpu_min: float
    wall_median: float
    wall_min: float

    def as_json(self) -> dict[str, float]:
        """Seconds, rounded to a microsecond."""
        return {name: round(value, 6) for name, value in vars(self).items()}


def measure(
    variants: Mapping[str, Callable[[], Any]],
    *,
    check: Callable[[dict[str, Any]], None] | None = None,
    repeats: int = 7,
    warm_ups: int = 2,
    title: str = "bench",
) -> dict[str, Timing]:
    """Times every variant, in the order given, ``repeats`` times after ``warm_ups``.

    ``check`` first gets what each variant returned, once, and raises if they are not equal: a wrong
    variant is never timed.
    """
    if check is not None:
        check({name: variant() for name, variant in variants.items()})
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for turn in progress(range(warm_ups + repeats), title, warm_ups + repeats, "turn"):
        for name, variant in variants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            variant()
            spent = time.process_time() - cpu, time.perf_counter() - wall
            if turn >= warm_ups:
                samples[name].append(spent)
    return {name: _timing(spent) for name, spent in samples.items()}


def _timing(spent: list[tuple[float, float]]) -> Timing:
    cpu, wall = zip(*spent, strict=True)
    return Timing(statistics.median(cpu), min(cpu), statistics.median(wall), min(wall))


def markdown_row(cells: list[Any]) -> str:
    """One row of a Markdown table; floats with three significant digits."""
    return "| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells) + " |"


def markdown_table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table, the first column to the left, all others to the right."""
    rule = "|---|" + "---:|" * (len(header) - 1)
    return "\n".join([markdown_row(header), rule, *map(markdown_row, rows)])


def bar(what: str, measured: float, at_least: float | None) -> list[dict[str, Any]]:
    """One bar that a ratio must reach, as ``summary.py`` reads it; none if there is no ``at_least``."""
    return [] if at_least is None else [{"what": what, "measured": round(measured, 2), "at_least": at_least}]


def write_results(
    name: str, threads: int, settings: dict[str, Any], results: Any, tables: str, bars: Sequence[dict[str, Any]] = ()
) -> None:
    """Prints ``tables`` (Markdown) and writes ``results/bench/<name>.json`` and ``.md`` with their circumstances."""
    where = {
        "benchmark": name,
        "machine": machine(),
        "threads": threads,
        "commit": commit(),
        "packages": packages(),
        "settings": settings,
    }
    write_json(RESULTS / f"{name}.json", where | {"bars": list(bars), "results": results})
    versions = ", ".join(f"{package} {version}" for package, version in packages().items())
    note = f"{machine()}; {threads} thread{'s' * (threads > 1)}; commit {commit()}; {versions}."
    write_bytes(RESULTS / f"{name}.md", f"# bench {name}\n\n{note}\n\n{tables}\n".encode())
    print(f"{tables}\n\n{note}")
