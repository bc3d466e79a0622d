"""The console script ``segadapt``: one file a command, in ``segadapt/commands``."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from segadapt import __version__
from segadapt.core.edge import MISTAKE, guarded, require_importable, require_utf8


def main(arguments: list[str] | None = None) -> int:
    """The command's exit status; 2 after one sentence for a mistake of the user's or a failure of the machine's."""
    if arguments is None and (status := guarded(_go_over_to_this_folders_code)):
        return status
    parser = argparse.ArgumentParser(prog="segadapt", description=__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=f"segadapt {__version__}")
    parser.add_argument(
        "--print-completion", choices=("bash", "zsh", "tcsh"), action=_Completion, metavar="SHELL",
        help="print what a shell completes these commands by: bash, zsh or tcsh",
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for path in sorted((Path(__file__).parent / "commands").glob("[a-z]*.py")):
        command = importlib.import_module(f"segadapt.commands.{path.stem}")
        own = commands.add_parser(path.stem.replace("_", "-"), help=command.HELP, description=command.HELP)
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    given = parser.parse_args(arguments)

    def work() -> int | None:
        require_utf8(sys.argv[1:] if arguments is None else arguments)
        _know_own_classes(Path("params.yaml"))
        return given.run(given)

    return guarded(work)


class _Completion(argparse.Action):
    """Prints the completion of the parser, which is whole when this is called, and ends the process."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: str, option: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            parser.exit(MISTAKE, f"segadapt: {option} needs the package shtab; pip install shtab\n")
        print(shtab.complete(parser, shell))
        parser.exit()


def _go_over_to_this_folders_code() -> None:
    """One environment may serve several checkouts: started in one, this process goes on with that one's code."""
    here = Path("src/segadapt/cli.py")
    if here.is_file() and not here.samefile(__file__):
        require_importable(Path.cwd())
        paths = [str(here.absolute().parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        os.execv(sys.executable, [sys.executable, "-m", "segadapt.cli", *sys.argv[1:]])


def _know_own_classes(parameters: Path) -> None:
    # Most files define none, and reading one takes a while.
    if parameters.is_file() and b"class_sets" in parameters.read_bytes():
        from segadapt.core.parameters.class_sets import register_own

        register_own(parameters)


if __name__ == "__main__":
    sys.exit(main())
