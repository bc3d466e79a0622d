"""Jobs that score models on labelled target images."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.plan.planner import Planner
from segadapt.plan.rows import snapshot_files


def evaluate(planner: Planner, name: str, seed: int) -> Job:
    """Scores a source model or a method, with the models on its way."""
    auxiliary, settings = planner.has_auxiliary_head(name), planner.preset.evaluation
    labelled = planner.evaluation_cache(planner.is_refined(name))
    inputs = {"model": planner.model(name, seed), "labelled": planner.cache(labelled)}
    habits = {"flip": settings.flip, "heads": settings.heads and auxiliary}
    config = planner.network(auxiliary) | {"habits": habits}
    method = planner.methods.get(name)
    training = None if method is None else planner.training(method)
    if training is not None and training.snapshots:
        folder = Path(inputs["model"]).parent
        inputs |= {role: str(folder / file) for role, file in snapshot_files(training).items()}
        inputs["target"] = planner.cache(training.target)
        config |= {"last_step": training.steps, "label_free_images": settings.label_free_images}
    return planner.job(
        "evaluate", f"evaluate/{planner.prefix}{name}/seed{seed}", planner.metrics_folder(name, seed),
        {"metrics": "metrics.json", "confusion": "confusion.safetensors"}, inputs=inputs, config=config,
    )  # fmt: skip
