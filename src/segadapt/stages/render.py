"""Renders a built-in data set in its authors' on-disk format."""

from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.parameters import width_height
from segadapt.core.progress import progress
from segadapt.data.streets import render_dataset
from segadapt.stages.runner import main


def render(job: Job, scratch: Path) -> None:
    """Every finished image stays, so a killed rendering goes on where it stopped."""
    config = job.config
    manifest = Path(job.outputs["manifest"])
    render_dataset(
        manifest.parent,
        domain=config["domain"],
        layout=config["layout"],
        splits=config["splits"],
        size=width_height(config["size"]),
        seed=config["seed"],
        processes=job.run["prepare_processes"],
        progress=lambda items, total: progress(items, f"render {manifest.parent.name}", total, "image"),
    )
    write_json(manifest, {"built_in": True, "note": "rendered by segadapt; not GTA5, not Cityscapes", **config})


if __name__ == "__main__":
    main(render)
