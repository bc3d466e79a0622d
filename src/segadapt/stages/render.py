"""Draws a built-in data set in its authors' on-disk format."""

from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.core.progress import progress
from segadapt.data.shipped.rendered import BUILT_IN
from segadapt.stages.runner import main


def render(job: Job, scratch: Path) -> None:
    """Every finished image stays, so a killed drawing goes on where it stopped."""
    config, manifest = job.config, Path(job.outputs["manifest"])
    drawing = BUILT_IN.load(config["domain"])
    more = drawing.render(
        manifest.parent,
        config | {"size": width_height(config["size"])},
        job.run["prepare_processes"],
        lambda items, total: progress(items, f"render {manifest.parent.name}", total, "image"),
    )
    write_json(manifest, {"built_in": True, "note": drawing.NOTE, **config, **more})


if __name__ == "__main__":
    main(render)
