"""A drawn part of the fault suite, whose whole is ``make faults``; and that it can fail."""

import json
import os
import subprocess
import sys

import tiny
from faults.case import Verdict
from faults.record import Journal, write_figures
from faults.suite import FAMILIES, all_cases, drawn_cases


def suite(*arguments: str) -> str:
    """Runs it in a process of its own, which may fork as it likes; AssertionError with its words if it fails."""
    environment = os.environ | {"PYTHONPATH": str(tiny.REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults", *arguments]
    done = subprocess.run(command, cwd=tiny.REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_drawn_part_ends_as_it_should():
    assert "wrong 0, silent 0, stuck 0, traceback 0" in suite("--drawn", "30", "--seed", "14")


def test_without_its_checks_the_project_does_not_pass():
    found = suite("--controls")
    assert "healed" not in found and "refused" not in found


def test_a_draw_has_all_families_and_is_the_same_again():
    cases = drawn_cases(40, 3)
    assert {case.family for case in cases} == set(FAMILIES)
    assert cases == drawn_cases(40, 3) != drawn_cases(40, 4)
    assert len(all_cases()) >= 900


def test_an_interrupted_run_finds_its_own_good_verdicts_again(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    journal = Journal(path)
    journal.add(Verdict("kills:a", "healed"))
    journal.add(Verdict("kills:b", "stuck", "why"))
    with open(path, "a") as file:
        file.write('{"name": "kills:c", "outc')
    assert set(Journal(path).found) == {"kills:a"}
    other = path.read_text().replace("code", "other")
    path.write_text(other)
    assert set(Journal(path, mended=True).found) == {"kills:a"}
    path.write_text(other)
    assert Journal(path).found == {}


def test_figures_count_every_outcome_once(tmp_path):
    verdicts = [Verdict("kills:a", "healed"), Verdict("kills:b", "silent", "why"), Verdict("clocks:c", "skipped")]
    write_figures(verdicts, {"inputs": "silent"}, 9, tmp_path)
    found = json.loads((tmp_path / "faults.json").read_text())
    assert found["families"]["kills"] | {"seconds": 0} == {
        "tried": 2, "healed": 1, "refused": 0, "wrong": 0, "silent": 1, "stuck": 0, "traceback": 0, "skipped": 0,
        "seconds": 0,
    }  # fmt: skip
    assert found["all"]["tried"] == 2 and found["not as it should be"][0]["name"] == "kills:b"
    page = (tmp_path / "README.md").read_text()
    assert "`kills:b`: why" in page and "--mended" not in page
    of_two = [Verdict("kills:a", "healed", commit="one"), Verdict("kills:b", "healed", commit="two")]
    write_figures(of_two, {}, 9, tmp_path)
    assert json.loads((tmp_path / "faults.json").read_text())["cases by commit"] == {"one": 1, "two": 1}
    page = (tmp_path / "README.md").read_text()
    assert "(`--mended`): 1 at one, 1 at two" in page and "2 of 9 cases" in page and "controls" not in page
