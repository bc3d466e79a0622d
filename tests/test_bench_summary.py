"""``benchmarks/summary.py``: every bar in one table, and an exit code that says when one is missed."""

import importlib
import json

import pytest
import tiny

BENCHMARKS = tiny.REPOSITORY / "benchmarks"


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    summary = importlib.import_module("summary")
    monkeypatch.setattr(summary, "RESULTS", tmp_path)
    monkeypatch.setattr(summary, "BENCHMARKS", ())

    def write(name, *bars):
        whole = [{"what": what, "measured": measured, "at_least": bar} for what, measured, bar in bars]
        content = {"machine": "a machine", "commit": "abc", "bars": whole}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        monkeypatch.setattr(summary, "BENCHMARKS", (*summary.BENCHMARKS, name))
        return summary

    return write


def test_all_bars_met_is_a_table(results, tmp_path):
    results("sgd", ("a step", 2.5, 2))
    results("plan").main()
    text = (tmp_path / "README.md").read_text()
    assert "| [sgd](sgd.md) | a step | 2.5 | 2 | yes |" in text
    assert "* a machine; commit abc: sgd, plan" in text
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_a_missed_bar_is_named_and_fails(results, tmp_path):
    summary = results("losses", ("entropy", 11.99, 12), ("memory", 20, 20))
    with pytest.raises(SystemExit, match=r"losses: entropy: 11\.99, not 12$"):
        summary.main()
    assert "| entropy | 11.99 | 12 | **no** |" in (tmp_path / "README.md").read_text()


def test_a_benchmark_that_never_ran_is_no_met_bar(results, tmp_path):
    summary = results("sgd", ("a step", 2.5, 2))
    (tmp_path / "sgd.json").unlink()
    with pytest.raises(SystemExit, match=r"sgd\.json is missing: run python benchmarks/sgd\.py"):
        summary.main()


def test_make_bench_runs_every_benchmark_that_needs_no_gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    recipe = (tiny.REPOSITORY / "Makefile").read_text().partition("\nbench:")[2].partition("done")[0]
    named = recipe.partition("for name in ")[2].partition(";")[0].split()
    with_main = {path.stem for path in BENCHMARKS.glob("*.py") if "write_results(" in path.read_text()}
    assert set(named[:-1]) == with_main - {"common"} and named[-1] == "summary"
    assert tuple(named[:-1]) == importlib.import_module("summary").BENCHMARKS


def test_the_steps_that_are_timed_with_a_teacher_can_be_made(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    teacher = importlib.import_module("teacher")
    for name, entry in teacher.ENTRIES.items():
        step = teacher.make_step("streets", entry, tmp_path)
        assert [bool(step().isfinite()) for _ in range(2)] == [True, True], name
