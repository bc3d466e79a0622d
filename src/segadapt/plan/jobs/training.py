"""Jobs that train: source models, and every method from one of them or from the initial weights."""

from typing import Any

from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.parameters import MethodEntry, Schedule, in_file
from segadapt.core.parameters.root import ORACLE
from segadapt.plan.jobs.static import static_input
from segadapt.plan.loss_time import lambda_by_rule
from segadapt.plan.methods import (
    check_features,
    check_mixing,
    check_processes,
    checked_options,
    needs_features,
    sees_target,
)
from segadapt.plan.planner import Planner
from segadapt.plan.rows import JOINT, SOURCE, SOURCE_MULTI

METHOD_ELSEWHERE = {
    "title", "origin", "paper_row", "start", "ensemble", "ensemble_average", "auxiliary", "batch_norm", "aspp_branches",
    "training", "self_training",
}  # fmt: skip
"""Keys of a method's entry that its training does not read, or finds among its inputs and in its network."""
PROTOCOL_SWITCHES = {"normalisation", "max_squares_half", "image_weight_half", "image_weight_index", "guidance_mask"}
"""Switches of a protocol that target losses read."""
DISCRIMINATORS_SWITCHES = {"adam_epsilon"}
"""Those that discriminators with an optimiser of their own read."""
RECORDS = ("compile", "cuda_graphs")
"""Switches of the precision under which a step is not run operation by operation."""


def pretrain(planner: Planner, model: str, seed: int) -> Job:
    """Trains a source model, or the oracle, which is one on target labels."""
    settings = planner.preset.oracle if model == ORACLE else planner.preset.pretrain
    inputs = [Input("source", planner.cache(settings.source)), *initial_weights(planner)]
    return training(planner, "pretrain", model, seed, settings, inputs, auxiliary=model == SOURCE_MULTI)


def adapt(planner: Planner, name: str, method: MethodEntry, seed: int) -> Job:
    """Trains a method: stage ``adapt``, ``refine`` or ``joint``."""
    stage, settings, auxiliary = method.stage, planner.training(method), method.needs_auxiliary_head
    caches = planner.preset.caches
    sizes = caches[settings.source].size, caches[settings.target].size
    check_mixing(name, method, settings, sizes)
    check_features(name, method, settings, sizes[0], planner.preset.model)
    source_model = Input("model", planner.model(SOURCE_MULTI if auxiliary else SOURCE, seed))
    inputs = [] if stage == JOINT else [source_model]
    if stage == JOINT or needs_features(method.target_loss, method.options):
        inputs += initial_weights(planner)
    inputs.append(Input("source", planner.cache(settings.source)))
    if sees_target(method):
        inputs += [Input("target", planner.cache(settings.target)), *static_input(planner, name, method)]
    return training(planner, stage, name, seed, settings, inputs, auxiliary=auxiliary, method=method)


def method_config(name: str, method: MethodEntry) -> dict[str, Any]:
    """What a job is told of a method's entry, its options in full; UserError for one that its file does not know."""
    return method.model_dump(exclude=METHOD_ELSEWHERE) | {"options": checked_options(name, method)}


def initial_weights(planner: Planner) -> list[Input]:
    """Those of the preset, if it names any."""
    weights = planner.preset.model.initial_weights
    return [] if weights is None else [Input("initial_weights", weights)]


def training(
    planner: Planner, stage: str, model: str, seed: int, settings: Schedule, inputs: list[Input], *,
    auxiliary: bool, method: MethodEntry | None = None, more: dict[str, Any] | None = None,
) -> Job:  # fmt: skip
    """The frame of every training job; ``more`` is laid over its configuration."""
    check_processes(model, method and method.target_loss, settings.processes)
    for key in RECORDS if settings.processes > 1 else ():
        if getattr(planner.preset.precision, key):
            where = in_file(f"{planner.parameters.place_of(planner.setting.name)}.precision.{key}")
            raise UserError(
                f"{where}: nobody has tried it with the {settings.processes} processes of {stage}; set it to false, or "
                "processes to 1"
            )
    config = planner.network(auxiliary) | {
        "seed": seed,
        "training": settings.model_dump(exclude={"source", "target", "later", "static"}),
        "repeated_updates": planner.protocol.repeated_updates,
    }
    if method is not None:
        # DANN's discriminator learns with the network's optimiser.
        own = method.adversarial is not None and method.adversarial.name != "dann"
        read = PROTOCOL_SWITCHES | (DISCRIMINATORS_SWITCHES if own else set())
        config |= {
            "method": method_config(model, method),
            "protocol": planner.protocol.model_dump(include=read),
        }
        by_rule = lambda_by_rule(planner.parameters, planner.preset, method)
        if by_rule is not None:
            config["lambda_rule"] = planner.preset.lambda_rule.model_dump() | {"lambda_target": method.lambda_target}
            config["method"]["lambda_target"] = by_rule
        if method.batch_norm is not None:
            config["model"]["batch_norm"] = method.batch_norm.model_dump()
    return planner.job(
        stage, {"model": planner.model_name(model), "seed": seed}, inputs=inputs, config=config | (more or {}),
        snapshots=settings.snapshot_steps,
    )  # fmt: skip
