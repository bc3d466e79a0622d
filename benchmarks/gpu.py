"""Everything that needs a GPU, in one command of at most ten minutes: ``python benchmarks/gpu.py --out gpu.json``.

It needs PyTorch, pydantic and PyYAML, and no data: they are synthetic. Each section runs in a process of its own with
a limit of its own, so that one that fails or hangs is reported as such and the others stand; what a section had
measured by then is kept. Tables come last.

* ceilings: what this card does at most: matrix products in bf16, TF32 and float32, and a copy of its memory.
* losses: from low-resolution logits to loss and gradient, as in ``losses.py`` (whose baselines these are), with the
  extra memory, the differences to float64 and whether two runs are equal bit for bit.
* steps, compiled: one adaptation step of a DeepLab-v2 with ResNet-101, image-weighted maximum squares and guidance,
  on source images of 1280x720 and target images of 1280x640 that lie on the device as bytes. The released code's way
  against ours in several modes, which mirror and blur on the device too. Compilation comes last: it takes longest.
* evaluation: from low-resolution logits to confusion counts.
* profile: what a step's time goes to, kernel by kernel.
* pack: our bf16 step in one process, in two and in three at once, which is how runs may share a card.

``--quick`` runs everything at tiny sizes, on a CPU if there is no GPU, to show that the script works.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_tables
import losses
import torch
from gpu_evaluation import measure_evaluation
from gpu_pack import measure_pack
from gpu_profile import measure_profile
from gpu_steps import (
    AS_GRAPH,
    COMPILED_MODES,
    EAGER_MODES,
    Mode,
    Problem,
    augmenting,
    make_step,
    recorded,
    set_precision,
)

from segadapt.core.artifacts import write_json
from segadapt.core.provenance import commit, machine, packages
from segadapt.losses.dispatch import in_bands, in_cells
from segadapt.training.graphs import WARM_UPS, CudaRecorder

TOTAL_SECONDS = 570
"""Leaves half a minute of ten for what comes before and after: importing, starting and ending processes."""

GRACE_SECONDS = 5
QUICK_SECONDS = 900
"""For each section of a quick run, whose machine may be busy with other things."""

SECTION_SECONDS = {
    "ceilings": 15,
    "losses": 60,
    "evaluation": 20,
    "steps": 135,
    "profile": 60,
    "pack": 80,
    "compiled": 260,
}
"""At most; of what comes last there may be less left."""


FLOAT32_BARS = {True: (1e-5, 1e-4), False: (1e-4, 1e-1)}
"""Value and gradient may be so far off float64 by rounding; more where a tie or threshold may fall otherwise."""


class Section:
    """What a section works with: the device, whether it is a quick run, its clock, and where its findings go."""

    def __init__(self, quick: bool, seconds: float, out: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.quick, self.out = quick, out
        self.deadline = time.monotonic() + seconds
        self.found: dict[str, Any] = {}

    def note(self, **found: Any) -> None:
        """Adds to the findings and writes them, for whatever comes after may be killed."""
        self.found |= found
        write_json(self.out, self.found)

    def attempt(self, name: str, call: Callable[[], Any]) -> None:
        """Notes what ``call`` returns, or why there is nothing."""
        if time.monotonic() > self.deadline:
            self.note(**{name: {"error": "no time left"}})
            return
        try:
            self.note(**{name: call()})
        except Exception as error:
            traceback.print_exc()
            self.note(**{name: {"error": f"{type(error).__name__}: {error}".strip()[:500]}})

    def milliseconds(self, calls: dict[str, Callable[[], Any]], seconds: float, most: int = 50) -> dict[str, float]:
        """Median time of each call; they take turns, for at most ``seconds`` and ``most`` turns after some to warm up.

        On a GPU by its own events, with the host running ahead as it does in training.
        """
        samples: dict[str, list] = {name: [] for name in calls}
        warm_ups = 1 if self.quick else 5
        most = 2 if self.quick else most
        end = time.monotonic() + seconds
        for turn in range(warm_ups + most):
            for name, call in calls.items():
                sample = self._timed(call)
                if turn >= warm_ups:
                    samples[name].append(sample)
            if turn > warm_ups and time.monotonic() > end:
                break
        self.synchronise()
        return {
            name: statistics.median(
                each if isinstance(each, float) else each[0].elapsed_time(each[1]) for each in taken
            )
            for name, taken in samples.items()
        }

    def _timed(self, call: Callable[[], Any]) -> Any:
        if self.device.type != "cuda":
            start = time.perf_counter()
            call()
            return (time.perf_counter() - start) * 1e3
        events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        events[0].record()
        call()
        events[1].record()
        return events

    def synchronise(self) -> None:
        """Waits until the device has done all it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def extra_mib(self, call: Callable[[], Any]) -> float | None:
        """MiB of device memory that a call takes at its peak above what was there before; None on a CPU."""
        if self.device.type != "cuda":
            return None
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20


