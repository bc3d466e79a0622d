"""The figures that go with the tables of a preset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segadapt.core.job import Job
from segadapt.core.parameters import MethodEntry
from segadapt.plan.paper_figures import figure1, figure2, figure4
from segadapt.plan.rows import SOURCE, UNADAPTED, is_multi, look, training_section

if TYPE_CHECKING:
    from segadapt.plan.jobs import Planner


def figures(planner: Planner, rows: set[str], methods: dict[str, MethodEntry]) -> list[Job]:
    """Every figure of the tables that have these rows; the unadapted source model stands beside these methods."""
    jobs = [figure1(planner)]
    jobs += [classes_of(planner, name) for name in planner.parameters.experiments]
    if "source_only" in rows:
        jobs += [figure2(planner, methods), figure4(planner, methods)]
        jobs += [qualitative(planner, methods), curves(planner, methods)] if methods else []
    return jobs


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
    return planner.figure("figure", "qualitative", inputs, config, {"picture": "png"})


def curves(planner: Planner, methods: dict[str, MethodEntry]) -> Job:
    """Losses and mIoU along the adaptation of every method and seed."""
    seeds = planner.parameters.seeds
    inputs = planner.row_metrics(("source_only", *methods))
    rows = []
    for key, method in methods.items():
        for seed in seeds:
            inputs[f"history/{key}/{seed}"] = planner.model(key, seed).replace("model.safetensors", "history.csv")
        # What does not start from the single-level source model starts from one that no table scores.
        about = {"key": key, "title": method.title, "look": look(key, planner.parameters.methods)}
        from_source = training_section(method) == "adapt"
        rows.append(about | {"steps": planner.training(method).steps, "from_source": from_source})
    config = planner.about_figure() | {"rows": rows, "seeds": list(seeds)}
    return planner.figure("curves", "curves", inputs, config)


def classes_of(planner: Planner, table: str) -> Job:
    """IoU of every class, for the rows of one table."""
    keys = planner.parameters.experiments[table].rows
    methods, rows = planner.parameters.methods, []
    for key in keys:
        about = planner.row(key)
        rows.append({"key": key, "title": about["title"], "origin": about["origin"], "look": look(key, methods)})
    config = planner.about_figure() | {
        "rows": rows,
        "seeds": list(planner.parameters.seeds),
        "classes": planner.preset.model.classes,
    }
    return planner.figure("bars", f"{table}_classes", planner.row_metrics(keys), config)
