"""The one loop for all methods.

One step, as the released code runs it (MaxSquareLoss ``tools/solve_gta5.py:train_one_epoch``): source
forward and backward, target forward and backward, one optimiser step. Gradients add up; batch norm sees
the source batch first, then the target batch. An adversary learns from the same two predictions last.

Classifiers are trained on joint batches: one pass over both domains' images, one backward of all losses together.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.core.parameters.learning import Annealing
from segadapt.core.progress import progress_bar
from segadapt.core.stopping import at_saved_steps, stopped_after
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.loader import BatchSource, batches
from segadapt.losses import cross_entropy
from segadapt.methods import AnyAdversary, Objective, Prediction
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, to_input
from segadapt.models.compute import Compute
from segadapt.training.dropout import drawing, has_dropout
from segadapt.training.graphs import GraphedStep, Losses, Recorder
from segadapt.training.history import History
from segadapt.training.optimiser import Optimiser
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
    auxiliary_weight: float
    lambda_target: float
    log_steps: int
    save_steps: int
    save_seconds: float
    loader_threads: int
    joint_batch: bool = False


@dataclass(frozen=True)
class Trainer:
    """Everything one run needs. ``target`` is None for a run without target images.

    With them comes an ``objective``, an ``adversary`` or both; on joint batches the adversary is one of features, whose
    parameters the ``optimiser`` holds too. With a ``recorder``, which goes without an adversary, steps are recorded and
    replayed.
    """

    model: nn.Module
    optimiser: Optimiser
    loop: Loop
    source: BatchSource
    target: BatchSource | None
    objective: Objective | None
    batch_norm: BatchNormPolicy
    input_convention: str
    compute: Compute
    store: StateStore
    snapshots: Snapshots
    adversary: AnyAdversary | None = None
    recorder: Recorder | None = None

    def run(self, description: str) -> History:
        """Trains from the last saved state to the last step and returns the history.

        UserError at a loss that is not finite; the last good state stays in the store. Stopped at the next step that
        can be saved, which it then is, if the process is asked to stop.
        """
        history = History(() if self.adversary is None else self.adversary.columns)
        start = self.store.restore(self.model, self.optimiser, history, self.adversary, self.snapshots.are_whole)
        apply_batchnorm_policy(self.model, self.batch_norm, training=True)
        train, device = self._trained_step(), self.compute.device
        saved_step, saved_time = start, time.monotonic()
        with at_saved_steps() as asked_to_stop, progress_bar(description, self.loop.steps, start, "step") as bar:
            for step, source, target in self._batches(start):
                rate = self._learning_rate(step, self.loop.learning_rate)
                history.add(step, rate, *train(step, rate, source.on(device), target and target.on(device)))
                bar.update()
                done = step + 1
                last = done == self.loop.steps
                self.snapshots.take(done, self.model)
                if last or done % self.loop.log_steps == 0:
                    history.flush()
                    # Only here, just after the losses were found finite, and never between two logged rows.
                    late = time.monotonic() - saved_time >= self.loop.save_seconds
                    if not last and (asked_to_stop() or late or done - saved_step >= self.loop.save_steps):
                        self.store.save(done, self.model, self.optimiser, history, self.adversary)
                        saved_step, saved_time = done, time.monotonic()
                        if asked_to_stop():
                            raise stopped_after(f"step {done} of {self.loop.steps}")
        self._require_finite_weights()
        self.snapshots.publish()
        return history

    def _batches(self, start: int):
        threads, end = self.loop.loader_threads, self.loop.steps
        sources = batches(self.source, start, end, threads)
        if self.target is None:
            yield from ((step, batch, None) for step, batch in enumerate(sources, start))
            return
        targets = batches(self.target, start, end, threads)
        yield from ((step, *pair) for step, pair in enumerate(zip(sources, targets, strict=True), start))

    def _trained_step(self) -> Callable[[int, float, Batch, Batch | None], Losses]:
        """What trains at a step, given its number and learning rate."""
        one_step = self._joint_step if self.loop.joint_batch and self.target is not None else self._step
        if self.recorder is None:
            return one_step
        assert self.adversary is None, "an adversary needs the number of the step, which a recording cannot follow"
        assert not self._has_dropout, "so does dropout"
        graphed = GraphedStep(partial(one_step, 0), self.recorder)
        return lambda step, rate, source, target: graphed(rate, source, target)

    def _step(self, step: int, rate: float | Tensor, source: Batch, target: Batch | None) -> Losses:
        prediction_source = self._forward(source.image_BHWC, "source", step)
        loss_source = self._source_loss(prediction_source, source)
        loss_source.backward()
        losses = (loss_source, None)
        if target is not None:
            # If nothing learns from them, only the batch-norm statistics move: no graph, and the result is the same.
            with torch.set_grad_enabled(self.loop.lambda_target > 0 or self.adversary is not None):
                prediction_target = self._forward(target.image_BHWC, "target", step)
                loss_target = self._target_loss(prediction_target, target)
            if loss_target.requires_grad:
                loss_target.backward()
            losses = (loss_source, loss_target)
        if self.adversary is not None:
            its_rate = self._learning_rate(step, self.adversary.learning_rate)
            losses += self.adversary.learn(prediction_source, source.size, prediction_target, target.size, its_rate)
        self._update(rate)
        return losses

    def _joint_step(self, step: int, rate: float | Tensor, source: Batch, target: Batch) -> Losses:
        both = self._forward(torch.cat([source.image_BHWC, target.image_BHWC]), "joint", step)
        prediction_source, prediction_target = both.split(len(source.image_BHWC))
        losses = [self._source_loss(prediction_source, source)]
        losses.append(self._objective_loss(prediction_target, target) if self.objective else losses[0].new_zeros(()))
        total, shown = losses[0] + losses[1], losses
        if self.adversary is not None:
            loss, seen = self.adversary.loss(prediction_source, prediction_target, step / self.loop.horizon)
            total, shown = total + loss, [*losses, seen]
        total.backward()
        self._update(rate)
        return tuple(shown)

    def _update(self, rate: float | Tensor) -> None:
        self.optimiser.step(rate)
        self.optimiser.zero_grad()

    def _learning_rate(self, step: int, base: float) -> float:
        return learning_rate(step, base, self.loop.horizon, self.loop.annealing)

    def _source_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        loss = cross_entropy(prediction.logits_final_BCHW, batch.label_BHW, batch.size)
        if prediction.logits_low_BCHW is not None:
            low = cross_entropy(prediction.logits_low_BCHW, batch.label_BHW, batch.size)
            loss = loss + self.loop.auxiliary_weight * low
        return loss

    def _target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        parts = [self._objective_loss(prediction, batch)] if self.objective is not None else []
        if self.adversary is not None:
            parts.append(self.adversary.generator_loss(prediction, batch.size))
        return sum(parts[1:], parts[0])

    def _objective_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        # Only self-training's target batches carry labels, made by the model of the round before.
        labels = [] if batch.label_BHW is None else [batch.label_BHW]
        return self.loop.lambda_target * self.objective(prediction, batch.size, *labels)

    def _forward(self, image_BHWC: Tensor, name: str, step: int) -> Prediction:
        image_BCHW = self.compute.layout(to_input(image_BHWC, self.input_convention, self.compute.device))
        key = (self.source.seed, name, step)
        draws = drawing(self.compute.device, *key) if self._has_dropout else nullcontext()
        with self.compute.autocast(), draws:
            return Prediction(*self._network(image_BCHW))

    @cached_property
    def _has_dropout(self) -> bool:
        return has_dropout(self.model)

    @cached_property
    def _network(self) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return self.compute.forward_of(self.model)

    def _require_finite_weights(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise UserError(
                    f"the weights of {name} are not finite after the last step; lower learning_rate in the preset"
                )
