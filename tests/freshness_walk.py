"""A random walk through all that people do to a project, and after each step: does every judge agree?

``python tests/freshness_walk.py --edits 200 --seed 1`` makes a toy project whose stages write, instead of models, what
follows from their parameters, code and inputs, and edits it: parameters, a method's code, data, results of earlier
parameters brought back with any times, links, flipped bits, lost and exchanged files, ``--touch``, ``dvc checkout``.
After each step of one to three edits

* what a dry run of Snakemake lists is exactly what ``segadapt status`` calls due among the jobs behind the tables,
* when the due jobs have run, now and then by the real ``snakemake`` or ``dvc repro``, everything behind the tables is
  up to date, and
* the tables are byte for byte those that a fresh clone makes from the same parameters, code and data.

Snakemake and jobs run in forked children of this process, which has imported them once; nothing else is different.
"""

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import tiny
from freshness_toy import (
    METHOD_CODE,
    PARAMETERS,
    TARGETS,
    due,
    dvc,
    edit_parameters,
    listed,
    made_files,
    make_toy,
    plan_here,
    remember_by_content,
    run_due,
    snakemake,
    tables,
)


class Disagreement(AssertionError):
    """Two judges of the same project, or its tables and a fresh clone's, part."""


@dataclass
class Walk:
    """A project in the current folder and what was done to it so far."""

    draw: random.Random
    clones: Path
    only: list[str]
    with_dvc: bool
    done: Counter = field(default_factory=Counter)
    saved: list[Path] = field(default_factory=list)
    locks: list[Path] = field(default_factory=list)
    fresh_tables: dict[str, dict[str, bytes]] = field(default_factory=dict)

    # Edits: each leaves the project as somebody might.

    def change_lambda(self) -> None:
        method, value = self.draw.choice(["minent", "maxsquare"]), self.draw.choice([0.1, 0.2, 0.9])
        edit_parameters(lambda each: each["methods"][method].update(lambda_target=value))

    def change_a_title(self) -> None:
        title = self.draw.choice(["MinEnt", "Entropy"])
        edit_parameters(lambda each: each["methods"]["minent"].update(title=title))

    def change_the_seeds(self) -> None:
        edit_parameters(lambda each: each.update(seeds=self.draw.choice([[1], [1, 2], [2]])))

    def change_code(self) -> None:
        code = Path(METHOD_CODE)
        text = code.read_text().partition("\nEDIT")[0]
        code.write_text(text + self.draw.choice(["", "\nEDIT = 1\n", "\nEDIT = 2\n"]))

    def mend_a_label(self) -> None:
        label = self.draw.choice(sorted(Path("toy").rglob("*_labelIds.png")))
        other = self.draw.choice(sorted(Path("toy").rglob("*_labelIds.png")))
        shutil.copyfile(other, label)

    def touch_data(self) -> None:
        for path in sorted(Path("toy").rglob("*.png"))[:: self.draw.randrange(1, 5)]:
            self._set_time(path)

    def lose_a_file(self) -> None:
        os.unlink(self._any_file())

    def cut_a_file(self) -> None:
        path = self._any_file()
        os.truncate(path, self.draw.randrange(os.path.getsize(path)))

    def flip_a_bit(self) -> None:
        path = Path(self._any_file())
        before, content = path.stat(), bytearray(path.read_bytes())
        content[self.draw.randrange(len(content))] ^= 1 << self.draw.randrange(8)
        path.write_bytes(content)
        if self.draw.random() < 0.7:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def exchange_two_files(self) -> None:
        one, other = self._any_file(), self._any_file()
        os.rename(one, "exchanged")
        if os.path.exists(other):
            os.rename(other, one)
        os.rename("exchanged", other)

    def set_times(self) -> None:
        for path in made_files():
            self._set_time(Path(path))

    def forget_notes(self) -> None:
        shutil.rmtree(self.draw.choice(["work/tiny/seen", "work/tiny/cards", ".snakemake", "work/tiny/run"]), True)

    def touch_by_snakemake(self) -> None:
        snakemake("--touch", *TARGETS)

    def put_links(self) -> None:
        store = self.clones / "store"
        store.mkdir(exist_ok=True)
        for path in self.draw.sample(made_files(), 6):
            kept = store / f"{self.draw.random()}"
            shutil.copyfile(path, kept)
            os.unlink(path)
            (os.symlink if self.draw.random() < 0.5 else os.link)(kept, path)

    def save_results(self) -> None:
        """As a commit and ``dvc push`` would."""
        kept = self.clones / f"saved{len(self.saved)}"
        for name in ("work", "src", "params.yaml", "presets"):
            (shutil.copytree if os.path.isdir(name) else shutil.copy)(name, kept / name)
        self.saved.append(kept)

    def restore_results(self) -> None:
        """As ``git checkout`` and ``dvc checkout`` do, or only one of them."""
        if not self.saved:
            return self.save_results()
        kept, what = self.draw.choice(self.saved), self.draw.choice(["all", "results", "code"])
        folders = ("cache", "sources", "models", "metrics", "results")
        for name in folders if what != "code" else ():
            shutil.rmtree(f"work/tiny/{name}", ignore_errors=True)
            if (kept / "work/tiny" / name).exists():
                shutil.copytree(kept / "work/tiny" / name, f"work/tiny/{name}", symlinks=True)
        if what != "results":
            shutil.copy(kept / "params.yaml", "params.yaml")
            shutil.copytree(kept / "presets", "presets", dirs_exist_ok=True)
            shutil.copy(kept / METHOD_CODE, METHOD_CODE)
        self.set_times()

    def check_out_by_dvc(self) -> None:
        """An earlier ``dvc repro``'s parameters, code and results, as copies or links from DVC's cache."""
        if not self.locks:
            return
        kept = self.draw.choice(self.locks)
        for name in ("dvc.lock", *PARAMETERS, METHOD_CODE):
            shutil.copy(kept / Path(name).name, name)
        dvc("config", "--local", "cache.type", self.draw.choice(["copy", "symlink", "hardlink"]))
        dvc("checkout", "--force", "--quiet")

    def _any_file(self) -> str:
        return self.draw.choice([path for path in made_files() if os.path.getsize(path)])

    def _set_time(self, path: Path) -> None:
        moment = self.draw.choice([0.0, 1.0, 4.3e9, time.time() + 3600, self.draw.uniform(0, 4.3e9)])
        os.utime(path, (moment, moment))
        if path.is_symlink():
            os.utime(path, (moment, moment), follow_symlinks=False)

    # The judges.

    def check(self, edits: list[str]) -> None:
        """Disagreement unless all judges agree before and after the due jobs have run."""
        what, told, chosen = ", ".join(edits), due(), listed()
        if set(told) != chosen:
            raise Disagreement(f"{what}: status {sorted(told.items())}, Snakemake {sorted(chosen)}")
        engine = self.draw.random()
        what += f" (drawn {engine:.2f})"
        data_changed = any("data changed" in state for state in told.values())
        if engine < 0.1 and set(edits) <= DVC_SEES and self.with_dvc and not data_changed:
            self.reproduce()
            left = due() or listed()
        elif engine < 0.2:
            snakemake(*TARGETS)
            left = due() or listed()
        else:
            left = run_due()
        if left:
            raise Disagreement(f"{what}: still due after the run: {left}")
        if tables() != self.of_a_fresh_clone():
            raise Disagreement(f"{what}: the tables are not those of a fresh clone")

    def reproduce(self) -> None:
        """``dvc repro``, which nothing follows but what ``dvc checkout`` can bring back."""
        dvc("repro", "--quiet")
        assert "up to date" in dvc("status"), "dvc status finds something to do after dvc repro"
        kept = self.clones / f"lock{len(self.locks)}"
        kept.mkdir()
        for name in ("dvc.lock", *PARAMETERS, METHOD_CODE):
            shutil.copy(name, kept)
        self.locks.append(kept)
        self.done["reproduce"] += 1

    def of_a_fresh_clone(self) -> dict[str, bytes]:
        """The tables that a clone without any results makes of the same parameters, code and data."""
        here, clone = Path.cwd(), self.clones / "clone"
        digests = [tiny_digest(path) for path in sorted(Path("toy").rglob("*")) if path.is_file()]
        key = "".join(Path(name).read_text() for name in (*PARAMETERS, METHOD_CODE)) + f"{digests}"
        if key not in self.fresh_tables:
            shutil.rmtree(clone, ignore_errors=True)
            left_out = shutil.ignore_patterns("work", ".snakemake", "table2*", "figures", "__pycache__", ".dvc", ".git")
            shutil.copytree(here, clone, symlinks=True, ignore=left_out)
            os.chdir(clone)
            try:
                run_due()
                self.fresh_tables[key] = tables()
            finally:
                os.chdir(here)
        return self.fresh_tables[key]

    def step(self) -> None:
        """One to three edits, then the judges."""
        weights = {name: weight for name, weight in EDITS.items() if name in self.only}
        edits = [self.draw.choices(list(weights), list(weights.values()))[0] for _ in range(self.draw.randint(1, 3))]
        for edit in edits:
            getattr(self, edit)()
            self.done[edit] += 1
        self.check(edits)