def measure_ceilings(section: Section) -> None:
    """TFLOP/s of a large square product in each precision; GB/s of a copy, bytes read and written."""

    def product(dtype: torch.dtype, tf32: bool) -> float:
        set_precision(tf32)
        size = 64 if section.quick else 8192
        left, right = (torch.randn(size, size, device=section.device, dtype=dtype) for _ in range(2))
        made = torch.empty_like(left)
        taken = section.milliseconds({"product": lambda: torch.mm(left, right, out=made)}, 4, 20)["product"]
        return 2 * size**3 / taken / 1e9

    def copy() -> float:
        source = torch.empty(2**16 if section.quick else 2**32, dtype=torch.uint8, device=section.device)
        target = torch.empty_like(source)
        return 2 * source.numel() / section.milliseconds({"copy": lambda: target.copy_(source)}, 4, 20)["copy"] / 1e6

    section.attempt("bf16_tflops", lambda: product(torch.bfloat16, True))
    section.attempt("tf32_tflops", lambda: product(torch.float32, True))
    section.attempt("fp32_tflops", lambda: product(torch.float32, False))
    section.attempt("copy_gb_per_second", copy)


def measure_losses(section: Section) -> None:
    """Each objective: milliseconds and extra MiB of every variant, differences to the plain form in float64."""
    shrink = 20 if section.quick else 1
    *drawn, size = losses.draw("1280x640", torch.float64, shrink)
    final, low, label = (each.to(section.device) for each in drawn)
    in_float64, inputs = [final, low, label, size], [final.float(), low.float(), label, size]
    form = "kernels" if in_cells(size, inputs[0]) else "bands" if in_bands(inputs[0]) else "plain"
    section.note(form=form)
    for objective in losses.OBJECTIVES:
        section.attempt(objective, lambda objective=objective: _measure_loss(section, objective, inputs, in_float64))
    # After all else: where a recording fails, torch's allocator may be of no more use to this process.
    for objective in losses.OBJECTIVES if section.device.type == "cuda" else ():
        section.attempt(objective + AS_GRAPH, lambda objective=objective: _replayed(section, objective, inputs))


def _replayed(section: Section, objective: str, inputs: list) -> float:
    """Milliseconds of our variant as a CUDA graph: what is left when the host's time is taken away."""
    recorder, ours = CudaRecorder(), losses.variants_of(objective, inputs)["bands"]
    for _ in range(WARM_UPS):
        recorder.warm_up(ours)
    replay = recorder.capture(lambda: ours()[:1])
    return section.milliseconds({"replay": replay}, seconds=2)["replay"]


def _measure_loss(section: Section, objective: str, inputs: list, in_float64: list) -> dict[str, Any]:
    variants = losses.variants_of(objective, inputs)
    variants["ours"] = variants.pop("bands")
    truth = losses.variants_of(objective, in_float64)["plain"]()
    mine, again = variants["ours"](), variants["ours"]()
    pairs = list(zip(mine[1], truth[1], strict=True))
    value = (abs(mine[0].double() - truth[0]) / abs(truth[0])).item()
    gradient = max(((m - t).abs().max() / t.abs().max()).item() for m, t in pairs)
    value_bar, gradient_bar = FLOAT32_BARS[objective in losses.STRICT]
    if not (value <= value_bar and gradient <= gradient_bar):
        raise RuntimeError(f"not timed, for it is wrong: value {value:.1e} and gradient {gradient:.1e} off float64")
    return {
        "value_difference": value,
        "gradient_difference": gradient,
        "repeatable": all(torch.equal(a, b) for a, b in zip((mine[0], *mine[1]), (again[0], *again[1]), strict=True)),
        "milliseconds": section.milliseconds(variants, seconds=8),
        "extra_mib": {name: section.extra_mib(run) for name, run in variants.items()},
    }


