"""Labels the target's training images by a model, where it is sure enough."""

import sys
from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.progress import progress_bar
from segadapt.data.packed.cache import PackedCache
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import predictor
from segadapt.selftraining.kept_logits import kept_logits
from segadapt.selftraining.pseudo_labels import make_pseudo_labels, scores
from segadapt.selftraining.spatial_prior import load_prior
from segadapt.stages.runner import main


def label(job: Job, scratch: Path) -> None:
    """From the model of the round before to ``pack.bin``, ``manifest.json`` and ``selection.json``."""
    config, target = job.config, PackedCache(Path(job.input("target")))
    compute = set_up_compute(config["precision"], config["cpu_threads"])
    class_set, prior_CHW = config["model"]["classes"], None
    if job.read("prior"):
        prior_CHW = load_prior(Path(job.input("prior")), class_set, (target.height, target.width))
    network = predictor(Path(job.input("model")), config, compute)
    with kept_logits(network, scratch) as predict, progress_bar(job.name, 2 * len(target), unit="image") as bar:
        score = scores(predict, config["flip"], prior_CHW)
        folder = Path(job.outputs["manifest"]).parent
        selected = make_pseudo_labels(score, target, class_set, config["selection"], folder, bar.update)
    print(f"{job.name}: {selected['kept_share']:.1%} of the pixels have a label", file=sys.stderr)
    write_json(Path(job.outputs["selection"]), selected)


if __name__ == "__main__":
    main(label)
