"""Draws what every adaptation did along its steps."""

from pathlib import Path

import pandas

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job, score_role
from segadapt.reporting.figures.curves import Curve, curves_csv, curves_figure
from segadapt.reporting.figures.style import write_figure
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From histories and metrics to ``results/figures/curves.png``, ``.svg`` and ``.csv``, the points behind them."""
    size, found = job.config["evaluation_size"], []
    for row in job.config["rows"]:
        for seed in job.config["seeds"]:
            history = pandas.read_csv(job.inputs[f"history/{row['key']}/{seed}"])
            history = history.astype(object).where(history.notna(), None)
            losses = list(history[["step", "loss_source", "loss_target"]].itertuples(index=False, name=None))
            metrics = read_json(Path(job.inputs[score_role("metrics", row["key"], seed)]))
            kept = {each["step"]: each[size] for each in metrics["steps"]} | {row["steps"]: metrics[size]["mIoU"]}
            if row["from_source"]:
                kept[0] = read_json(Path(job.inputs[score_role("metrics", "source_only", seed)]))[size]["mIoU"]
            found.append(Curve(row["title"], seed, losses, sorted(kept.items()), row["look"]))
    write_figure(job.outputs, curves_figure(found, job.config["data_note"]), curves_csv(found))


if __name__ == "__main__":
    main(draw)
