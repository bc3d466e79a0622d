"""A whole training step as one CUDA graph: recorded once and replayed, so that the host has next to nothing to do.

A graph repeats the same kernels on the same memory. So batches and the learning rate are copied into tensors that stay,
and the losses out of them; weights, running statistics and momentum are updated in place anyway.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.data.batches.batch import Batch
from segadapt.models.compute import Compute

Losses = tuple[Tensor | None, ...]
Step = Callable[[float | Tensor, Batch, Batch | None], Losses]
"""Trains once, at a learning rate, on a source and a target batch on the device; leaves no gradients behind."""

WARM_UPS = 3
"""Steps of training before a graph is recorded: momentum must exist, kernels be chosen and compiled."""


class Recorder(Protocol):
    """Who records what a call gives the device to do."""

    def warm_up(self, call: Callable[[], Losses]) -> Losses:
        """Runs ``call`` as it will be recorded."""

    def capture(self, call: Callable[[], Losses]) -> Callable[[], Losses]:
        """Records ``call`` without running it; each call of the result runs it and refills the tensors it returns."""


class CudaRecorder:
    """Records on the current CUDA device."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()

    def warm_up(self, call: Callable[[], Losses]) -> Losses:
        """On a stream of its own, which the default stream waits for: what libraries set up there, a graph can use."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            losses = call()
        torch.cuda.current_stream().wait_stream(self._stream)
        return losses

    def capture(self, call: Callable[[], Losses]) -> Callable[[], Losses]:
        """UserError if the call waits for the device, or does something else that a graph can't."""
        graph = torch.cuda.CUDAGraph()
        try:
            # Loader threads pin memory meanwhile, which would end a capture that watches all threads.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                # Without what autograd keeps of the step, which is over.
                losses = tuple(None if loss is None else loss.detach() for loss in call())
        except RuntimeError as error:
            # Ending the capture fails after whatever failed within it.
            cause = error.__context__ or error
            reason = next(iter(str(cause).splitlines()), type(cause).__name__)
            raise UserError(
                f"precision.cuda_graphs is true but a step of this run cannot be recorded ({reason}); "
                "set precision.cuda_graphs to false"
            ) from error

        def replay() -> Losses:
            graph.replay()
            return losses

        return replay


class GraphedStep:
    """A step that is recorded after ``WARM_UPS`` calls, each of which trains; called as the step itself.

    All batches must be of the sizes of the first.
    """

    def __init__(self, step: Step, recorder: Recorder) -> None:
        self._step, self._recorder = step, recorder
        self._calls = 0
        self._inputs: list[Tensor] = []
        self._run: Callable[[], Losses] | None = None

    def __call__(self, rate: float, source: Batch, target: Batch | None) -> Losses:
        """The losses of one more step."""
        if self._run is None:
            self._prepare(source, target)
        self._rate.fill_(rate)
        for kept, new in zip(self._inputs, _tensors(source, target), strict=True):
            assert kept.shape == new.shape, f"batches of {tuple(kept.shape)} and {tuple(new.shape)}"
            kept.copy_(new)
        if self._calls == WARM_UPS:
            self._run = self._recorder.capture(self._call)
        self._calls += 1
        # The next replay overwrites them.
        return tuple(None if loss is None else loss.detach().clone() for loss in self._run())

    def _prepare(self, source: Batch, target: Batch | None) -> None:
        source, target = source.copy(), target and target.copy()
        self._inputs = _tensors(source, target)
        # Single precision is what torch's fused SGD reads on a GPU.
        self._rate = torch.zeros((), device=source.image_BHWC.device)
        self._call = partial(self._step, self._rate, source, target)
        self._run = partial(self._recorder.warm_up, self._call)


def _tensors(*batches: Batch | None) -> list[Tensor]:
    pairs = ((batch.image_BHWC, batch.label_BHW) for batch in batches if batch is not None)
    return [each for pair in pairs for each in pair if each is not None]


def recorder_for(compute: Compute, method_replays: bool, has_dropout: bool = False) -> Recorder | None:
    """Who records the steps of a run; None for a run whose steps are given to the device kernel by kernel.

    Those on a CPU are, and those of a method that asks for the number of the step, which the host counts, or with
    dropout, whose generator is set on the host at every pass.
    """
    if not compute.cuda_graphs or compute.device.type != "cuda":
        return None
    if not method_replays or has_dropout:
        what = "networks with dropout" if method_replays else "methods with a step that changes as training goes on"
        print(f"precision.cuda_graphs: not for {what}; this run goes without", file=sys.stderr)
        return None
    return CudaRecorder()
