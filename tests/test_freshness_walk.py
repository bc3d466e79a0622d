"""The random walk of ``freshness_walk.py`` in a process of its own, for it forks and imports a toy project's code."""

import re
import sys

import pytest
import tiny


@pytest.mark.parametrize("seed", [1, 2])
def test_all_judges_agree_after_every_edit(tmp_path, seed):
    script = str(tiny.REPOSITORY / "tests" / "freshness_walk.py")
    result = tiny.call(
        tiny.REPOSITORY, sys.executable, script, str(tmp_path / "walk"), "--edits", "100", "--seed", str(seed),
        timeout=1800,
    )  # fmt: skip
    assert int(re.match(r"(\d+) edits, no disagreement", result.stdout)[1]) >= 100


def test_a_judge_that_trusts_sizes_is_caught(tmp_path):
    """Negative control: hashes that no flipped bit changes."""
    careless = tmp_path / "sitecustomize.py"
    careless.write_text(
        "import importlib, os\n"
        "import segadapt.core.seen as seen\n"
        "seen.Memo.sha256 = lambda self, path: None if not os.path.isfile(path) else str(os.path.getsize(path))\n"
    )
    script = str(tiny.REPOSITORY / "tests" / "freshness_walk.py")
    result = tiny.call(
        tiny.REPOSITORY, "env", f"PYTHONPATH={tmp_path}:{tiny.REPOSITORY / 'src'}", sys.executable, script,
        str(tmp_path / "walk"), "--edits", "100", "--seed", "1", check=False,
    )  # fmt: skip
    assert "Disagreement" in result.stderr
