"""How long the start of a run takes with hundreds of jobs: the plan, what is up to date, and ``snakemake -n``.

``python benchmarks/plan.py``; some minutes. One table of 120 methods on three seeds on the built-in data. Nothing is
rendered or trained: for the finished state every output is a line of text with a record beside it, as many files as a
real run leaves. ``snakemake -n`` is the real one, a process of its own each time, with the repository's own rules.

* fresh: nothing has been made.
* finished: everything has, and nothing is due.
* one row more: as finished, and the table has one more method.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from common import markdown_table, write_results

from segadapt.core.artifacts import write_bytes
from segadapt.core.metering import Cost
from segadapt.core.parameters import load_parameters, read_parameters
from segadapt.core.provenance import commit, write_provenance
from segadapt.plan import Plan, make_plan, tell_engines

REPOSITORY = Path(__file__).resolve().parent.parent
PLAN = """
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan
make_plan(load_parameters())
"""
METHODS, SEEDS, REPEATS = 120, 3, 3


def write_parameters(methods: int) -> None:
    """The shipped ``params.yaml`` with one table of that many variants of MaxSquare."""
    content = read_parameters(REPOSITORY / "params.yaml")
    keys = [f"variant{index}" for index in range(methods)]
    for index, key in enumerate(keys):
        content["methods"][key] = content["methods"]["maxsquare"] | {
            "title": f"Variant {index}",
            "lambda_target": (index + 1) / 1000,
        }
    content["preset"], content["seeds"] = "streets", list(range(1, SEEDS + 1))
    streets = content.pop("presets")["streets"] | {"experiments": {}, "tables": None}
    content["experiments"] = {"table2": {"rows": ["source_only", *keys], "published": 2}}
    Path("presets").mkdir(exist_ok=True)
    for path, each in (("params.yaml", content), ("presets/streets.yaml", streets)):
        Path(path).write_text(yaml.safe_dump(each, sort_keys=False, allow_unicode=True))


def finish(plan: Plan) -> None:
    """Every job's outputs, a line each, and their records."""
    for job in plan.jobs:
        for role, path in job.outputs.items():
            write_bytes(Path(path), f"{job.name} {role}\n".encode())
        hashes = job.input_hashes()
        write_provenance(job, job.fingerprint(hashes), hashes, Cost())


def snakemake() -> None:
    """A dry run of everything."""
    run(sys.executable, "-m", "snakemake", "--cores", "2", "-n", "--quiet", "all")


def plan_alone() -> None:
    """The plan in a process of its own, for what is read once a process."""
    run(sys.executable, "-c", PLAN)


def run(*command: str | Path) -> None:
    """Runs a command; SystemExit with what it said if it fails."""
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{command}\n{result.stdout}\n{result.stderr}")


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds, children included, and wall seconds of the fastest of some calls."""
    found = []
    for _ in range(REPEATS):
        cpu, wall = _cpu_seconds(), time.perf_counter()
        act()
        found.append((_cpu_seconds() - cpu, time.perf_counter() - wall))
    return min(found)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """All three states, one after the other."""
    commit()  # asked where the repository is, and remembered
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # A run takes place in the Snakefile's own folder.
        shutil.copy(REPOSITORY / "Snakefile", folder)
        for name in ("workflow", "src", "profiles"):
            Path(name).symlink_to(REPOSITORY / name)
        Path("results").mkdir()
        Path("results/published").symlink_to(REPOSITORY / "results/published")
        for state, methods in (("fresh", METHODS), ("finished", METHODS), ("one row more", METHODS + 1)):
            write_parameters(methods)
            plan = make_plan(load_parameters())
            if state == "finished":
                finish(plan)
            acts = {
                "parameters and plan": plan_alone,
                "cards, status, file times": lambda plan=plan: tell_engines(plan),
                "snakemake -n": snakemake,
            }
            for name, act in acts.items():
                cpu, wall = timed(act)
                row = {"state": state, "jobs": len(plan.jobs), "part": name, "cpu_seconds": cpu, "wall_seconds": wall}
                rows.append(row)
        os.chdir(REPOSITORY)
    table = markdown_table(["state", "jobs", "part", "s (CPU)", "s (wall)"], [list(row.values()) for row in rows])
    write_results("plan", 1, {"methods": METHODS, "seeds": SEEDS, "repeats": REPEATS}, rows, table)


if __name__ == "__main__":
    main()
