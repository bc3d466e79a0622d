"""Draws scenes, predictions before and after adaptation, and the ground truth side by side."""

from pathlib import Path

from segadapt.core.artifacts import atomic_path
from segadapt.core.job import Job
from segadapt.data.cache import PackedCache
from segadapt.evaluation import predict_labels
from segadapt.labels import CLASS_SETS
from segadapt.reporting import panel
from segadapt.stages.runner import main
from segadapt.training.assembly import predictor
from segadapt.training.compute import set_up_compute


def draw(job: Job, scratch: Path) -> None:
    """From two models to ``results/figures/qualitative.png``."""
    config = job.config
    compute = set_up_compute(config["after"]["precision"], config["after"]["cpu_threads"])
    source, target = PackedCache(Path(job.inputs["source"])), PackedCache(Path(job.inputs["labelled"]))
    predictors = [predictor(Path(job.inputs[name]), config[name], compute) for name in ("before", "after")]
    rows = []
    for index in config["images"]:
        image_HWC, truth_HW = target.image(index % len(target)), target.native_label(index % len(target))
        predicted = [predict_labels(predict(image_HWC), truth_HW.shape)[0].cpu().numpy() for predict in predictors]
        rows.append([source.image(index % len(source)), image_HWC, *predicted, truth_HW])
    picture = panel(config["titles"], rows, CLASS_SETS[config["after"]["model"]["classes"]])
    with atomic_path(Path(job.outputs["picture"])) as temporary:
        picture.save(temporary, format="PNG")


if __name__ == "__main__":
    main(draw)
