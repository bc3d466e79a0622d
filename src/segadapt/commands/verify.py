"""``segadapt verify``: a whole run and its data sets, byte for byte."""

import argparse

from segadapt.commands._project import add_preset, plan_of

HELP = "hash every file that a preset has made, and every file of its data sets, and compare with the records"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_preset(parser)


def run(given: argparse.Namespace) -> int:
    from segadapt.reporting.lineage.verify_run import verify_run

    found = verify_run(plan_of(given.preset).jobs)
    for each in found.differ:
        print(each)
    for each in found.absent:
        print(f"not here: {each}")
    print(f"{found.agree} files are the recorded ones, {len(found.absent)} are not here, {len(found.differ)} differ")
    return 1 if found.differ else 0
