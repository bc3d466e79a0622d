"""Draws how mIoU depends on the parameters that a table sweeps."""

from pathlib import Path

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job, score_role
from segadapt.reporting.figures.sensitivity import Panel, Point, sensitivity_csv, sensitivity_figure
from segadapt.reporting.figures.style import write_figure
from segadapt.reporting.tables.published import published_rows
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From the metrics of every cell and seed to ``results/figures/<table>_sensitivity.*``."""
    config = job.config
    size, paper = config["evaluation_size"], {}
    if config["published"] is not None:
        paper = {row.method: next(iter(row.miou.values())) for row in published_rows(config["published"])}
    panels = []
    for each in config["panels"]:
        points = []
        for point in each["points"]:
            paths = [job.inputs[score_role("metrics", point["key"], seed)] for seed in config["seeds"]]
            values = tuple(read_json(Path(path))[size]["mIoU"] for path in paths)
            points.append(Point(point["value"], values, paper.get(point["paper_row"])))
        panels.append(Panel(each["title"], each["symbol"], each["look"], tuple(points)))
    table = sensitivity_csv(panels, config["seeds"])
    write_figure(job.outputs, sensitivity_figure(panels, config["data_note"]), table)


if __name__ == "__main__":
    main(draw)
