"""Assembles a result table with its Markdown, LaTeX, HTML and metrics twins."""

from pathlib import Path

import numpy

from segadapt.core.artifacts import read_json
from segadapt.core.job import Job
from segadapt.labels import CLASS_SETS
from segadapt.reporting import TableHeader, TableRow, build_table, published_rows, write_table
from segadapt.stages.runner import main


def assemble(job: Job, scratch: Path) -> None:
    """From the metrics of every row and seed to ``results/<table>.*``."""
    config = job.config
    class_set = CLASS_SETS[config["classes"]]
    rows, machines, commits = [], set(), set()
    for row in config["rows"]:
        found = [read_json(Path(job.inputs[f"metrics/{row['key']}/{seed}"])) for seed in config["seeds"]]
        sizes = [each[config["evaluation_size"]] for each in found]
        models = [each["model"] for each in found]
        gpu_seconds = sum(each["gpu_seconds"] or 0.0 for each in models)
        row_commits = sorted({each["commit"] or "unknown" for each in models})
        machines.update(each["machine"] or "unknown" for each in models)
        commits.update(row_commits)
        rows.append(
            TableRow(
                method=row["title"],
                backbone=config["backbone"],
                origin=row["origin"],
                iou_per_seed=[numpy.array([size["IoU"][name] for name in class_set.classes], float) for size in sizes],
                miou_per_seed=[size["mIoU"] for size in sizes],
                paper_method=row["paper_row"],
                selection=found[0]["selection"],
                protocol=config["protocol"],
                eval_size=row["eval_size"],
                preset=config["preset"],
                gpu_hours=gpu_seconds / 3600 or None,
                commit=" ".join(row_commits),
            )
        )
    published = published_rows(config["published"]) if config["published"] else ()
    frame = build_table(rows, class_set, published, config["is_paper_data"])
    header = TableHeader(
        preset=config["preset"],
        data_note="" if config["is_paper_data"] else config["data_note"],
        machine="; ".join(sorted(machines)),
        commit=" ".join(sorted(commits)),
        seeds=tuple(config["seeds"]),
        protocol=config["protocol"],
    )
    write_table(Path(job.outputs["csv"]), frame, header)


if __name__ == "__main__":
    main(assemble)
