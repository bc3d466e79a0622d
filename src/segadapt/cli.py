"""The console script ``segadapt``: one file a command, in ``segadapt/commands``."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from segadapt.core.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """The command's exit status, or 2 after one sentence for a mistake of the user's."""
    if arguments is None:
        _go_over_to_this_folders_code()
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


def _go_over_to_this_folders_code() -> None:
    """One environment may serve several checkouts: started in one, this process goes on with that one's code."""
    here = Path("src/segadapt/cli.py")
    if here.is_file() and not here.samefile(__file__):
        paths = [str(here.absolute().parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        os.execv(sys.executable, [sys.executable, "-m", "segadapt.cli", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
