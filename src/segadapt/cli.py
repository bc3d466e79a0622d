"""The console script ``segadapt``. Commands import what they need when they run, so help is instant."""

import argparse
import json
import sys
from pathlib import Path

from segadapt.core.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 after one sentence for a mistake of the user's."""
    parser = argparse.ArgumentParser(prog="segadapt", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print a result table")
    show.add_argument("table", type=Path, help="a CSV made by the pipeline, for example results/table2.csv")
    show.set_defaults(run=_show)
    status = commands.add_parser("status", help="say of every job whether its result is up to date, and why not")
    status.add_argument("--preset", help="another preset than params.yaml says")
    status.set_defaults(run=_status)
    schema = commands.add_parser("schema", help="print the JSON schema of params.yaml")
    schema.set_defaults(run=_schema)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except UserError as error:
        print(f"segadapt: {error}", file=sys.stderr)
        return 2
    return 0


def _show(given: argparse.Namespace) -> None:
    from segadapt.reporting import print_table

    print_table(given.table)


def _status(given: argparse.Namespace) -> None:
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan, statuses

    overrides = {"preset": given.preset} if given.preset else {}
    for status in statuses(make_plan(load_parameters("params.yaml", overrides))):
        print(f"{status.job.name:45s} {status.state}")


def _schema(given: argparse.Namespace) -> None:
    from segadapt.core.parameters.schema import json_schema

    print(json.dumps(json_schema(), indent=1))


if __name__ == "__main__":
    sys.exit(main())
