"""Draws scenes of both domains, the ground truth, and what the unadapted and each adapted model predict."""

from pathlib import Path

from segadapt.core.artifacts import atomic_path
from segadapt.core.job import Job
from segadapt.core.progress import progress
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import predict_labels
from segadapt.labels import CLASS_SETS
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import predictor
from segadapt.reporting import panel
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From the models of one seed to ``results/figures/qualitative.png``; one model is held at a time."""
    models = job.config["models"]
    first = next(iter(models.values()))
    compute = set_up_compute(first["precision"], first["cpu_threads"])
    source, target = PackedCache(Path(job.inputs["source"])), PackedCache(Path(job.inputs["labelled"]))
    rows = []
    for index in job.config["images"]:
        target_index = index % len(target)
        rows.append([source.image(index % len(source)), target.image(target_index), target.native_label(target_index)])
    for key, config in progress(models.items(), job.name, len(models), "model"):
        predict = predictor(Path(job.inputs[f"model/{key}"]), config, compute)
        for row in rows:
            row.append(predict_labels(predict(row[1]), row[2].shape)[0].cpu().numpy())
    titles = ["Source scene", "Target image", "Ground truth", *(each["title"] for each in models.values())]
    picture = panel(titles, rows, CLASS_SETS[first["model"]["classes"]], cell_width=256)
    with atomic_path(Path(job.outputs["picture"])) as temporary:
        picture.save(temporary, format="PNG")


if __name__ == "__main__":
    main(draw)
