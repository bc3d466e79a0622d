"""An estimate as text: what each row of a table takes, and what has been measured against it."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from segadapt.core.devices import Device
from segadapt.core.workload import Amount

_FLOPS = ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"))
_BYTES = ((1e12, "TB"), (1e9, "GB"))
_TIMES = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
WIDTH = 120
"""Characters a line of prose."""
NOT_COUNTED = (
    "Counted: forward and backward passes of networks and discriminators, every operation's inputs and outputs once. "
    "Not counted: losses, optimisers, what scoring does after the network, loading, data preparation, and the start of "
    "jobs and of each operation, which outweighs all else where images are a few hundred pixels wide."
)


@dataclass(frozen=True)
class Line:
    """A source model or a row, all seeds together. ``images``: what its training steps look at."""

    title: str
    images: str
    amount: Amount


@dataclass(frozen=True)
class StageNeeds:
    """What each job of a stage asks of a cluster at its first attempt: the most that any of them does.

    ``is_here``: they run where the engine does.
    """

    stage: str
    jobs: int
    threads: int
    gpu: int
    mem_mb: int
    minutes: int
    is_here: bool = False


@dataclass(frozen=True)
class SoFarLine:
    """Of a source model's or row's jobs, those that have run: estimated and measured seconds."""

    title: str
    done: int
    jobs: int
    estimated: float
    measured: float


@dataclass(frozen=True)
class SoFar:
    """``device`` is what the jobs are held against; ``left_out`` is how many ran on another kind of device.

    ``rest``: estimated seconds of the jobs that have not run; ``rest_at_pace``: the same at the measured ratio.
    """

    device: Device
    lines: Sequence[SoFarLine]
    left_out: int
    rest: float
    rest_at_pace: float


def estimate_text(table: str, lines: Sequence[Line], device: Device) -> list[str]:
    """The table of an estimate, its sum last."""
    total = sum((line.amount for line in lines), Amount())
    (per_flop, of_flops), (per_byte, of_bytes) = _unit(total.flops, _FLOPS), _unit(total.bytes, _BYTES)
    per_time, of_time = _unit(total.seconds, _TIMES)
    head = ["row", "images a step", "steps", "scored images", of_flops, of_bytes, f"{device.kind}-{of_time}"]
    rows = [
        [
            line.title, line.images, f"{line.amount.steps:,}", f"{line.amount.scored_images:,}",
            figure(line.amount.flops / per_flop), figure(line.amount.bytes / per_byte),
            figure(line.amount.seconds / per_time),
        ]
        for line in [*lines, Line(table, "", total)]
    ]  # fmt: skip
    return _aligned(head, rows, texts=2)


def needs_text(needs: Sequence[StageNeeds]) -> list[str]:
    """What a cluster is asked for, a line a stage."""
    rows = [
        [each.stage, "here" if each.is_here else "cluster", *(f"{value:,}" for value in _asked(each))] for each in needs
    ]
    return _aligned(["stage", "where", "jobs", "threads", "GPUs", "MB", "minutes"], rows, texts=2)


def _asked(each: StageNeeds) -> tuple[int, ...]:
    return each.jobs, each.threads, each.gpu, each.mem_mb, each.minutes


def device_text(device: Device, formats: Sequence[str], elsewhere: Sequence[tuple[Device, float]]) -> list[str]:
    """The device's numbers, the assumption, the sum on other devices (seconds), and what is not counted.

    ``formats``: those that the jobs ask for.
    """
    rates = dict.fromkeys(device.rate(each) for each in formats)
    computed = " and ".join(f"{figure(rate)} TFLOP/s in {name}" for name, rate in rates)
    others = ", ".join(f"{duration(seconds, each)} on {each.name}" for each, seconds in elsewhere)
    return [
        *_wrapped(
            f"Device {device.name}: {computed}, {device.gb_per_second:g} GB/s. Source: {device.source}. Assumed: "
            f"convolutions reach {device.efficiency:.0%} of the arithmetic (--efficiency), all else moves its bytes at "
            "full speed, one operation after the other."
        ),
        *_wrapped(f"The same elsewhere: {others}."),
        *_wrapped(NOT_COUNTED),
    ]


def so_far_text(so_far: SoFar) -> list[str]:
    """The measured jobs beside their estimate, and the whole table at their pace."""
    device, lines = so_far.device, so_far.lines
    sums = [sum(getattr(line, name) for line in lines) for name in ("done", "jobs", "estimated", "measured")]
    total = SoFarLine("so far", *sums)
    per_time, of_time = _unit(total.measured, _TIMES)
    unit = f"{device.kind}-{of_time}"
    rows = [
        [
            each.title, f"{each.done} of {each.jobs}", figure(each.estimated / per_time),
            figure(each.measured / per_time), figure(each.measured / each.estimated),
        ]
        for each in [*(line for line in lines if line.done), total]
    ]  # fmt: skip
    said = [f"Measured so far, against the estimate for {device.name}:", ""]
    said += [*_aligned(["row", "jobs", f"estimated {unit}", f"measured {unit}", "ratio"], rows, texts=1), ""]
    if so_far.left_out:
        said.append(f"{so_far.left_out} more ran without a GPU and are left out.")
    if total.done == total.jobs:
        return [*said, f"Nothing is left: the table took {duration(total.measured, device)}."]
    return said + _wrapped(
        f"The other {total.jobs - total.done} jobs: {duration(so_far.rest, device)} as estimated, "
        f"{duration(so_far.rest_at_pace, device)} at the measured ratio; the whole table then "
        f"{duration(total.measured + so_far.rest_at_pace, device)}."
    )


def duration(seconds: float, device: Device) -> str:
    """``"9.65 GPU-hours"``; minutes or seconds where that is short."""
    per_time, of_time = _unit(seconds, _TIMES)
    return f"{figure(seconds / per_time)} {device.kind}-{of_time}"


def figure(value: float) -> str:
    """A number of at least three digits, never with an exponent: ``"1,296"``, ``"0.0123"``, ``"0"``."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def _unit(total: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    return next((unit for unit in units if total >= unit[0]), units[-1])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def _aligned(head: list[str], rows: list[list[str]], texts: int) -> list[str]:
    """A Markdown table whose columns line up; the first ``texts`` are text, the others numbers."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [f"{'-' * width}{'-' if index < texts else ':'}" for index, width in enumerate(widths)]
    lines = [_row(row, widths, texts) for row in (head, *rows)]
    return [lines[0], "|" + "|".join(f"-{each}" for each in rule) + "|", *lines[1:]]


def _row(cells: list[str], widths: list[int], texts: int) -> str:
    padded = [
        cell.ljust(width) if index < texts else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"
