"""Maps of what stands still in target images, from pictures of the same places at another time."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.core.progress import progress
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.labels import write_label_pack
from segadapt.labels import STATIC2
from segadapt.selftraining.static_maps import static_maps
from segadapt.stages.runner import main


def match(job: Job, scratch: Path) -> None:
    """To a pack of labels beside the cache."""
    images, later = (PackedCache(Path(job.input(role))) for role in ("target", "later"))
    maps = progress(static_maps(images, later), job.name, len(images), "image")
    names = [images.name(index) for index in range(len(images))]
    folder = Path(job.outputs["manifest"]).parent
    write_label_pack(folder, names, maps, (images.width, images.height), STATIC2.name)


if __name__ == "__main__":
    main(match)