def measure_steps(section: Section, modes: tuple[Mode, ...]) -> None:
    """Each mode: milliseconds of a step, images a second, peak memory, the losses of the first step."""
    sizes = ((48, 64), (32, 64)) if section.quick else ((720, 1280), (640, 1280))
    problem = Problem("streets" if section.quick else "resnet101", *sizes, section.device)
    made: dict[str, Callable] = {}
    for mode in modes:
        section.attempt(mode.name, lambda mode=mode: _measure_mode(section, mode, problem, made))
    # After all else: where a recording fails, torch's allocator may be of no more use to this process.
    for mode in modes if section.device.type == "cuda" else ():
        if mode.graph and mode.name in made:
            name = mode.name
            section.attempt(name + AS_GRAPH, lambda name=name: _measure_graph(section, made[name], problem))


def _measure_mode(section: Section, mode: Mode, problem: Problem, made: dict[str, Callable]) -> dict[str, Any]:
    """The figures of a mode, whose step is put into ``made``."""
    set_precision(mode.tf32)
    if section.device.type == "cuda":
        torch.cuda.empty_cache()
    started = time.monotonic()
    step, first = make_step(mode, problem, may_compile=section.device.type == "cuda")
    first["seconds_to_first_step"] = time.monotonic() - started
    if mode.graph:
        made[mode.name] = step
    return first | _measure_step(section, step if mode.reference else augmenting(step), problem)


def _measure_graph(section: Section, step: Callable, problem: Problem) -> dict[str, Any]:
    return _measure_step(section, augmenting(recorded(step)), problem)


def _measure_step(section: Section, step: Callable, problem: Problem) -> dict[str, Any]:
    on_gpu = section.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    batches = problem.batches()
    taken = section.milliseconds({"step": lambda: step(*next(batches))}, seconds=8)["step"]
    return {
        "milliseconds": taken,
        "images_per_second": 2000 / taken,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
    }


SECTIONS: dict[str, Callable[[Section], None]] = {
    "ceilings": measure_ceilings,
    "losses": measure_losses,
    "evaluation": measure_evaluation,
    "steps": lambda section: measure_steps(section, EAGER_MODES),
    "profile": measure_profile,
    "pack": measure_pack,
    "compiled": lambda section: measure_steps(section, COMPILED_MODES),
}


def run_section(name: str, quick: bool, seconds: float) -> dict[str, Any]:
    """The findings of a section in a process of its own; with an "error" if that did not end well."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, __file__, "--section", name, "--seconds", str(seconds), "--out", str(out)]
        child = subprocess.Popen([*command, *(["--quick"] if quick else [])])
        try:
            code = child.wait(seconds + GRACE_SECONDS)
            problem = {} if code == 0 else {"error": f"ended with exit code {code}"}
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            problem = {"error": f"stopped after {seconds:.0f} seconds"}
        found = json.loads(out.read_text()) if out.is_file() else {}
    return found | problem | {"seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    """All sections, or in a process of its own the one named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="where the figures go (JSON)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, also on a CPU")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="only these sections")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.section is not None:
        SECTIONS[arguments.section](Section(arguments.quick, arguments.seconds, arguments.out))
        return
    if not arguments.quick and not torch.cuda.is_available():
        raise SystemExit("no GPU is here; give --quick for a run at tiny sizes, or see benchmarks/losses.py")
    end = time.monotonic() + (QUICK_SECONDS * len(SECTIONS) if arguments.quick else TOTAL_SECONDS)
    results: dict[str, Any] = {
        "benchmark": "gpu",
        "quick": arguments.quick,
        "machine": machine(),
        "commit": commit(),
        "packages": packages() | {"cuda": torch.version.cuda},
        "sections": {},
    }
    for name in arguments.only:
        print(f"bench gpu: {name}", file=sys.stderr, flush=True)
        left, most = end - time.monotonic(), QUICK_SECONDS if arguments.quick else SECTION_SECONDS[name]
        found = run_section(name, arguments.quick, min(most, left)) if left > 10 else {"error": "no time"}
        results["sections"][name] = found
        write_json(arguments.out, results)
    print(gpu_tables.tables(results))


if __name__ == "__main__":
    main()
