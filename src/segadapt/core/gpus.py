"""Which GPUs this process may use, and one of them for a job; told without torch, which takes seconds to import."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from segadapt.core.locking import try_machine_lock

DEVICES = Path("/dev")
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> list[str]:
    """The GPUs that CUDA shows to this process, each as ``CUDA_VISIBLE_DEVICES`` names it.

    NVIDIA's device files count, whatever their numbers: of /dev/nvidia3 alone, as a container may have it, CUDA makes
    its GPU 0. Where the variable is set, it holds up to its first entry that is no GPU, as CUDA reads it; empty, it
    hides all.
    """
    there = sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in DEVICES.glob("nvidia*"))
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
def one_gpu() -> Iterator[str | None]:
    """In the block CUDA shows this process one of its GPUs alone, whose name it gets; None where there is no choice.

    It is the one that the fewest of this user's processes on this machine took in this way. To be entered before torch
    looks for GPUs.
    """
    gpus = visible_gpus()
    if len(gpus) < 2:
        yield None
        return
    places = ((gpu, try_machine_lock(f"gpu-{gpu}-{place}")) for place in count() for gpu in gpus)
    gpu, lock = next((gpu, lock) for gpu, lock in places if lock is not None)
    with lock:
        os.environ[VISIBLE] = gpu
        yield gpu
