"""``segadapt status``: which jobs are up to date, and why the others are not."""

import argparse

from segadapt.commands._options import add_json, print_json
from segadapt.commands._project import add_preset, plan_of

HELP = "say of every job whether its result is up to date, and why not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_preset(parser)
    add_json(parser)


def run(given: argparse.Namespace) -> None:
    from segadapt.plan import statuses

    found = statuses(plan_of(given.preset))
    if given.json:
        return print_json([{"job": each.job.name, "stage": each.job.stage, "state": each.state} for each in found])
    for status in found:
        print(f"{status.job.name:45s} {status.state}")
