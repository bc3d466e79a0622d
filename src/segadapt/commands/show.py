"""``segadapt show``: a result table in the terminal."""

import argparse
from pathlib import Path

HELP = "print a result table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, help="a CSV made by the pipeline, for example results/table2.csv")


def run(given: argparse.Namespace) -> None:
    from segadapt.reporting import print_table

    # The ranking of models stands on the page of measures.
    stem = given.table.stem.removesuffix("_ranking") + "_measures" * given.table.stem.endswith("_ranking")
    twin = given.table.with_name(f"{stem}.md")
    if stem.endswith(("_protocols", "_statistics", "_measures")) and twin.is_file():
        print(twin.read_text(encoding="utf-8"))
    else:
        print_table(given.table)
