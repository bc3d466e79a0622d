"""One card for several runs: our bf16 step in one, two and three processes at once, for ``gpu.py``.

All processes are started first and kept, ready to train and idle; then the first of them trains for some seconds, then
the first two, then all, so that nobody's start-up falls into what is measured. A process ends when its input does, so
it does not outlive the one that started it.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from gpu_steps import EAGER_MODES, Problem, augmenting, make_step, set_precision

PROCESSES, SECONDS = 3, 8.0
WARM_UPS, AHEAD = 10, 8
"""Steps before anything is measured, and by how many the host may be ahead of the device."""

IMAGES_A_STEP = 2


def measure_pack(section: Any) -> None:
    """For each number of processes: images a second of all together, milliseconds a step and peak memory of each."""
    section.attempt("processes", lambda: _measured(section.quick, section.note))


def _measured(quick: bool, note: Callable[..., None]) -> int:
    """How many processes there were at most; notes what each number of them did as soon as it is known."""
    command = [sys.executable, __file__, *(["--quick"] if quick else [])]
    most, seconds = (2, 0.2) if quick else (PROCESSES, SECONDS)
    children: list[subprocess.Popen] = []
    try:
        for _ in range(most):
            # One after the other: they choose their convolutions by timing them.
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            _answer(children[-1])
        for count in range(1, most + 1):
            for child in children[:count]:
                print(seconds, file=child.stdin, flush=True)
            answers = [_answer(child) for child in children[:count]]
            note(**{str(count): _together(answers)})
    finally:
        for child in children:
            with contextlib.suppress(BrokenPipeError):  # one that has died before it read all
                child.stdin.close()
        for child in children:
            child.wait()
    return most


def _answer(child: subprocess.Popen) -> dict[str, Any]:
    line = child.stdout.readline()
    if not line:
        raise RuntimeError(f"a process ended with exit code {child.wait()}")
    return json.loads(line)


def _together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "images_per_second": sum(IMAGES_A_STEP * each["steps"] / each["seconds"] for each in answers),
        "milliseconds": [1e3 * each["seconds"] / each["steps"] for each in answers],
        "peak_gib": [each["peak_gib"] for each in answers],
    }


def train(step: Callable, problem: Problem, seconds: float) -> dict[str, Any]:
    """Steps for about ``seconds``, and how many and how long they were; waits for the last."""
    on_gpu = problem.device.type == "cuda"
    batches, waiting = problem.batches(), []
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step(*next(batches))
        steps += 1
        if on_gpu:
            waiting.append(torch.cuda.Event())
            waiting[-1].record()
            if len(waiting) > AHEAD:
                waiting.pop(0).synchronize()
    if on_gpu:
        torch.cuda.synchronize()
    peak_gib = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None
    return {"steps": steps, "seconds": time.perf_counter() - start, "peak_gib": peak_gib}


def main(quick: bool) -> None:
    """Makes ready, says so, and trains for as many seconds as each line of the input says."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backbone, *sizes = ("streets", (48, 64), (32, 64)) if quick else ("resnet101", (720, 1280), (640, 1280))
    mode = next(mode for mode in EAGER_MODES if mode.bf16)
    set_precision(mode.tf32)
    problem = Problem(backbone, *sizes, device)
    step = augmenting(make_step(mode, problem)[0])
    batches = problem.batches()
    for _ in range(1 if quick else WARM_UPS):
        step(*next(batches))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(train(step, problem, float(line))), flush=True)


if __name__ == "__main__":
    main("--quick" in sys.argv)
