"""The random walk of ``freshness_walk.py`` in a process of its own, for it forks and imports a toy project's code."""

import re
import sys

import pytest
import tiny

SCRIPT = str(tiny.REPOSITORY / "tests" / "freshness_walk.py")


def walk(folder: str, *arguments: str, check: bool = True):
    command = (sys.executable, SCRIPT, folder, *arguments)
    return tiny.call(tiny.REPOSITORY, *command, check=check, timeout=3000)


@pytest.mark.parametrize("seed", [1, 2])
def test_all_judges_agree_after_every_edit(tmp_path, seed):
    printed = walk(str(tmp_path / "walk"), "--edits", "100", "--seed", str(seed)).stdout
    assert int(re.match(r"(\d+) edits, no disagreement", printed)[1]) >= 100


def test_a_careless_judge_is_caught(tmp_path):
    """Negative control: a flipped bit whose file has its time put back."""
    edits = ("--edits", "60", "--only", "flip_a_bit", "change_lambda")
    assert "no disagreement" not in walk(str(tmp_path / "walk"), *edits, "--careless", check=False).stdout


def test_a_flipped_bit_heals(tmp_path):
    """The same edits with the judge as it is."""
    edits = ("--edits", "20", "--only", "flip_a_bit", "change_lambda")
    assert "no disagreement" in walk(str(tmp_path / "walk"), *edits).stdout