EDITS = {
    "change_lambda": 3,
    "change_a_title": 1,
    "change_the_seeds": 1,
    "change_code": 2,
    "mend_a_label": 1,
    "touch_data": 1,
    "lose_a_file": 1,
    "cut_a_file": 1,
    "flip_a_bit": 3,
    "exchange_two_files": 1,
    "set_times": 2,
    "forget_notes": 1,
    "touch_by_snakemake": 1,
    "put_links": 1,
    "save_results": 1,
    "restore_results": 3,
    "check_out_by_dvc": 2,
}
"""How often each is drawn, relative to the others."""
DVC_SEES = set(EDITS) - {"mend_a_label", "flip_a_bit", "touch_data"}
"""DVC does not know of the data sets, and believes a file of the same size and time (docs/freshness.md)."""


def tiny_digest(path: Path) -> str:
    from segadapt.core.artifacts import sha256_file

    return f"{path} {sha256_file(path)}"


def walk(folder: Path, edits: int, seed: int, only: list[str], with_dvc: bool, careless: bool) -> Counter:
    """Makes a toy project in ``folder`` and walks until so many edits are made; how often each edit was."""
    project = folder / "project"
    make_toy(project, careless)
    os.chdir(project)
    # Children find the toy's code. No edit touches what is imported in this process.
    sys.path.insert(0, str(project / "src"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "segadapt"]:
        del sys.modules[name]
    os.environ.update(tiny.environment(project))
    import dvc.cli  # once, for all children
    import dvc.repo  # noqa: F401
    import snakemake.cli  # noqa: F401

    from segadapt.core import chosen
    from segadapt.plan import code

    code._tree, code._module_hash = remember_by_content(code._tree), remember_by_content(code._module_hash)
    plan_here()
    for cached in (code._imports, code._code_hash, code._choices, chosen._homes):
        cached.cache_clear()
    state = Walk(random.Random(seed), folder, only, with_dvc)
    state.check([])
    while state.done.total() < edits:
        state.step()
        print(f"\r{state.done.total()} edits", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return state.done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder to work in")
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=EDITS, default=list(EDITS), help="draw from these edits alone")
    parser.add_argument("--dvc", action="store_true", help="let the due jobs be run by dvc repro, too, now and then")
    parser.add_argument("--careless", action="store_true", help="a control: with a judge that misses something")
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    done = walk(given.folder.absolute(), given.edits, given.seed, given.only, given.dvc, given.careless)
    print(
        f"{done.total()} edits, no disagreement: {', '.join(f'{name} {count}' for name, count in sorted(done.items()))}"
    )


if __name__ == "__main__":
    main()
