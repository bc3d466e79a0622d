"""``segadapt show``: a result table in the terminal."""

import argparse
from pathlib import Path

from segadapt.commands._project import brought

HELP = "print a result table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, help="a CSV made by the pipeline, for example results/table2.csv")


def run(given: argparse.Namespace) -> None:
    from segadapt.core.stages import page_of
    from segadapt.reporting import print_table

    table = brought(given.table)
    page = page_of(table)
    if page is not None and page.is_file():
        print(page.read_text(encoding="utf-8"))
    else:
        print_table(table)
