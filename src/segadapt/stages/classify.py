"""Scores a classifier, and the models on its way, on all images of a domain."""

from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job, snapshot_paths
from segadapt.core.parameters import width_height
from segadapt.core.progress import progress_bar
from segadapt.core.provenance import read_provenance
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation.answers import classification_metrics
from segadapt.evaluation.classification import answers
from segadapt.labels import CLASS_SETS
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import trained_network
from segadapt.stages.runner import main


def classify(job: Job, scratch: Path) -> None:
    """From a model and its snapshots to ``answers.safetensors`` and ``metrics.json``."""
    config, snapshots, model = job.config, snapshot_paths(job.inputs), Path(job.inputs["model"])
    compute = set_up_compute(config["precision"], config["cpu_threads"])
    cache, crop = PackedCache(Path(job.inputs["labelled"])), config["crop"] and width_height(config["crop"])
    with progress_bar(job.name, len(cache) * (1 + len(snapshots)), unit="image") as bar:

        def ask(path: Path):
            return answers(trained_network(path, config), cache, crop, compute, config["batch_size"], bar.update)

        found = ask(model)
        for step, path in snapshots.items():
            found = found.with_step(step, ask(path))
    found.save(Path(job.outputs["answers"]))
    made_by = read_provenance(model.with_name("provenance.json")) or {}
    classes = CLASS_SETS[config["model"]["classes"]]
    write_json(Path(job.outputs["metrics"]), classification_metrics(found, classes, made_by, config["last_step"]))


if __name__ == "__main__":
    main(classify)
