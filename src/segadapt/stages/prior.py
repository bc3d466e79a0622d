"""Counts where the source's labels show each class: the spatial prior of CBST-SP."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.core.progress import progress
from segadapt.data.packed.cache import PackedCache
from segadapt.labels import CLASS_SETS
from segadapt.selftraining.spatial_prior import save_prior, spatial_prior
from segadapt.stages.runner import main


def count(job: Job, scratch: Path) -> None:
    """From the source's labels to ``prior.safetensors``."""
    cache = PackedCache(Path(job.input("source")))
    labels = progress(map(cache.label, range(len(cache))), job.name, len(cache), "label")
    prior_CHW = spatial_prior(labels, len(CLASS_SETS[cache.class_set]), job.config["blur"])
    save_prior(Path(job.outputs["prior"]), prior_CHW, cache.class_set)


if __name__ == "__main__":
    main(count)
