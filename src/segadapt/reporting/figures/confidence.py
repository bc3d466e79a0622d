"""How sure a model is of each class against how well it segments it, the paper's Figure 2."""

import sys
from pathlib import Path

from segadapt.core.job import Job
from segadapt.core.progress import progress_bar
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import Evaluation
from segadapt.evaluation.measures.confidence import ClassConfidence
from segadapt.labels import CLASS_SETS
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import predictor
from segadapt.reporting.figures import style
from segadapt.reporting.figures.scatter import Cloud, scatter_csv, scatter_figure

QUANTITIES = {
    "predicted_C": "mean largest probability of pixels predicted as the class",
    "labelled_C": "mean probability of the class on pixels labelled so",
}


def draw(job: Job) -> dict[str, bytes]:
    """From the first seed's models and their evaluations to ``results/figures/figure2.*``; all at network size."""
    models = job.config["models"]
    first = next(iter(models.values()))
    cache = PackedCache(Path(job.input("labelled")), first["model"]["classes"])
    compute = set_up_compute(first["precision"], first["cpu_threads"])
    classes = CLASS_SETS[first["model"]["classes"]].classes
    clouds = []
    with progress_bar(job.name, len(models) * len(cache), unit="image") as bar:
        for key, config in models.items():
            predict = predictor(Path(job.input("model", row=key)), config, compute)
            confidence = ClassConfidence(len(classes))
            for index in range(len(cache)):
                confidence.update(predict(cache.image(index)), cache.label(index))
                bar.update(1)
            means = confidence.means()
            iou_C = Evaluation.load(Path(job.input("confusion", row=key))).iou("network")
            for reading, quantity in QUANTITIES.items():
                clouds.append(Cloud(config["title"], quantity, classes, getattr(means, reading), iou_C, config["look"]))
    for cloud in clouds:
        print(f"{job.name}: {cloud.quantity}: {cloud.summary()}", file=sys.stderr)
    return style.files(scatter_figure(clouds, job.config["data_note"]), scatter_csv(clouds))
