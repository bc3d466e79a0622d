"""Packs one split of a data set at the network's size."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.data.shipped.sources import seen_path
from segadapt.stages.runner import main


def pack(job: Job, scratch: Path) -> None:
    """The card's configuration is the preparation, but for the spelling of sizes and lists."""
    config = dict(job.config)
    config.pop("class_sets", None)
    root, size, accept = Path(config.pop("root")), width_height(config.pop("size")), tuple(config.pop("accept"))
    what = Preparation(root=root, size=size, accept=accept, **config)
    folder = Path(job.outputs["manifest"]).parent
    prepare(what, folder, scratch, job.run["prepare_processes"], seen_path(job.preset, folder.name))


if __name__ == "__main__":
    main(pack)
