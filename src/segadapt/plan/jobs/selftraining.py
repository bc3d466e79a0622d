"""Jobs of self-training: a spatial prior, and the pseudo-labels and the training of every round."""

from segadapt.core.job import Input, Job
from segadapt.core.parameters import SelfTrainingSettings
from segadapt.plan.jobs.training import training
from segadapt.plan.planner import Planner
from segadapt.plan.rows import SOURCE, round_name


def self_training(planner: Planner, name: str, seed: int) -> list[Job]:
    """All rounds of a method, upstream first; the prior, if there is one, is the same job for every seed.

    A job's configuration holds the numbers of its own round alone: one that changes with a later round remakes the
    rounds from there on.
    """
    settings = planner.methods[name].self_training
    jobs = [_prior(planner, name, settings)] if settings.spatial_prior else []
    for number in range(1, settings.rounds + 1):
        before = planner.model(SOURCE if number == 1 else round_name(name, number - 1), seed)
        jobs.append(_pseudo_label(planner, name, number, seed, before))
        jobs.append(_self_train(planner, name, number, seed, before))
    return jobs


def _prior(planner: Planner, name: str, settings: SelfTrainingSettings) -> Job:
    return planner.job(
        "prior", {"model": f"{planner.prefix}{name}"},
        inputs=[Input("source", planner.cache(planner.training(planner.methods[name]).source))],
        config={"blur": settings.prior_blur} | planner.definitions([planner.preset.model.classes]),
    )  # fmt: skip


def _pseudo_label(planner: Planner, name: str, number: int, seed: int, before: str) -> Job:
    settings, target = planner.methods[name].self_training, planner.training(planner.methods[name]).target
    inputs = [Input("model", before), Input("target", planner.cache(target))]
    if settings.spatial_prior:
        inputs.append(Input("prior", planner.path("prior", "prior", model=f"{planner.prefix}{name}")))
    selection = {"selection": settings.selection, "portion": settings.portion_of(number), "stride": settings.stride}
    return planner.job(
        "pseudo_label", {"model": planner.model_name(round_name(name, number)), "seed": seed},
        inputs=inputs,
        config=planner.network(auxiliary=False) | {"flip": settings.flip, "selection": selection},
    )  # fmt: skip


def _self_train(planner: Planner, name: str, number: int, seed: int, before: str) -> Job:
    method = planner.methods[name]
    settings, schedule = method.self_training, planner.training(method, number)
    round_model = planner.model_name(round_name(name, number))
    inputs = [
        Input("model", before),
        Input("source", planner.cache(schedule.source)),
        Input("target", planner.cache(schedule.target)),
        Input("labels", planner.path("pseudo_label", "manifest", model=round_model, seed=seed)),
        Input("selection", planner.path("pseudo_label", "selection", model=round_model, seed=seed)),
    ]
    of_round = {"number": number, "source_share": settings.source_share_of(number), "mining": settings.mining}
    if settings.source_redraw:
        of_round["source_redraw"] = True
    return training(
        planner, "self_train", round_name(name, number), seed, schedule, inputs,
        auxiliary=False, method=method, more={"round": of_round},
    )  # fmt: skip
