"""Every cell is traced to its files, a flipped byte is named, and a row without a trace is not printed."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import tiny

from segadapt.cli import main
from segadapt.core.artifacts import sha256_file
from segadapt.core.errors import UserError
from segadapt.core.parameters import read_parameters
from segadapt.models import deeplabv2, initialise, save_model
from segadapt.reporting import read_table
from segadapt.reporting.lineage.explain import explain
from segadapt.reporting.lineage.verify import verify

ROWS = ("source_only", "maxsquare")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose table is made, from initial weights that lie outside of what the pipeline makes."""
    folder = tmp_path_factory.mktemp("explain") / "project"
    parameters = tiny.tiny_parameters(ROWS)
    parameters["presets"]["tiny"]["model"]["initial_weights"] = "toy/weights.safetensors"
    tiny.make_project(folder, parameters)
    write_weights(folder / "toy" / "weights.safetensors")
    tiny.make_here(folder, "results/table2.csv", "results/table2_protocols.csv")
    return folder


def write_weights(path) -> None:
    save_model(path, initialise(deeplabv2("streets", 19, 2, False), 0, "kaiming"), {})


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_cell_names_its_whole_chain(finished):
    found = explain(finished / "results/table2.csv", "MaxSquare", "Road")
    stages = [job["identity"]["stage"] for job in found.jobs]
    assert stages.count("pretrain") == stages.count("adapt") == stages.count("evaluate") == 1
    assert stages.index("prepare") < stages.index("pretrain") < stages.index("adapt") < stages.index("evaluate")
    (training,) = found.trainings
    assert training["identity"]["config"]["method"]["lambda_target"] == 0.1
    assert "toy/weights.safetensors" in found.outside_files()
    metrics = json.loads((finished / found.metrics[0]).read_text())
    assert found.values == [metrics["network"]["IoU"]["road"]]


def test_the_row_and_the_table_agree(finished):
    frame = read_table(finished / "results/table2.csv")
    for key, title in (("source_only", "Source only"), ("maxsquare", "MaxSquare")):
        (printed,) = frame[(frame.method == title) & (frame.origin != "published")]["mIoU"].astype(float)
        assert round(100 * explain(finished / "results/table2.csv", key).values[0], 1) == printed


def test_the_command_prints_it_and_the_remake_line_has_nothing_to_do(finished, capsys):
    assert main(["explain", str(finished / "results/table2.csv"), "maxsquare"]) == 0
    shown = capsys.readouterr().out
    for wanted in ("seed 1:", "adapt/maxsquare/seed1", "method.lambda_target: 0.1", "CPU-hours", "protocol released"):
        assert wanted in shown
    inputs = shown.split("Inputs (SHA-256)\n")[1].split("\n\n")[0]
    manifests = [f"work/tiny/cache/{name}/manifest.json" for name in ("source_train", "target_train", "target_val")]
    for path in ("toy/weights.safetensors", *manifests):
        assert f"{sha256_file(finished / path)}  {path}" in inputs
    remake = shlex.split(shown.split("--cores 2 ")[-1])
    assert remake[-4:] == ["--config", "preset=tiny", "protocol=released", "seeds=[1]"]
    assert tiny.jobs_to_run(finished, *remake) == []


@pytest.mark.parametrize("method", ["maxsquares", "MinEnt", ""])
def test_an_unknown_row_is_refused_with_those_there_are(finished, method):
    with pytest.raises(UserError, match="source_only, maxsquare"):
        explain(finished / "results/table2.csv", method)


def test_an_unknown_class_is_refused(finished):
    with pytest.raises(UserError, match="no column 'tram'"):
        explain(finished / "results/table2.csv", "maxsquare", "tram")


