"""``segadapt watch``: what the run in this folder is doing, in the terminal."""

import argparse
import shutil
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from segadapt.plan.watching import Run, Seen

HELP = "show the run that is at work in this folder: jobs done and running, losses as they fall, free disk, errors"
SECONDS = 2.0
_BARS, _WIDTH = "▁▂▃▄▅▆▇█", 24
_SILENT = 60.0
"""Seconds without a line after which that is worth a word."""
_ERRORS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print the state and end, without waiting for the run")


def run(given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.live import Live

    from segadapt.plan.watching import look

    console, now = Console(), look()
    if given.once or not console.is_terminal:
        console.print(screen(now))
        return
    with Live(screen(now), console=console, refresh_per_second=4) as live:
        while not now.has_ended:
            time.sleep(SECONDS)
            now = look()
            live.update(screen(now))


def screen(now: "Run") -> "RenderableType":
    """All that there is to see of a run."""
    from rich.console import Group
    from rich.text import Text

    from segadapt.plan.watching import FAILED, RUNNING

    parts = [_head(now), _phases(now)]
    if running := now.of(RUNNING):
        parts.append(_running(running, now.has_ended))
    failed = sorted(now.of(FAILED), key=lambda job: job.silent)[:_ERRORS]
    for job in failed:
        parts += [Text(f"✗ {job.name}: {job.said}", style="red"), Text(f"  {job.log}", style="dim")]
    return Group(*parts)


def _head(now: "Run") -> "RenderableType":
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from segadapt.plan.watching import DONE

    done, free = len(now.of(DONE)), shutil.disk_usage(".").free / 2**30
    ended = (" · all done" if done == len(now.jobs) else " · it has ended") if now.has_ended else ""
    line = Table.grid(padding=(0, 1))
    line.add_row(
        Text(now.preset, style="bold"),
        ProgressBar(total=max(1, len(now.jobs)), completed=done if now.jobs else 1, width=30),
        Text(f"{done} of {len(now.jobs)} jobs, {_duration(time.time() - now.started)}{ended} · {free:.1f} GiB free"),
    )
    return line


def _phases(now: "Run") -> "RenderableType":
    """The jobs of each stage, done and due."""
    from rich.text import Text

    from segadapt.plan.watching import DONE

    every = Counter(job.name.partition("/")[0] for job in now.jobs)
    done = Counter(job.name.partition("/")[0] for job in now.of(DONE))
    return Text(" · ".join(f"{name} {done[name]}/{count}" for name, count in every.items()), style="dim")


def _running(jobs: "list[Seen]", has_ended: bool) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title, right in (("interrupted" if has_ended else "running", False), ("done", True), ("rate", True),
                         ("left", True), ("losses", False)):  # fmt: skip
        table.add_column(title, justify="right" if right else "left")
    for job in jobs:
        share = f"{job.done}/{job.total} ({100 * job.done // max(1, job.total)} %)" if job.total else ""
        curves = [Text(f"{name} {sparkline(values)} {values[-1]:.4g}") for name, values in job.losses.items()]
        curves = curves or [Text("" if job.total else job.said, overflow="ellipsis", no_wrap=True)]
        silent = f", silent for {_duration(job.silent)}" if job.silent > _SILENT and not has_ended else ""
        table.add_row(Text(job.name), Text(share), Text(job.rate), Text(job.left + silent), curves[0])
        for each in curves[1:]:
            table.add_row("", "", "", "", each)
    return table


def sparkline(values: list[float], width: int = _WIDTH) -> str:
    """A curve of block letters, from the lowest to the highest value; of many values the means of ``width`` parts."""
    parts = min(width, len(values))
    ends = [len(values) * part // parts for part in range(parts + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(ends)]
    low, span = min(means), max(means) - min(means)
    return "".join(_BARS[round((each - low) / span * (len(_BARS) - 1)) if span else 0] for each in means)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
