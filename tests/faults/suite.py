"""Runs cases: two at a time, each in a process that is forked from this one and in a copy of a world of its own."""

import contextlib
import json
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import psutil
from tqdm import tqdm

from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan

from . import corruption, engine, hostile_files, hostile_parameters, hostile_pictures, kills, real, resources
from .case import STUCK, Case, Family, Verdict
from .damage import make_removable, obey_permissions
from .moments import Disturbance
from .world import Reference, free_memory_folder, lay, targets

FAMILIES = {
    family.name: family
    for family in (
        Family("kills", kills.kill_cases, kills.run_kill),
        Family("lying-disk", kills.lie_cases, kills.run_lie),
        Family("at-rest", corruption.rest_cases, corruption.run_at_rest),
        Family("sources", corruption.source_cases, corruption.run_source),
        Family("in-use", corruption.use_cases, corruption.run_in_use),
        Family("full-disk", resources.disk_cases, resources.run_disk),
        Family("scarce", resources.scarcity_cases, resources.run_scarcity),
        Family("clocks", resources.clock_cases, resources.run_clock),
        Family("two-at-once", resources.company_cases, resources.run_company),
        Family("snakemake", real.cases, real.run),
        Family("hostile-pictures", hostile_pictures.cases, hostile_pictures.run),
        Family("hostile-files", hostile_files.cases, hostile_files.run),
        Family("hostile-parameters", hostile_parameters.cases, hostile_parameters.run),
    )
}
CASE_SECONDS = 900.0
"""More than any case takes; then it counts as stuck."""


def all_cases(families: Iterable[str] = FAMILIES) -> list[Case]:
    """Every case of these families; no two have the same name."""
    cases = [case for name in families for case in FAMILIES[name].cases()]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def drawn_cases(count: int, seed: int) -> list[Case]:
    """A part of every family, in proportion, one at least."""
    draw, every = random.Random(seed), len(all_cases())
    return [
        case
        for name in FAMILIES
        for found in [all_cases([name])]
        for case in draw.sample(found, max(1, round(count * len(found) / every)))
    ]


class Suite:
    """A context: builds the worlds that cases ask for, once, in a folder that is removed at the end."""

    def __init__(self, keep: bool = False) -> None:
        self._keep = keep
        self._references: dict[str, Reference] = {}

    def __enter__(self) -> "Suite":
        tqdm.monitor_interval = 0  # a thread of its own, beside which no process should be forked
        engine.warm_up()
        self.root = Path(tempfile.mkdtemp(prefix="faults-", dir=free_memory_folder()))
        return self

    def __exit__(self, *error: object) -> None:
        if not self._keep:
            make_removable(self.root)

    def reference(self, world: str) -> Reference:
        """The world's undisturbed run."""
        if world not in self._references:
            self._references[world] = build(world, self.root / world)
            # The code's hashes are remembered: two thirds of a plan's time, which every case would spend again.
            make_plan(load_parameters(self._references[world].done / "params.yaml"))
        return self._references[world]

    def run(
        self, cases: Sequence[Case], processes: int = 2, spoil: Callable[[], None] | None = None
    ) -> Iterator[Verdict]:
        """Verdicts as they come. ``spoil`` is called in each case's process before the case."""
        for case in cases:
            if case.world is not None:
                self.reference(case.world)
        running: dict[int, tuple[Case, Path, float]] = {}
        try:
            yield from self._each(list(reversed(cases)), running, processes, spoil)
        finally:
            for pid in running:
                _end(pid)

    def _each(
        self, waiting: list[Case], running: dict[int, tuple[Case, Path, float]], processes: int,
        spoil: Callable[[], None] | None,
    ) -> Iterator[Verdict]:  # fmt: skip
        while waiting or running:
            while waiting and len(running) < processes:
                case = waiting.pop()
                pid, verdict = self._start(case, spoil)
                running[pid] = (case, verdict, time.monotonic())
            pid = self._ended(running)
            if pid is None:
                time.sleep(0.005)
                continue
            case, verdict, began = running.pop(pid)
            try:
                yield Verdict(**json.loads(verdict.read_text()))
            except (OSError, ValueError):
                yield Verdict(
                    case.name, STUCK, "the case's own process died or ran out of time", time.monotonic() - began
                )
            if not self._keep:
                make_removable(verdict.parent)

    def _ended(self, running: dict) -> int | None:
        for pid, (_, _, began) in running.items():
            if time.monotonic() - began > CASE_SECONDS:
                _end(pid)
            if os.waitpid(pid, os.WNOHANG)[0]:
                return pid
        return None

    def _start(self, case: Case, spoil: Callable[[], None] | None) -> tuple[int, Path]:
        place = Path(tempfile.mkdtemp(prefix="case-", dir=self.root))
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                engine.adopt_orphans()
                if spoil is not None:
                    spoil()
                began = time.monotonic()
                outcome, detail = self._run(case, place)
                verdict = Verdict(case.name, outcome, detail, time.monotonic() - began)
                (place / "verdict").write_text(json.dumps(verdict.as_record()))
                engine.wait_for_orphans(0)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        return pid, place / "verdict"

    def _run(self, case: Case, place: Path) -> tuple[str, str]:
        folder, family = place / "project", FAMILIES[case.family]
        if case.world is None:
            folder.mkdir()
            obey_permissions()
            return family.run(case, folder)
        reference = self._references[case.world]
        reference.copy("fresh" if _starts_fresh(case) else "done", folder)
        obey_permissions()
        return family.run(case, folder, reference)


def _starts_fresh(case: Case) -> bool:
    if case.family == "snakemake":
        return False
    return case.family == "kills" or case.target in ("run", engine.SESSION) or case.kind == "read-only-fresh"


def _end(pid: int) -> None:
    """Ends a case's process, and what it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def build(world: str, folder: Path) -> Reference:
    """Lays a world and runs it undisturbed, in a process of its own; AssertionError if that fails."""
    reference = Reference(world, folder)
    lay(world, reference.fresh)
    shutil.copytree(reference.fresh, reference.done, symlinks=True)
    everywhere = Disturbance(engine.EVERYWHERE, None, "KILL")
    report = engine.command(reference.done, targets(world), everywhere)
    assert report.code == 0 and not report.has_traceback, report.text
    # Files are old enough now for their hashes to be remembered.
    time.sleep(0.2)
    assert not engine.command(reference.done, targets(world), only_session=True).due
    names = [name for name in report.codes]
    cards = {name: json.loads((reference.done / f"work/tiny/cards/{name}.json").read_text()) for name in names}
    (folder / "jobs.json").write_text(json.dumps(cards))
    (folder / "events.json").write_text(json.dumps(report.events))
    return reference