def test_a_table_without_lineage_says_so(finished, tmp_path):
    record = json.loads((finished / "results/table2.provenance.json").read_text())
    del record["lineage"]
    (tmp_path / "table2.provenance.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="make the table again"):
        explain(tmp_path / "table2.csv", "maxsquare")


@pytest.mark.parametrize("folder", ["streets", "camvid"])
def test_the_committed_tables_are_explained(folder, capsys):
    table = tiny.REPOSITORY / "results" / folder / "table2.csv"
    for row in ("source_only", "maxsquare_iw_multi"):
        assert main(["explain", str(table), row]) == 0
        text = capsys.readouterr().out
        assert "Made by" in text and "commit" in text and f"preset={folder}" in text
    assert verify(table, tiny.REPOSITORY)[0] == []


def test_a_row_against_another_is_explained_as_the_row_that_it_is(capsys):
    table = tiny.REPOSITORY / "results/streets/table7_statistics.csv"
    name = "dacs against mixed_zero"
    assert explain(table, name).row == explain(table, "dacs").row
    assert explain(table, name, "difference").values != explain(table, "dacs", "difference").values
    assert main(["explain", str(table), name]) == 0
    assert capsys.readouterr().out.startswith(f"{explain(table, name).title}, mIoU")


@pytest.mark.parametrize("name", ["table2_measures", "renamed"])
def test_what_lies_beside_a_table_is_told_apart_by_name(name, tmp_path):
    """The measures and the ranking are both a CSV of one job."""
    made = tiny.REPOSITORY / "results/camvid"
    for suffix in (".csv", ".md", ".provenance.json"):
        shutil.copy(made / f"table2_measures{suffix}", tmp_path / f"{name}{suffix}")
    ranking = Path(shutil.copy(made / "table2_ranking.csv", tmp_path))
    table = tmp_path / f"{name}.csv"
    differs, absent, agree = verify(table, tmp_path)
    assert not differs and not {str(table), str(ranking), str(table.with_suffix(".md"))} & set(absent) and agree == 3
    for path in (ranking, table):
        flip(path)
        assert path in [each.path for each in verify(table, tmp_path)[0]]


def test_an_untouched_project_verifies(finished):
    differs, absent, agree = verify(finished / "results/table2.csv", finished)
    assert (differs, absent) == ([], []) and agree > 15


@pytest.mark.parametrize(
    "path",
    [
        "work/tiny/cache/source_train/pack.bin",
        "work/tiny/cache/source_train/manifest.json",
        "toy/weights.safetensors",
        "work/tiny/models/maxsquare/seed1/model.safetensors",
        "work/tiny/models/maxsquare/seed1/snapshot000003.safetensors",
        "work/tiny/models/maxsquare/seed1/history.csv",
        "work/tiny/models/maxsquare/seed1/provenance.json",
        "work/tiny/metrics/maxsquare/seed1/metrics.json",
        "work/tiny/metrics/maxsquare/seed1/confusion.safetensors",
        "results/table2.csv",
        "results/table2.md",
        "results/table2.tex",
        "results/table2.html",
        "results/table2.json",
    ],
)
def test_a_flipped_byte_is_named(finished, monkeypatch, capsys, path):
    monkeypatch.chdir(finished)
    flip(finished / path)
    try:
        differs, absent, _ = verify(Path("results/table2.csv"))
        status = main(["explain", "results/table2.csv", "maxsquare", "--verify"])
        assert f"{path}: {sha256_file(Path(path))[:16]} instead of" in capsys.readouterr().out
    finally:
        flip(finished / path)
    assert status == 1 and [each.path for each in differs] == [Path(path)] and not absent
    assert "MaxSquare" in differs[0].rows
    assert ("Source only" in differs[0].rows) == ("maxsquare" not in path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda record: record["lineage"]["rows"][1]["values"]["mIoU"].__setitem__(0, 0.99),
        lambda record: record["identity"]["config"]["seeds"].append(2),
        lambda record: record.update(commit="another"),
        lambda record: next(iter(record["lineage"]["jobs"].values())).update(cpu_seconds=0.0),
    ],
)
def test_an_edited_record_of_the_table_is_named(finished, tmp_path, edit):
    for path in (finished / "results").glob("table2.*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / "table2.provenance.json"
    record = json.loads(path.read_text())
    assert verify(tmp_path / "table2.csv", finished)[0] == []
    edit(record)
    path.write_text(json.dumps(record))
    assert [each.path for each in verify(tmp_path / "table2.csv", finished)[0]] == [path]


def test_the_table_of_protocols_is_traced_too(finished, tmp_path):
    table = finished / "results/table2_protocols.csv"
    metrics = json.loads((finished / "work/tiny/metrics/maxsquare/seed1/metrics.json").read_text())
    assert explain(table, "maxsquare").values == [metrics["network"]["mIoU"]]
    assert explain(table, "maxsquare", "mIoU native flip").values == [metrics["variants"]["native flip"]]
    oracle = max(metrics["steps"], key=lambda step: (step["network"], step["step"]))
    assert explain(table, "maxsquare", "mIoU native oracle step").values == [oracle["native"]]
    differs, absent, agree = verify(table, finished)
    assert (differs, absent) == ([], []) and agree > 15
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, symlinks=True)
    flip(copy / "results/table2_protocols.md")
    differs, _, _ = verify(copy / "results/table2_protocols.csv", copy)
    assert [each.path.name for each in differs] == ["table2_protocols.md"]


def test_a_row_that_cannot_be_traced_is_left_out(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, symlinks=True)
    (copy / "work/tiny/models/maxsquare/seed1/provenance.json").unlink()
    (copy / "results/table2.provenance.json").unlink()
    card = "work/tiny/cards/table/table2.json"
    result = tiny.call(copy, tiny.sys.executable, "-m", "segadapt.stages.table", card)
    frame = read_table(copy / "results/table2.csv")
    assert list(frame[frame.origin != "published"]["method"]) == ["Source only"]
    assert "row MaxSquare is left out" in result.stderr and "provenance.json" in result.stderr
    assert "MaxSquare" in (copy / "results/table2.md").read_text()


def test_a_row_whose_job_fails_is_missing_with_its_log_until_the_next_run(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, symlinks=True)
    parameters = read_parameters(copy / "params.yaml")
    parameters["experiments"]["table2"]["rows"] = ["source_only", "minent", "maxsquare"]
    tiny.write_parameters(copy, parameters)
    loss = copy / "src/segadapt/methods/entropy.py"
    sound = loss.read_text()
    loss.write_text(sound + "\nraise RuntimeError('a slip in this method')\n")
    page = "results/report/index.html"
    result = tiny.snakemake(copy, "results/table2.csv", page, "--keep-going", check=False)
    assert result.returncode != 0
    frame = read_table(copy / "results/table2.csv").query("origin != 'published'").set_index("method")
    assert frame["seeds"].to_dict() == {"Source only": 1, "MinEnt": 0, "MaxSquare": 1}
    log = "work/tiny/logs/adapt/minent/seed1.log"
    assert f"adapt/minent/seed1 failed, see {log}" in (copy / "results/table2.md").read_text().replace("\\", "")
    assert f"Missing: adapt/minent/seed1 failed, see {log}." in (copy / page).read_text()
    assert "a slip in this method" in (copy / log).read_text()
    loss.write_text(sound)
    assert tiny.jobs_to_run(copy, "results/table2.csv") == [
        "adapt/minent/seed1",
        "evaluate/minent/seed1",
        "table/table2",
    ]
