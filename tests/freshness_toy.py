"""The toy project of ``freshness_walk.py``, and those who judge it: each in a forked child of the walk."""

import contextlib
import io
import os
import runpy
import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import tiny

from segadapt.core.stages import STAGES

TARGETS = ["results/table2.csv", "results/table2_statistics.csv"]
PARAMETERS = ("params.yaml", "presets/tiny.yaml")
METHOD_CODE = "src/segadapt/methods/max_squares.py"
STUB = '''
from segadapt.core.artifacts import sha256_json, write_bytes
from segadapt.stages.runner import main


def stub(job, scratch):
    """What follows from the job's identity and its inputs' bytes."""
    for role, path in job.outputs.items():
        content = sha256_json([role, job.identity(), job.input_hashes()])
        # Of other lengths, for DVC takes a file of the same size and time for the same.
        write_bytes(path, (content * (1 + int(content[:2], 16))).encode())


if __name__ == "__main__":
    main(stub)
'''


CARELESS = """

def _state(path):
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]
"""
"""A judge that takes a file of the same size and time for the same."""


def make_toy(folder: Path, careless: bool) -> None:
    """A project whose stages but ``prepare`` compute nothing, though the code they depend on is the real one's."""
    rows = ("source_only", "target_forwarded", "minent", "maxsquare")
    parameters = tiny.tiny_parameters(rows)
    parameters["presets"] = {"tiny": parameters["presets"]["tiny"]}
    tiny.make_project(folder, parameters)
    shutil.copytree(tiny.REPOSITORY / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    tiny.call(folder, "git", "init", "--quiet")
    if careless:
        seen = folder / "src/segadapt/core/seen.py"
        seen.write_text(seen.read_text() + CARELESS)
    for stage in (folder / "src/segadapt/stages").glob("*.py"):
        if stage.stem not in ("__init__", "runner", "prepare"):
            never_called = f"def original():\n{textwrap.indent(stage.read_text(), '    ')}\n"
            stage.write_text(f'"""A stage that computes nothing."""\n{STUB}\n\n{never_called}')


def forked(call: Callable[[], int | None]) -> tuple[int, str]:
    """(exit status, all that was printed) of a call in a child of this process."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(number, "wb"), line_buffering=True) for number in (1, 2))
        code = 70
        try:
            code = call() or 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1 if ended.code else 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        printed = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), printed


def snakemake(*arguments: str) -> str:
    """What Snakemake prints; AssertionError if it fails."""

    def call() -> None:
        from snakemake.cli import main

        sys.argv = ["snakemake", "--cores", "1", *arguments]
        main(sys.argv[1:])

    code, printed = forked(call)
    assert code == 0, printed
    return printed


def dvc(*arguments: str) -> str:
    """What DVC prints; AssertionError if it fails."""

    def call() -> int:
        from dvc.cli import main

        return main(list(arguments))

    code, printed = forked(call)
    assert code == 0, printed
    return printed


def listed(*arguments: str) -> set[str]:
    """The jobs that a dry run lists."""
    lines = snakemake("--quiet", "progress", *arguments, "-n", *TARGETS).splitlines()
    return {line.split("/logs/", 1)[1].removesuffix(".log") for line in lines if "    log: " in line}


def plan_here():
    from segadapt.core.parameters import load_parameters
    from segadapt.plan import make_plan

    return make_plan(load_parameters("params.yaml"))


def remember_by_content(function: Callable) -> Callable:
    """A function of a module's name in ``plan.code``, computed once for a text: children find what was parsed here."""
    from segadapt.plan import code

    remembered: dict[tuple, object] = {}

    def found(module: str):
        key = (module, code._path(module).read_bytes())
        if key not in remembered:
            remembered[key] = function.__wrapped__(module)
        return remembered[key]

    return found


def due() -> dict[str, str]:
    """Name to state of every job that ``segadapt status`` calls due, of those behind the targets."""

    def call() -> None:
        from segadapt.plan import statuses

        plan = plan_here()
        print_due(plan, statuses(plan))

    return read_due(*forked(call))


def print_due(plan, found) -> None:
    from segadapt.plan.targets import jobs_behind

    needed = jobs_behind(plan, TARGETS)
    for status in found:
        if not status.is_ok and status.job.name in needed:
            print(f"\t{status.job.name}\t{status.state}")


def read_due(code: int, printed: str) -> dict[str, str]:
    assert code == 0, printed
    return dict(line[1:].split("\t") for line in printed.splitlines() if line.startswith("\t"))


def run_due() -> dict[str, str]:
    """Runs what is due as Snakemake would, without its overhead: outputs removed, each stage's script on its card.

    Returns what is due then.
    """

    def call() -> None:
        from segadapt.plan import statuses, tell_engines
        from segadapt.plan.shelf import shelve, unshelve
        from segadapt.plan.targets import jobs_behind

        plan = plan_here()
        unshelve(plan)
        needed = jobs_behind(plan, TARGETS)
        for status in tell_engines(plan):
            if status.is_ok or status.job.name not in needed:
                continue
            for path in (*status.job.outputs.values(), status.job.provenance):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
            sys.argv = ["a stage", status.job.card, "1"]
            runpy.run_module(STAGES[status.job.stage].module, run_name="__main__")
        shelve(plan)
        print_due(plan, statuses(plan))

    return read_due(*forked(call))


def tables() -> dict[str, bytes]:
    """The tables' bytes."""
    return {path: Path(path).read_bytes() for path in TARGETS}


def made_files() -> list[str]:
    """Every file that a job has made."""
    folders = ("cache", "sources", "models", "metrics", "results")
    return sorted(str(path) for name in folders for path in Path(f"work/tiny/{name}").rglob("*") if path.is_file())


def edit_parameters(change: Callable[[dict], None]) -> None:
    from segadapt.core.parameters import read_parameters

    parameters = read_parameters()
    change(parameters)
    tiny.write_parameters(Path(), parameters)
