"""Writes the page that shows a run."""

from pathlib import Path

from segadapt.core.artifacts import write_bytes
from segadapt.core.job import Job
from segadapt.reporting.report.page import build
from segadapt.stages.runner import main


def write(job: Job, scratch: Path) -> None:
    """From tables, figures and records to ``results/report/index.html``."""
    write_bytes(Path(job.outputs["page"]), build(job))


if __name__ == "__main__":
    main(write)
