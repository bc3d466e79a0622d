"""Packs one split of a data set at the network's size."""

from pathlib import Path

from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.data.prepare import Preparation, prepare
from segadapt.stages.runner import main


def pack(job: Job, scratch: Path) -> None:
    """The card's configuration is the preparation, but for the size's spelling."""
    config = dict(job.config)
    what = Preparation(root=Path(config.pop("root")), size=width_height(config.pop("size")), **config)
    prepare(what, Path(job.outputs["manifest"]).parent, scratch, job.run["prepare_processes"])


if __name__ == "__main__":
    main(pack)
