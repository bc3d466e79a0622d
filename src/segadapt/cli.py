"""The console script ``segadapt``: one file a command, in ``segadapt/commands``."""

import argparse
import importlib
import sys
from pathlib import Path

from segadapt.core.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """The command's exit status, or 2 after one sentence for a mistake of the user's."""
    parser = argparse.ArgumentParser(prog="segadapt", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for path in sorted((Path(__file__).parent / "commands").glob("[a-z]*.py")):
        command = importlib.import_module(f"segadapt.commands.{path.stem}")
        own = commands.add_parser(path.stem.replace("_", "-"), help=command.HELP, description=command.HELP)
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    given = parser.parse_args(arguments)
    try:
        return given.run(given) or 0
    except UserError as error:
        print(f"segadapt: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
