"""Jobs that score models on labelled target images, and without labels on those that it was adapted to."""

from segadapt.core.job import Input, Job
from segadapt.core.parameters import MethodEntry
from segadapt.core.parameters.root import ORACLE
from segadapt.plan.planner import Planner


def evaluate(planner: Planner, name: str, seed: int) -> Job:
    """Scores a source model or a method, with the models on its way, or an ensemble of methods."""
    settings = planner.preset.evaluation
    labelled = planner.evaluation_cache(planner.is_refined(name))
    members = _members(planner, name)
    inputs = [Input("model", planner.model(each, seed)) for each in members]
    inputs.append(Input("labelled", planner.cache(labelled)))
    auxiliary = [planner.has_auxiliary_head(each) for each in members]
    test_time = {"flip": settings.flip, "heads": settings.heads and all(auxiliary)}
    config = planner.network(auxiliary[0]) | {"test_time": test_time}
    if (classes := planner.scored_classes(name)) != planner.preset.model.classes:
        config["labels"] = {"classes": classes}
    if len(auxiliary) > 1:
        config |= {"auxiliary_of_members": auxiliary, "ensemble_average": planner.methods[name].ensemble_average}
    # The oracle is no candidate of a choice without labels: it was trained with them.
    if name != ORACLE:
        inputs.append(Input("target", planner.cache(_target(planner, name))))
        config |= {"last_step": _last_step(planner, name), "label_free_images": settings.label_free_images}
    subject = {"model": f"{planner.prefix}{name}", "seed": seed}
    return planner.job("evaluate", subject, inputs=inputs, config=config, snapshots=_snapshots(planner, name))


def _members(planner: Planner, name: str) -> tuple[str, ...]:
    """The models that are scored as one: an ensemble's, else the one of that name."""
    method = planner.methods.get(name)
    return method.ensemble if method is not None and method.ensemble else (name,)


def _snapshots(planner: Planner, name: str) -> tuple[int, ...]:
    """The steps of the models on the way to a single one; members of an ensemble meet at the last step."""
    method = planner.methods.get(name)
    return () if method is None or method.ensemble else planner.training(method).snapshot_steps


def _methods(planner: Planner, name: str) -> list[MethodEntry]:
    return [planner.methods[each] for each in _members(planner, name) if each in planner.methods]


def _target(planner: Planner, name: str) -> str:
    """The cache of target training images; those of ``adapt`` for a source model."""
    return next((planner.training(each).target for each in _methods(planner, name)), planner.preset.adapt.target)


def _last_step(planner: Planner, name: str) -> int:
    """For how many steps a model was trained, over all rounds; an ensemble's is its longest trained member's."""
    steps = [
        planner.training(each).steps * (each.self_training.rounds if each.self_training else 1)
        for each in _methods(planner, name)
    ]
    return max(steps, default=planner.preset.pretrain.steps)
