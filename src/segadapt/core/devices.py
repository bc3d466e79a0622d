"""The devices that jobs compute on: how fast they are, which GPUs this process may use, and which of them a job takes.

All of it is told without torch, which takes seconds to import.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from segadapt.core.errors import UserError
from segadapt.core.locking import try_machine_lock
from segadapt.core.workload import Work

SINGLE, TF32, HALF = "fp32", "tf32", "bf16"
GPU, CPU = "GPU", "core"


@dataclass(frozen=True)
class Device:
    """A GPU or one core of a CPU.

    ``tflops`` are TFLOP/s by number format; where a format is not there, ``fp32`` serves. ``efficiency`` is the
    assumption: the share of these rates that convolutions reach. Bytes move at ``gb_per_second`` (GB of 1e9 bytes).
    """

    name: str
    kind: str
    tflops: Mapping[str, float]
    gb_per_second: float
    efficiency: float
    source: str

    def rate(self, number_format: str) -> tuple[str, float]:
        """The format that is really computed in, and its TFLOP/s."""
        known = number_format if number_format in self.tflops else SINGLE
        return known, self.tflops[known]

    def seconds(self, work: Work, tf32: bool = False) -> float:
        """The roofline, summed: each operation takes as long as its arithmetic or its bytes, whichever is longer.

        Operations come one after the other, and no result waits in a cache for the next.
        """
        rates = {half: self.rate(HALF if half else TF32 if tf32 else SINGLE)[1] for half in (False, True)}
        per_flop = {half: 1 / (rate * self.efficiency * 1e12) for half, rate in rates.items()}
        per_byte = 1 / (self.gb_per_second * 1e9)
        return sum(
            count * max(each.flops * per_flop[each.half], each.bytes * per_byte)
            for each, count in work.operations.items()
        )

    def with_own(
        self, tflops: float | None = None, gb_per_second: float | None = None, efficiency: float | None = None
    ) -> "Device":
        """With a user's own numbers in place of these; a rate of arithmetic is then that of every format."""
        changes = {}
        if tflops is not None:
            changes["tflops"] = {SINGLE: tflops}
        if gb_per_second is not None:
            changes["gb_per_second"] = gb_per_second
        if efficiency is not None:
            changes["efficiency"] = efficiency
        if {"tflops", "gb_per_second"} & changes.keys():
            changes["source"] = f"your numbers, and where you gave none: {self.source}"
        return replace(self, name=f"{self.name} with your numbers", **changes) if changes else self


DEVICES = {
    device.name: device
    for device in (
        Device(
            "h200", GPU, {SINGLE: 67, TF32: 494, HALF: 780}, 4300, 0.5,
            "bf16: a measured product of matrices; bytes: a measured copy; tf32 (dense) and fp32: NVIDIA's data sheet",
        ),
        Device(
            "h100", GPU, {SINGLE: 67, TF32: 494, HALF: 780}, 3000, 0.5,
            "arithmetic as of the h200, whose chip it shares; bytes: a measured copy",
        ),
        Device(
            "1080ti", GPU, {SINGLE: 11}, 484, 0.5,
            "NVIDIA's data sheet; it has fp32 alone",
        ),
        Device(
            "cpu-core", CPU, {SINGLE: 0.094}, 10, 1.0,
            "one core of an EPYC with AVX-512: fp32 as measured on this network's convolutions, which is why all of it "
            "counts; bytes assumed",
        ),
    )
}  # fmt: skip
"""Sources stand with the rates; a machine of yours is described by its own numbers."""

DEFAULT = {GPU: "h200", CPU: "cpu-core"}
"""By kind."""


def find_device(name: str) -> Device:
    """The device of that name; UserError, with those there are, if it is none."""
    if name not in DEVICES:
        raise UserError(
            f"device '{name}' is unknown; use one of {', '.join(DEVICES)}, or state your own rates by --tflops and "
            "--gb-per-second"
        )
    return DEVICES[name]


# --- of this machine ------------------------------------------------------------------------------

DEVICE_FILES = Path("/dev")
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """The GPUs that CUDA shows to this process, each as ``CUDA_VISIBLE_DEVICES`` names it.

    NVIDIA's device files count, whatever their numbers: of /dev/nvidia3 alone, as a container may have it, CUDA makes
    its GPU 0. Where the variable is set, it holds up to its first entry that is no GPU, as CUDA reads it; empty, it
    hides all.
    """
    there = sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in DEVICE_FILES.glob("nvidia*"))
    if VISIBLE not in os.environ:
        return [str(number) for number in range(there)]
    found = []
    for name in map(str.strip, os.environ[VISIBLE].split(",")):
        is_there = int(name) < there if name.isdecimal() else there and name.startswith(("GPU-", "MIG-"))
        if not is_there:
            break
        found.append(name)
    return found


@contextmanager
def own_gpus(wanted: int = 1) -> Iterator[str | None]:
    """In the block CUDA shows this process as many of its GPUs as are ``wanted`` alone, by their names, which it gets;
    None where there is no choice.

    They are those that the fewest of this user's processes on this machine took in this way. To be entered before torch
    looks for GPUs.
    """
    gpus, taken = visible_gpus(), []
    if len(gpus) < max(wanted, 2):
        yield None
        return
    with ExitStack() as held:
        for place, gpu in ((place, gpu) for place in count() for gpu in gpus):
            if gpu not in taken and (lock := try_machine_lock(f"gpu-{gpu}-{place}")) is not None:
                held.enter_context(lock)
                taken.append(gpu)
                if len(taken) == wanted:
                    break
        os.environ[VISIBLE] = ",".join(taken)
        yield os.environ[VISIBLE]
