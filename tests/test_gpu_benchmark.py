"""``benchmarks/gpu.py`` runs: at tiny sizes on a CPU, without what it says that it does not need."""

import importlib
import json
import sys

import pytest
import tiny

ABSENT = ("pandas", "snakemake", "dvc", "matplotlib", "jinja2", "scipy", "zstandard", "panda3d")


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(tiny.REPOSITORY / "benchmarks"))
    return importlib.import_module("gpu")


def test_a_quick_run_measures_everything(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules |= dict.fromkeys({ABSENT})\n")
    script, out = str(tiny.REPOSITORY / "benchmarks" / "gpu.py"), tmp_path / "gpu.json"
    path = f"PYTHONPATH={tmp_path}:{tiny.REPOSITORY / 'src'}"
    printed = tiny.call(
        tmp_path, "env", path, sys.executable, script, "--quick", "--out", str(out), timeout=3000
    ).stdout
    sections = json.loads(out.read_text())["sections"]
    assert list(sections) == ["ceilings", "losses", "evaluation", "steps", "profile", "pack", "compiled"]
    assert "error" not in json.dumps(sections), printed
    assert sections["ceilings"]["bf16_tflops"] > 0
    objectives = [row for row in sections["losses"].values() if isinstance(row, dict)]
    assert len(objectives) == 7
    assert all(row["repeatable"] and row["gradient_difference"] < 1e-4 for row in objectives)
    assert sections["evaluation"]["labels_and_counts"]["pixels_counted_elsewhere"] == 0
    steps = {name: row for name, row in (sections["steps"] | sections["compiled"]).items() if isinstance(row, dict)}
    strict = steps["as written, strict fp32"]
    for name, row in steps.items():
        tolerance = 0.1 if "bf16" in name else 1e-3
        assert row["first_source_loss"] == pytest.approx(strict["first_source_loss"], rel=tolerance), name
        assert row["first_target_loss"] == pytest.approx(strict["first_target_loss"], rel=tolerance), name
    profiles = [row for row in sections["profile"].values() if isinstance(row, dict)]
    assert len(profiles) == 2 and all(sum(row["groups"].values()) > 0 and row["longest"] for row in profiles)
    assert sections["pack"]["processes"] == 2
    assert all(sections["pack"][str(count)]["images_per_second"] > 0 for count in (1, 2))
    assert len(sections["pack"]["2"]["milliseconds"]) == 2
    for heading in ("# bench gpu", "## ceilings", "## losses", "## steps", "## evaluation", "## profile", "## pack"):
        assert heading in printed
    assert "Not whole" not in printed


def test_a_section_that_fails_or_hangs_leaves_what_it_had(gpu, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    monkeypatch.setattr(gpu, "__file__", str(script))
    noting = "import json, pathlib, sys; pathlib.Path(sys.argv[sys.argv.index('--out') + 1]).write_text('{\"a\": 1}')\n"
    script.write_text(noting + "sys.exit(3)")
    assert gpu.run_section("losses", False, 60) | {"seconds": 0} == {
        "a": 1,
        "error": "ended with exit code 3",
        "seconds": 0,
    }
    script.write_text(noting + "import time; time.sleep(600)")
    monkeypatch.setattr(gpu, "GRACE_SECONDS", 1)
    found = gpu.run_section("losses", False, 1)
    assert found["error"] == "stopped after 1 seconds"


def test_what_fails_within_a_section_is_noted_and_the_rest_goes_on(gpu, tmp_path):
    section = gpu.Section(True, 60, tmp_path / "found.json")
    section.attempt("broken", lambda: 1 / 0)
    section.attempt("whole", lambda: 2)
    section.deadline = 0
    section.attempt("late", lambda: 3)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["broken"]["error"].startswith("ZeroDivisionError")
    assert found["whole"] == 2
    assert found["late"] == {"error": "no time left"}


def test_limits_leave_time_for_what_comes_last(gpu):
    most = gpu.SECTION_SECONDS
    assert list(most) == list(gpu.SECTIONS)
    assert gpu.TOTAL_SECONDS + gpu.GRACE_SECONDS < 600
    assert gpu.TOTAL_SECONDS - sum(list(most.values())[:-1]) >= 200


def test_a_packed_process_that_dies_is_noted(gpu, tmp_path, monkeypatch):
    pack = importlib.import_module("gpu_pack")
    script = tmp_path / "script.py"
    monkeypatch.setattr(pack, "__file__", str(script))
    script.write_text("print(1, flush=True)\ninput()\nraise SystemExit(3)\n")
    section = gpu.Section(True, 60, tmp_path / "found.json")
    section.attempt("processes", lambda: pack._measured(True, section.note))
    assert section.found == {"processes": {"error": "RuntimeError: a process ended with exit code 3"}}
