"""Scores a model on a labelled cache in every scoring mode, and the models on its way."""

from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.progress import progress_bar
from segadapt.core.provenance import read_provenance
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import metrics
from segadapt.evaluation.cached import score_weights
from segadapt.evaluation.ensembles import combined_record
from segadapt.labels import CLASS_SETS
from segadapt.models.compute import set_up_compute
from segadapt.stages.runner import main

PRIMARY_ONLY = {"flip": False, "heads": False}


def score(job: Job, scratch: Path) -> None:
    """From a model (or those of an ensemble) and its snapshots to ``confusion.safetensors`` and ``metrics.json``."""
    config, snapshots = job.config, job.snapshot_paths()
    models, makers = zip(*((Path(each.path), Path(each.maker)) for each in job.read("model")), strict=True)
    compute = set_up_compute(config["precision"], config["cpu_threads"])
    classes = config["model"]["classes"]
    caches = {"labelled": PackedCache(Path(job.input("labelled")), classes)}
    if job.read("target"):
        caches["target"] = PackedCache(Path(job.input("target")))
    label_free = {}
    with progress_bar(job.name, len(caches["labelled"]) * (1 + len(snapshots)), unit="image") as bar:
        evaluation, last = score_weights(models, config, compute, caches, config["test_time"], bar.update)
        for step, path in snapshots.items():
            snapshot, label_free[step] = score_weights(
                [path], config, compute, caches, PRIMARY_ONLY, bar.update, measures=False
            )
            evaluation = evaluation.with_step(step, snapshot)
    if last is not None:
        label_free[None] = last
    evaluation.save(Path(job.outputs["confusion"]))
    made_by = combined_record([read_provenance(each) or {} for each in makers])
    label_set = CLASS_SETS[config["labels"]["classes"]] if "labels" in config else None
    numbers = metrics(evaluation, CLASS_SETS[classes], made_by, label_free, config.get("last_step"), label_set)
    write_json(Path(job.outputs["metrics"]), numbers)


if __name__ == "__main__":
    main(score)
