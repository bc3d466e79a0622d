"""Scores a model on a labelled cache: one confusion matrix an image, at both label sizes, in one pass."""

from collections.abc import Iterator
from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.progress import progress_bar
from segadapt.core.provenance import read_provenance
from segadapt.data.cache import PackedCache
from segadapt.evaluation import Sample, evaluate, metrics
from segadapt.labels import CLASS_SETS
from segadapt.stages.runner import main
from segadapt.training.assembly import predictor
from segadapt.training.compute import set_up_compute


def samples(cache: PackedCache) -> Iterator[Sample]:
    """Every labelled image of a cache, one held at a time."""
    for index in range(len(cache)):
        yield Sample(cache.name(index), cache.image(index), cache.label(index), cache.native_label(index))


def score(job: Job, scratch: Path) -> None:
    """From a model to ``confusion.safetensors`` and ``metrics.json``."""
    compute = set_up_compute(job.config["precision"], job.config["cpu_threads"])
    predict = predictor(Path(job.inputs["model"]), job.config, compute)
    cache = PackedCache(Path(job.inputs["labelled"]))
    class_set = CLASS_SETS[job.config["model"]["classes"]]
    with progress_bar(job.name, len(cache), unit="image") as bar:
        evaluation = evaluate(predict, samples(cache), len(class_set), bar.update)
    evaluation.save(Path(job.outputs["confusion"]))
    made_by = read_provenance(Path(job.inputs["model"]).with_name("provenance.json")) or {}
    write_json(Path(job.outputs["metrics"]), metrics(evaluation, class_set, made_by))


if __name__ == "__main__":
    main(score)
