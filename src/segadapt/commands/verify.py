"""``segadapt verify``: a whole run and its data sets, byte for byte."""

import argparse

HELP = "hash every file that a preset has made, and every file of its data sets, and compare with the records"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="another preset than params.yaml says")


def run(given: argparse.Namespace) -> int:
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan
    from segadapt.reporting.lineage.verify_run import verify_run

    overrides = {"preset": given.preset} if given.preset else {}
    found = verify_run(make_plan(load_parameters("params.yaml", overrides)).jobs)
    for each in found.differ:
        print(each)
    for each in found.absent:
        print(f"not here: {each}")
    print(f"{found.agree} files are the recorded ones, {len(found.absent)} are not here, {len(found.differ)} differ")
    return 1 if found.differ else 0
