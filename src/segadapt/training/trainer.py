"""The one loop for all methods.

One step, as the released code runs it (MaxSquareLoss ``tools/solve_gta5.py:train_one_epoch``): source
forward and backward, target forward and backward, one optimiser step. Gradients add up; batch norm sees
the source batch first, then the target batch.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.core.progress import progress_bar
from segadapt.data.loader import Batch, BatchSource, batches
from segadapt.losses import cross_entropy
from segadapt.methods import Objective, Prediction
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, to_input
from segadapt.training.compute import Compute
from segadapt.training.history import History
from segadapt.training.optimiser import RepeatedSGD
from segadapt.training.schedule import poly_learning_rate
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore


@dataclass(frozen=True)
class Loop:
    """The numbers of one training stage; see ``TrainingSettings`` for their meaning."""

    steps: int
    horizon: int
    learning_rate: float
    power: float
    auxiliary_weight: float
    lambda_target: float
    log_steps: int
    save_steps: int
    save_seconds: float
    loader_threads: int


@dataclass(frozen=True)
class Trainer:
    """Everything one run needs. ``target`` and ``objective`` are None for a run without target images."""

    model: nn.Module
    optimiser: RepeatedSGD
    loop: Loop
    source: BatchSource
    target: BatchSource | None
    objective: Objective | None
    batch_norm: BatchNormPolicy
    input_convention: str
    compute: Compute
    store: StateStore
    snapshots: Snapshots

    def run(self, description: str) -> History:
        """Trains from the last saved state to the last step and returns the history.

        UserError at a loss that is not finite; the last good state stays in the store.
        """
        history = History()
        start = self.store.restore(self.model, self.optimiser, history)
        apply_batchnorm_policy(self.model, self.batch_norm, training=True)
        saved_step, saved_time = start, time.monotonic()
        with progress_bar(description, self.loop.steps, start, "step") as bar:
            for step, source, target in self._batches(start):
                self._step(step, source, target, history)
                bar.update()
                done = step + 1
                last = done == self.loop.steps
                self.snapshots.take(done, self.model)
                if last or done % self.loop.log_steps == 0:
                    history.flush()
                    # Only here, just after the losses were found finite, and never between two logged rows.
                    late = time.monotonic() - saved_time >= self.loop.save_seconds
                    if not last and (late or done - saved_step >= self.loop.save_steps):
                        self.store.save(done, self.model, self.optimiser, history)
                        saved_step, saved_time = done, time.monotonic()
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

    def _step(self, step: int, source: Batch, target: Batch | None, history: History) -> None:
        learning_rate = poly_learning_rate(step, self.loop.learning_rate, self.loop.horizon, self.loop.power)
        source_loss = self._source_loss(source)
        source_loss.backward()
        target_loss = None if target is None else self._target_loss(target)
        if target_loss is not None and target_loss.requires_grad:
            target_loss.backward()
        self.optimiser.step(learning_rate)
        self.optimiser.zero_grad()
        history.add(step, learning_rate, source_loss, target_loss)

    def _source_loss(self, batch: Batch) -> Tensor:
        prediction = self._forward(batch)
        label_BHW = batch.label_BHW.to(self.compute.device, non_blocking=True)
        size = tuple(label_BHW.shape[1:])
        loss = cross_entropy(prediction.logits_final_BCHW, label_BHW, size)
        if prediction.logits_low_BCHW is not None:
            loss = loss + self.loop.auxiliary_weight * cross_entropy(prediction.logits_low_BCHW, label_BHW, size)
        return loss

    def _target_loss(self, batch: Batch) -> Tensor:
        # With λ = 0 only the batch-norm statistics move: no graph is needed, and the result is the same.
        learns = self.loop.lambda_target > 0
        with torch.set_grad_enabled(learns):
            prediction = self._forward(batch)
            size = tuple(batch.image_BHWC.shape[1:3])
            # Only self-training's target batches carry labels, made by the model of the round before.
            labels = [] if batch.label_BHW is None else [batch.label_BHW.to(self.compute.device, non_blocking=True)]
            return self.loop.lambda_target * self.objective(prediction, size, *labels)

    def _forward(self, batch: Batch) -> Prediction:
        image_BCHW = self.compute.layout(to_input(batch.image_BHWC, self.input_convention, self.compute.device))
        with self.compute.autocast():
            final, low = self.model(image_BCHW)
        return Prediction(final, low)

    def _require_finite_weights(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise UserError(
                    f"the weights of {name} are not finite after the last step; lower learning_rate in params.yaml"
                )
