"""λ by loss-time: over a whole training a target loss pulls as hard as in another preset, however short the schedule.

A step moves the network by its learning rate times λ times the gradient of the target loss, so over a training the loss
has λ · S, where S, the training's time, is the sum of the learning rate over its steps. Under ``lambda_rule:
{name: loss_time, of: paper}`` a method's ``lambda_target`` is the λ of preset ``paper``, and

    λ trained with = λ · S(the same stage of ``paper``) / S(the method's own training).

S is that of ``learning_rate``, the backbone's. That heads learn at ``head_factor`` times it and that the protocol may
repeat updates is not counted; nor are momentum, batch size and the number of classes. The rule holds for the losses of
the paper's Eq. 3, 6 and 13, whose files say so by ``BY_LOSS_TIME``; the λ of discriminators, of ADVENT's entropy, of
self-training and of classifiers are trained as they are written.
"""

import math
from functools import cache

from segadapt.core.errors import UserError
from segadapt.core.parameters import MethodEntry, Parameters, Preset, Schedule, in_file, training_of
from segadapt.core.parameters.learning import Annealing
from segadapt.plan.methods import is_by_loss_time
from segadapt.training.schedule import learning_rate, scaled_rate

DIGITS = 6
"""Significant ones of a λ: the last bits of a sum of powers may differ between machines, and would remake models."""


def loss_time(training: Schedule) -> float:
    """The sum of the backbone's learning rate over all steps of a training."""
    return _loss_time(training.steps, scaled_rate(training), training.horizon, training.annealing)


@cache
def _loss_time(steps: int, base: float, horizon: int, annealing: Annealing) -> float:
    return math.fsum(learning_rate(step, base, horizon, annealing) for step in range(steps))


def lambda_by_rule(parameters: Parameters, preset: Preset, method: MethodEntry) -> float | None:
    """The λ that a method is trained with by the preset's rule; None where the rule does not hold.

    Args:
        parameters: Hold the preset that the rule names.
        preset: The active one, or that in a setting.
        method: An entry, or a cell of a sweep.

    Raises:
        UserError: if that preset does not train at this stage, or either learns by another optimiser or not at all.
    """
    rule, loss = preset.lambda_rule, method.target_loss
    if rule is None or loss is None or method.lambda_target == 0 or not is_by_loss_time(loss):
        return None
    stage, where = method.schedule, in_file(f"presets.{parameters.preset}.lambda_rule")
    ours, theirs = training_of(preset, method), getattr(parameters.presets[rule.of], stage)
    if theirs is None:
        raise UserError(
            f"{where}.of: preset {rule.of} has no {stage}, by which '{method.title}' is trained; add it there"
        )
    if ours.optimiser.name != theirs.optimiser.name:
        raise UserError(
            f"{where}: rates of {ours.optimiser.name} (this preset's {stage}) and {theirs.optimiser.name} (that of "
            f"{rule.of}) cannot be compared; use one optimiser, or drop lambda_rule and write the λ to train with"
        )
    times = {parameters.preset: loss_time(ours), rule.of: loss_time(theirs)}
    for name, time in times.items():
        if time == 0:
            raise UserError(f"{where}: the learning rate of {stage} in preset {name} is 0 at every step; raise it")
    return float(f"{method.lambda_target * times[rule.of] / times[parameters.preset]:.{DIGITS}g}")
