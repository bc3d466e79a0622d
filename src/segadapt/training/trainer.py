"""The one loop for all methods.

One step, as the released code runs it (MaxSquareLoss ``tools/solve_gta5.py:train_one_epoch``): forward and backward
of every pass that the method names, in its order, then one optimiser step, or one after several steps where
``accumulate`` says so. Gradients add up; batch norm sees one pass
after the other. What else learns (discriminators, a teacher) does so in the method's own hands, before or after.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.core.events import EventFile
from segadapt.core.parameters.learning import Annealing
from segadapt.core.progress import LINE_SECONDS, progress_bar
from segadapt.core.stopping import at_saved_steps, stopped_after
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.loader import BatchSource, batches
from segadapt.methods import Method, Pass, Prediction, Step
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, to_input
from segadapt.models.compute import Compute
from segadapt.models.features import with_features
from segadapt.training.dropout import drawing, has_dropout
from segadapt.training.graphs import GraphedStep, Losses, Recorder
from segadapt.training.history import HISTORY_SO_FAR, History
from segadapt.training.optimiser import Optimiser
from segadapt.training.replicas import ALONE, Replica
from segadapt.training.schedule import learning_rate
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore


@dataclass(frozen=True)
class Loop:
    """The numbers of one training stage; see ``TrainingSettings`` for their meaning."""

    steps: int
    horizon: int
    learning_rate: float
    annealing: Annealing
    log_steps: int
    save_steps: int
    save_seconds: float
    loader_threads: int
    accumulate: int = 1


@dataclass(frozen=True)
class Trainer:
    """Everything one run needs. ``target`` is None for a run without target images.

    With a ``recorder`` steps are recorded and replayed, of a method that allows it. ``events`` gets the history, too.
    ``replica`` says which of several processes this is, whose batch sources have parts of each batch.
    """

    model: nn.Module
    method: Method
    optimiser: Optimiser
    loop: Loop
    source: BatchSource
    target: BatchSource | None
    batch_norm: BatchNormPolicy
    input_convention: str
    compute: Compute
    store: StateStore
    snapshots: Snapshots
    recorder: Recorder | None = None
    events: EventFile | None = None
    replica: Replica = ALONE

    def run(self, description: str) -> History:
        """Trains from the last saved state to the last step and returns the history.

        UserError at a loss that is not finite; the last good state stays in the store. Stopped at the next step that
        can be saved, which it then is, if the process is asked to stop.
        """
        history, start, train = self._begun()
        saved_step, saved_time = start, time.monotonic()
        shown_time = saved_time
        with at_saved_steps() as asked_to_stop, progress_bar(description, self.loop.steps, start, "step") as bar:
            for step, source, target in self._batches(start):
                rate = self._learning_rate(step)
                history.add(step, rate, *train(step, rate, source, target))
                done = step + 1
                last = done == self.loop.steps
                self.snapshots.take(done, self.model)
                if last or done % self.loop.log_steps == 0:
                    history.flush()
                    bar.set_postfix_str(history.latest(), refresh=False)
                    if time.monotonic() - shown_time >= LINE_SECONDS:
                        shown_time = time.monotonic()
                        history.write(self.store.folder / HISTORY_SO_FAR, lasting=False)
                    # Only here, just after the losses were found finite, and never between two logged rows or
                    # before the gradients that were added up have moved something.
                    late = time.monotonic() - saved_time >= self.loop.save_seconds
                    due = asked_to_stop() or late or done - saved_step >= self.loop.save_steps
                    if due and not last and self._updates(step):
                        self.store.save(done, self.model, self.method, self.optimiser, history)
                        saved_step, saved_time = done, time.monotonic()
                        if asked_to_stop():
                            raise stopped_after(f"step {done} of {self.loop.steps}")
                bar.update()
        self._require_finite_weights()
        self.snapshots.publish()
        return history

    def follow(self) -> None:
        """Trains as :meth:`run` does, in another process than the first, which alone keeps and says anything."""
        _, start, train = self._begun()
        for step, source, target in self._batches(start):
            train(step, self._learning_rate(step), source, target)

    def _begun(self) -> tuple[History, int, Callable[[int, float, Batch, Batch | None], Losses]]:
        history = History((*(f"loss_{column}" for column in self.method.columns), *self.method.measures), self.events)
        start = self.store.restore(self.model, self.method, self.optimiser, history, self.snapshots.are_whole)
        apply_batchnorm_policy(self.model, self.batch_norm, training=True)
        return history, start, self._trained_step()

    def _batches(self, start: int):
        threads, end = self.loop.loader_threads, self.loop.steps
        sources = map(self._on_device, batches(self.source, start, end, threads))
        if self.target is None:
            yield from ((step, batch, None) for step, batch in enumerate(sources, start))
            return
        targets = map(self._on_device, batches(self.target, start, end, threads))
        yield from ((step, *pair) for step, pair in enumerate(zip(sources, targets, strict=True), start))

    def _on_device(self, batch: Batch) -> Batch:
        return batch.on(self.compute.device).changed(self.replica.gathered)

    def _trained_step(self) -> Callable[[int, float, Batch, Batch | None], Losses]:
        """What trains at a step, given its number and learning rate."""
        if self.recorder is None:
            return self._step
        assert self.method.replays, "this method asks for the number of the step, which a recording cannot follow"
        assert not self._has_dropout, "so does dropout"
        graphed = GraphedStep(partial(self._step, 0), self.recorder)
        return lambda step, rate, source, target: graphed(rate, source, target)

    def _step(self, number: int, rate: float | Tensor, source: Batch, target: Batch | None) -> Losses:
        progress, own_rate = number / self.loop.horizon, partial(self._learning_rate, number)
        step = Step(number, progress, source, target, self.model, own_rate, partial(self._predict_whole, number))
        self.method.before(step)
        losses: dict[str, Tensor] = {}
        predictions: dict[str, tuple[Prediction, ...]] = {}
        for each in self.method.passes(step):
            # If nothing learns from it, only the batch-norm statistics move: no graph, and the result is the same.
            with torch.set_grad_enabled(each.learns):
                predictions[each.name] = self._forward(each, number)
                found = each.losses(*predictions[each.name])
                first, *others = found.values()
                total = sum(others, first)
            if total.requires_grad:
                (total if self.loop.accumulate == 1 else total / self.loop.accumulate).backward()
            losses |= found
        if self._updates(number):
            self.replica.sum_gradients(self.model.parameters())
            self.optimiser.step(rate)
            self.optimiser.zero_grad()
        losses |= self.method.after(step, predictions)
        self.replica.take_over(self.method.parameters())
        shown = ("source", "target", *self.method.columns, *self.method.measures)
        assert losses.keys() <= set(shown), f"losses {list(losses)} of a method that shows {shown}"
        return tuple(losses.get(column) for column in shown)

    def _updates(self, step: int) -> bool:
        return (step + 1) % self.loop.accumulate == 0

    def _learning_rate(self, step: int, base: float | None = None) -> float:
        base = self.loop.learning_rate if base is None else base
        return learning_rate(step, base, self.loop.horizon, self.loop.annealing)

    def _forward(self, each: Pass, number: int) -> tuple[Prediction, ...]:
        images = [batch.image_BHWC for batch in each.batches]
        image_BHWC = images[0] if len(images) == 1 else torch.cat(images)
        more = {name: self.replica.own(tensor_BX) for name, tensor_BX in each.more.items()}
        network = partial(self._network, **more) if more else self._network
        prediction = self._predict(each.name, number, network, image_BHWC)
        return prediction.split([len(each_BHWC) for each_BHWC in images])

    def _predict(
        self, name: str, number: int, network: Callable[[Tensor], tuple[Tensor, ...]], image_BHWC: Tensor
    ) -> Prediction:
        image_BHWC = self.replica.own(image_BHWC)
        image_BCHW = self.compute.layout(to_input(image_BHWC, self.input_convention, self.compute.device))
        key = (self.source.seed, name, number)
        draws = drawing(self.compute.device, *key) if self._has_dropout else nullcontext()
        with self.compute.autocast(), draws:
            return Prediction(*network(image_BCHW)).changed(self.replica.gathered)

    def _predict_whole(
        self, number: int, network: Callable[[Tensor], tuple[Tensor, ...]], image_BHWC: Tensor
    ) -> Prediction:
        return self._predict("other", number, getattr(network, "whole", network), image_BHWC)

    @cached_property
    def _has_dropout(self) -> bool:
        return has_dropout(self.model)

    @cached_property
    def _network(self) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return with_features(self.model) if self.method.reads_features else self.compute.forward_of(self.model)

    def _require_finite_weights(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise UserError(
                    f"the weights of {name} are not finite after the last step; lower learning_rate in the preset"
                )
