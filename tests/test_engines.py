"""The real Snakemake and the real DVC on a shrunken preset: what runs, what does not, what survives a kill."""

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

ROWS = ("source_only", "maxsquare", "maxsquare_iw_multi")
# What shows every row, and what shows the unadapted model and MaxSquare alone.
FIGURES = ["figure/curves", "figure/gallery", "figure/qualitative", "figure/table2_classes"]
OF_MAXSQUARE = ["figure/figure2", "figure/figure4"]
TABLES = ["costs/table2", "measures/table2", "scoring/table2", "statistics/table2", "table/table2"]
JOBS_OF_MAXSQUARE = sorted(
    ["adapt/maxsquare/seed1", "evaluate/maxsquare/seed1", *FIGURES, *OF_MAXSQUARE, *TABLES, "report"]
)
UP_TO_DATE = "Data and pipelines are up to date."


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """A project under git and DVC in which nothing has run."""
    folder = tiny.make_project(tmp_path_factory.mktemp("engines") / "fresh", tiny.tiny_parameters(ROWS))
    shutil.copytree(tiny.REPOSITORY / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    git = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org")
    tiny.call(folder, "git", "init", "--quiet")
    tiny.call(folder, "git", "add", "--all")
    tiny.call(folder, *git, "commit", "--quiet", "--message", "a project")
    return folder


@pytest.fixture(scope="module")
def finished(fresh) -> Path:
    """The same project after ``dvc repro``, with its results in a local remote and its lock file committed."""
    folder = fresh.with_name("finished")
    shutil.copytree(fresh, folder, symlinks=True)
    dvc(folder, "repro")
    dvc(folder, "remote", "add", "--default", "store", str(fresh.with_name("store")))
    dvc(folder, "push")
    tiny.call(folder, "git", "add", "--all")
    git = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org")
    tiny.call(folder, *git, "commit", "--quiet", "--message", "results")
    return folder


def dvc(folder: Path, *arguments: str) -> str:
    result = tiny.call(folder, sys.executable, "-m", "dvc", *arguments)
    return result.stdout + result.stderr


def made(folder: Path) -> dict[str, bytes]:
    """Hashes of every model, history, metric and table; provenance and costs hold times and are left out."""
    files = [*folder.glob("work/tiny/*/*/seed*/*"), *folder.glob("work/tiny/results/table2*")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
        for path in files
        if "provenance" not in path.name and "_costs" not in path.name
    }


def provenance_times(folder: Path) -> dict[str, str]:
    """The content of every provenance file: it holds the run time, so a job that ran again shows."""
    files = [*folder.glob("work/tiny/**/provenance.json"), *folder.glob("results/**/*.provenance.json")]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def copy_of(folder: Path, name: str) -> Path:
    target = folder.with_name(name)
    shutil.copytree(folder, target, symlinks=True)
    return target


def test_a_second_repro_runs_nothing(finished):
    before = provenance_times(finished)
    assert len(made(finished)) == 2 * 4 + 2 + 2 * 3 + 12  # models, histories, snapshots, metrics, tables
    assert UP_TO_DATE in dvc(finished, "repro")
    assert provenance_times(finished) == before


def test_snakemake_after_repro_runs_nothing(finished):
    assert tiny.jobs_to_run(finished) == []


def test_a_fresh_clone_after_pull_runs_nothing_in_either_engine(finished):
    clone = finished.with_name("clone")
    tiny.call(finished.parent, "git", "clone", "--quiet", str(finished), str(clone))
    dvc(clone, "pull")
    assert made(clone) == made(finished)
    files = [path for path in clone.rglob("work/**/*") if path.is_file()]
    for path in random.Random(0).sample(files, len(files)):
        os.utime(path, (time.time(), time.time() - random.Random(str(path)).uniform(0, 1e5)))
    assert tiny.jobs_to_run(clone) == []
    shown, kept = clone / "results", clone / "work/tiny/results"
    assert (shown / "table2.csv").read_bytes() == (kept / "table2.csv").read_bytes()
    assert (shown / "figures/curves.png").is_file(), "what was pulled is put where it is looked for"
    before = provenance_times(clone)
    assert UP_TO_DATE in dvc(clone, "repro")
    assert provenance_times(clone) == before


@pytest.fixture(scope="module")
def edited(finished) -> Path:
    """The finished project, its files links into DVC's store, after an experiment with another λ."""
    project = copy_of(finished, "edited")
    dvc(project, "config", "--local", "cache.type", "hardlink")
    dvc(project, "checkout", "--relink")
    assert (project / "work/tiny/models/maxsquare/seed1/model.safetensors").stat().st_nlink == 2
    dvc(project, "exp", "run", "-S", "methods.maxsquare.lambda_target=0.02")
    return project


def test_an_edited_lambda_is_listed(finished):
    project = copy_of(finished, "listed")
    parameters = tiny.tiny_parameters(ROWS)
    parameters["methods"]["maxsquare"]["lambda_target"] = 0.02
    tiny.write_parameters(project, parameters)
    assert tiny.jobs_to_run(project) == JOBS_OF_MAXSQUARE


def test_an_edited_lambda_remakes_that_method_and_the_table(finished, edited):
    before, after = provenance_times(finished), provenance_times(edited)
    changed = sorted(path for path in after if after[path] != before.get(path))
    assert changed == [
        "results/figures/curves.provenance.json",
        "results/figures/figure2.provenance.json",
        "results/figures/figure4.provenance.json",
        "results/figures/gallery.provenance.json",
        "results/figures/qualitative.provenance.json",
        "results/figures/table2_classes.provenance.json",
        "results/report/index.provenance.json",
        "results/table2.provenance.json",
        "results/table2_costs.provenance.json",
        "results/table2_measures.provenance.json",
        "results/table2_protocols.provenance.json",
        "results/table2_statistics.provenance.json",
        "work/tiny/metrics/maxsquare/seed1/provenance.json",
        "work/tiny/models/maxsquare/seed1/provenance.json",
    ]
    assert tiny.jobs_to_run(edited) == []


def test_what_links_lead_to_is_left_as_it_was(edited):
    kept = [path for path in (edited / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
    for path in kept:
        assert hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.name.removesuffix(".dir")
    assert len(kept) > 60


def test_dvc_sees_a_key_of_the_preset(finished):
    project = copy_of(finished, "preset")
    assert UP_TO_DATE in dvc(project, "status")
    preset = project / "presets/tiny.yaml"
    preset.write_text(preset.read_text().replace("log_steps: 1\n", "log_steps: 2\n"))
    assert "presets/tiny.yaml" in dvc(project, "status")
    (project / "weights" / "toy.safetensors").write_bytes(b"made again")
    assert re.search(r"modified:\s+weights", dvc(project, "status"))


def test_code_that_matters_reruns_its_jobs_and_comments_do_not(finished):
    project = copy_of(finished, "code")
    squares = project / "src/segadapt/losses/max_squares.py"
    squares.write_text(squares.read_text() + "\n# a remark\n")
    assert tiny.jobs_to_run(project) == []
    squares.write_text(squares.read_text() + "\nHALF = 0.5\n")
    multi = ["evaluate/maxsquare_iw_multi/seed1", "refine/maxsquare_iw_multi/seed1"]
    # Figure 1 is drawn from the losses themselves.
    assert tiny.jobs_to_run(project) == sorted([*JOBS_OF_MAXSQUARE, *multi, "figure/figure1"])


def test_a_new_seed_and_a_new_row_run_only_their_own_jobs(finished):
    project = copy_of(finished, "row")
    tiny.write_parameters(project, tiny.tiny_parameters((*ROWS, "minent")))
    new = ["adapt/minent/seed1", "evaluate/minent/seed1"]
    assert tiny.jobs_to_run(project) == sorted([*new, *FIGURES, *TABLES, "report"])


def test_experiments_show_and_differ(edited):
    assert "0.02" in dvc(edited, "params", "diff")
    assert "index.html" in dvc(edited, "plots", "diff")
    page = (edited / "dvc_plots/index.html").read_text()
    assert all(f'"rev": "{revision}"' in page for revision in ("HEAD", "workspace")), "a bar of each"


def test_experiments_have_readable_columns_and_whole_numbers(edited):
    """The command of docs/dvc.md, and what a table rounds."""
    documented = re.search(r"^    dvc (exp show .*)$", (tiny.REPOSITORY / "docs/dvc.md").read_text(), re.MULTILINE)[1]
    header = dvc(edited, *shlex.split(documented), "--csv").splitlines()[0].split(",")
    assert "methods.maxsquare.lambda_target" in " ".join(header) and len(header) < 20, header
    (told,) = json.loads(dvc(edited, "metrics", "show", "--json"))[""]["data"].values()
    scores = json.loads((edited / "work/tiny/metrics/maxsquare/seed1/metrics.json").read_text())
    assert told["data"]["mIoU"]["maxsquare"] in [100 * scores[size]["mIoU"] for size in ("network", "native")]


def kill_after(project: Path, command: tuple[str, ...], seconds: float, whole_group: bool) -> None:
    """Starts a command and sends SIGKILL to it, or to it and all its children, unless it ends before."""
    process = subprocess.Popen(
        command, cwd=project, env=tiny.environment(project), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()


def test_a_kill_of_snakemake_changes_no_byte(fresh, finished):
    """SIGKILL to Snakemake alone (its jobs live on) or to the whole group, then the same command again."""
    project = copy_of(fresh, "killed")
    tables = [f"results/table2{kind}.csv" for kind in ("", "_protocols", "_statistics", "_measures", "_ranking")]
    command = (sys.executable, "-m", "snakemake", "--cores", "2", *tables)
    moments = random.Random(7)
    for whole_group in (False, True, False):
        kill_after(project, command, moments.uniform(6, 14), whole_group)
    tiny.call(project, *command)
    assert made(project) == made(finished)


def test_a_kill_of_dvc_changes_no_byte(fresh, finished):
    """The lock files that DVC leaves behind do not stop the same command."""
    project = copy_of(fresh, "killed-dvc")
    command = (sys.executable, "-m", "dvc", "repro", "pretrain")  # what comes after, the kill of Snakemake has made
    for seconds in (9, 14):
        kill_after(project, command, seconds, whole_group=True)
    dvc(project, "repro", "pretrain")
    sources = {path: each for path, each in made(finished).items() if path.startswith("work/tiny/sources/")}
    assert made(project) == sources and len(sources) == 4
    assert UP_TO_DATE in dvc(project, "repro", "pretrain")


def test_a_missing_folder_is_one_sentence(fresh):
    project = copy_of(fresh, "missing")
    result = tiny.snakemake(project, "results/table2.csv", "--config", "preset=paper", check=False)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "folder datasets/GTA5 is missing: get GTA5 from the authors' page" in output
    assert not (project / "results/table2.csv").exists()
