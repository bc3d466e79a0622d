"""``segadapt explain``: where a cell of a table comes from, and whether its files are still the same."""

import argparse
from pathlib import Path

from segadapt.commands._project import brought

HELP = "say where a cell of a result table comes from; --verify hashes every file behind the table again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, help="a CSV made by the pipeline, for example results/table2.csv")
    parser.add_argument("method", help="a row: its key in params.yaml or its title, for example maxsquare_iw")
    parser.add_argument("class_name", nargs="?", metavar="class", help="a class of the table; mIoU if none is given")
    parser.add_argument("--verify", action="store_true", help="exit 1 and name every file whose bytes have changed")


def run(given: argparse.Namespace) -> int:
    from segadapt.reporting.lineage.explain import explain
    from segadapt.reporting.lineage.text import as_text
    from segadapt.reporting.lineage.verify import verify

    table = brought(given.table)
    print(as_text(explain(table, given.method, given.class_name), Path("params.yaml")))
    if not given.verify:
        return 0
    differs, absent, agree = verify(table)
    print(f"\nVerified: {agree} files are the recorded ones, {len(absent)} are not here, {len(differs)} differ")
    for each in differs:
        print(f"  {each.path}: {each.found[:16]} instead of {each.recorded[:16]}; it touches {', '.join(each.rows)}")
    return 1 if differs else 0
