"""Draws what every adaptation did along its steps."""

from pathlib import Path

import pandas

from segadapt.core.artifacts import read_json, write_bytes
from segadapt.core.job import Job
from segadapt.reporting.curves import Curve, curves_csv, curves_png
from segadapt.stages.runner import main


def draw(job: Job, scratch: Path) -> None:
    """From histories and metrics to ``results/figures/curves.png`` and the points behind it, ``curves.csv``."""
    size, found = job.config["evaluation_size"], []
    for row in job.config["rows"]:
        for seed in job.config["seeds"]:
            history = pandas.read_csv(job.inputs[f"history/{row['key']}/{seed}"])
            history = history.astype(object).where(history.notna(), None)
            losses = list(history[["step", "loss_source", "loss_target"]].itertuples(index=False, name=None))
            metrics = read_json(Path(job.inputs[f"metrics/{row['key']}/{seed}"]))
            kept = {each["step"]: each[size] for each in metrics["steps"]} | {row["steps"]: metrics[size]["mIoU"]}
            if row["from_source"]:
                kept[0] = read_json(Path(job.inputs[f"metrics/source_only/{seed}"]))[size]["mIoU"]
            found.append(Curve(row["title"], seed, losses, sorted(kept.items())))
    write_bytes(Path(job.outputs["data"]), curves_csv(found))
    write_bytes(Path(job.outputs["picture"]), curves_png(found, job.config["data_note"]))


if __name__ == "__main__":
    main(draw)
