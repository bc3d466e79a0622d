"""What a job costs: time and memory, added up over all processes that worked on it, killed ones too."""

import _thread
import contextlib
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from segadapt.core.artifacts import read_json, write_json
from segadapt.core.errors import UserError

INTERVAL_SECONDS = 5.0
"""How often a running job writes down what it has cost: a kill forgets at most that much."""
_FILE = "cost.json"
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, on all CPU cores together and with a GPU in use; peak bytes of memory and of GPU memory.

    ``peak_memory_bytes`` is the resident set of the largest process; ``processes`` counts those that worked on the
    job one after the other: one more for every kill.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    peak_gpu_memory_bytes: int = 0
    processes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """Times add up, of peaks the higher one counts."""
        times = [getattr(self, name) + getattr(other, name) for name in ("seconds", "cpu_seconds", "gpu_seconds")]
        memory = max(self.peak_memory_bytes, other.peak_memory_bytes)
        gpu_memory = max(self.peak_gpu_memory_bytes, other.peak_gpu_memory_bytes)
        return Cost(*times, memory, gpu_memory, self.processes + other.processes)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Cost":
        """The cost that a provenance record speaks of; what an older record lacks is zero."""
        known = {field.name: record[field.name] for field in fields(cls) if field.name in record}
        return cls(**({"peak_memory_bytes": record.get("peak_memory_mib", 0) * 2**20, "processes": 1} | known))

    def as_record(self) -> dict[str, float | int]:
        """Its part of a provenance record, seconds rounded to hundredths."""
        return {name: round(value, 2) for name, value in asdict(self).items()}


class Meter:
    """Measures a block, from the start of its process as far as CPU time goes, on top of what a killed one has spent.

    ``folder`` keeps the sum while the block runs, and on after it; it is the job's resumable state. ``gpus`` are in use
    where one is.
    """

    def __init__(self, folder: Path, gpus: int = 1) -> None:
        self._path, self._gpus = folder / _FILE, gpus
        self._earlier = _read(self._path)
        self._start = time.perf_counter()
        self._stop, self._writing = threading.Event(), threading.Lock()

    def __enter__(self) -> "Meter":
        # Not threading.Thread: without memory its start() waits for ever for a thread that could not begin.
        _thread.start_new_thread(self._keep, ())
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        with self._writing:
            self._write()

    def total(self) -> Cost:
        """The cost so far, earlier processes included."""
        seconds = time.perf_counter() - self._start
        gpu_memory = _peak_gpu_memory()
        gpu_seconds = 0.0 if gpu_memory is None else seconds * self._gpus
        return self._earlier + Cost(seconds, cpu_seconds(), gpu_seconds, _peak_memory(), gpu_memory or 0, 1)

    def _keep(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            with self._writing:
                if not self._stop.is_set():
                    self._write()

    def _write(self) -> None:
        # A full disk stops the job where it writes its outputs, with a sentence about them.
        with contextlib.suppress(UserError):
            write_json(self._path, self.total().as_record(), lasting=False)


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended, in seconds over all cores."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak_memory() -> int:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(each.ru_maxrss for each in used) * _MAXRSS_UNIT


def _peak_gpu_memory() -> int | None:
    """Bytes that torch has held at most, None where no GPU was used."""
    torch = sys.modules.get("torch")
    # Its submodules come later than ``torch`` itself, and this may run while they are being loaded.
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not getattr(cuda, "is_initialized", bool)():
        return None
    return cuda.max_memory_allocated()


def _read(path: Path) -> Cost:
    """What earlier processes have written down; nothing where there is no such file or it is damaged."""
    try:
        found = Cost(**read_json(path))
        # Adding and comparing shows whether every value is a number.
        assert min(astuple(found)) >= 0
    except (UserError, TypeError, AssertionError):
        return Cost()
    return found
