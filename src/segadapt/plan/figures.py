"""The figures that go with the tables of a preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segadapt.core.job import Job
from segadapt.core.parameters import MethodEntry
from segadapt.plan.rows import SOURCE, UNADAPTED, is_multi

if TYPE_CHECKING:
    from segadapt.plan.jobs import Planner

FOLDER = "results/figures"


def figures(planner: Planner, methods: dict[str, MethodEntry]) -> list[Job]:
    """Every figure of these methods; the unadapted source model stands beside them."""
    return [qualitative(planner, methods), curves(planner, methods)]


def qualitative(planner: Planner, methods: dict[str, MethodEntry]) -> Job:
    """Target images with the predictions of the first seed's models: unadapted, then each method of ours."""
    shown = {"source_only": (SOURCE, UNADAPTED["source_only"]["title"], False)}
    shown |= {key: (key, each.title, is_multi(each)) for key, each in methods.items() if each.origin == "ours"}
    seed, preset = planner.parameters.seeds[0], planner.preset
    inputs = {f"model/{key}": planner.model(name, seed) for key, (name, _, _) in shown.items()}
    inputs |= {"source": planner.cache(preset.pretrain.source), "labelled": planner.cache(preset.evaluate_on)}
    config = {
        "models": {key: {"title": title, **planner.network(multi)} for key, (_, title, multi) in shown.items()},
        "images": list(preset.figure_rows),
    }
    return _figure(planner, "figure", "qualitative", {"picture": "qualitative.png"}, inputs, config)


def curves(planner: Planner, methods: dict[str, MethodEntry]) -> Job:
    """Losses and mIoU along the adaptation of every method and seed."""
    seeds = planner.parameters.seeds
    inputs = planner.row_metrics(("source_only", *methods))
    rows = []
    for key, method in methods.items():
        training = planner.preset.refine if is_multi(method) else planner.preset.adapt
        for seed in seeds:
            inputs[f"history/{key}/{seed}"] = planner.model(key, seed).replace("model.safetensors", "history.csv")
        # A method with guidance starts from another source model, which no table scores.
        rows.append({"key": key, "title": method.title, "steps": training.steps, "from_source": not is_multi(method)})
    config = {
        "rows": rows,
        "seeds": list(seeds),
        "evaluation_size": planner.parameters.active_protocol.evaluation_size,
        "data_note": planner.preset.data_note,
    }
    return _figure(planner, "curves", "curves", {"picture": "curves.png", "data": "curves.csv"}, inputs, config)


def _figure(
    planner: Planner, stage: str, name: str, files: dict[str, str], inputs: dict[str, str], config: dict[str, Any]
) -> Job:
    provenance = f"{FOLDER}/{name}.provenance.json"
    return planner.job(stage, f"figure/{name}", FOLDER, files, provenance=provenance, inputs=inputs, config=config)
