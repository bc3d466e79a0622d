"""``segadapt status``: which jobs are up to date, and why the others are not."""

import argparse

HELP = "say of every job whether its result is up to date, and why not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="another preset than params.yaml says")


def run(given: argparse.Namespace) -> None:
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan, statuses

    overrides = {"preset": given.preset} if given.preset else {}
    for status in statuses(make_plan(load_parameters("params.yaml", overrides))):
        print(f"{status.job.name:45s} {status.state}")
