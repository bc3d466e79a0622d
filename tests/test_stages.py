"""The registry of stages: what it names is there, and what is there it names."""

from pathlib import Path

import pytest
import yaml
from tiny import REPOSITORY

from segadapt.cli import main
from segadapt.core.parameters import load_parameters
from segadapt.core.stages import COMPANIONS, FOLDERS, PHASES, STAGES, page_of
from segadapt.plan import make_plan

PLAN = make_plan(load_parameters(REPOSITORY / "params.yaml", {"preset": "streets"}))


def files_in(folder: str) -> set[str]:
    return {path.stem for path in (REPOSITORY / "src/segadapt" / folder).glob("[a-z]*.py")}


def test_every_script_is_a_stage_and_every_stage_has_one():
    assert {stage.module.rpartition(".")[2] for stage in STAGES.values()} == files_in("stages") - {"runner"}


def test_every_figure_is_a_file_that_draws_it():
    figures = {stage.config["figure"] for stage in STAGES.values() if stage.script == "figure"}
    drawn = {name for name in files_in("reporting/figures") if "def draw(job" in figure_file(name).read_text()}
    assert figures == drawn


def figure_file(name: str) -> Path:
    return REPOSITORY / "src/segadapt/reporting/figures" / f"{name}.py"


def test_every_caption_is_a_text_of_the_report_and_every_text_is_one():
    texts = {path.stem for path in (REPOSITORY / "workflow/report").glob("*.rst")}
    assert {text for stage in STAGES.values() for text in stage.captions.values()} == texts
    assert all(stage.captions.keys() <= stage.files.keys() for stage in STAGES.values())


def test_dvc_versions_every_phase_and_every_folder_once():
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert tuple(stages) == PHASES
    versioned = [
        path.removeprefix("work/${preset}/") for each in stages.values() for out in each["outs"] for path in out
    ]
    assert sorted(versioned) == sorted(FOLDERS)


def test_no_two_jobs_make_the_same_file_and_each_is_of_one_stage():
    assert sum(len(jobs) for _, jobs in PLAN.stages) == len(PLAN.jobs)
    made = [path for job in PLAN.jobs for path in (*job.outputs.values(), job.provenance)]
    assert len(made) == len(set(made)) and set(made) == set(PLAN.by_output)


def test_jobs_of_a_stage_make_the_same_files():
    # Snakemake's rules take the first one's for the pattern of all.
    for stage, jobs in PLAN.stages:
        for job in jobs:
            assert list(job.outputs) == list(jobs[0].outputs), stage.name
            patterns = stage.patterns("streets", [])
            assert {role: patterns[role].format(**job.subject) for role in stage.files} == {
                role: path for role, path in job.outputs.items() if role in stage.files
            }


@pytest.mark.parametrize("ending", [ending for ending, page in COMPANIONS.items() if page])
def test_show_prints_what_goes_with_a_table_in_words(tmp_path, capsys, ending):
    csv = tmp_path / f"table2{ending}.csv"
    csv.write_text("method,hours\nMaxSquare,1\n")
    page_of(csv).write_text("# The same in words\n")
    assert main(["show", str(csv)]) == 0
    assert capsys.readouterr().out.strip() == "# The same in words"


@pytest.mark.parametrize("name", ["table2", "my_costs_table", "figures/table2_classes"])
def test_other_tables_have_no_page_of_their_own(name):
    assert page_of(Path(f"results/{name}.csv")) is None


def test_no_output_path_is_spelled_a_second_time():
    names = {name for stage in STAGES.values() for name in (*stage.files.values(), stage.record) if "{" not in name}
    folders = {f"/{folder}/" for folder in FOLDERS} | {"/seed{"}
    files = [*(REPOSITORY / "src/segadapt/plan").glob("*.py"), *(REPOSITORY / "workflow/rules").glob("*.smk")]
    for path in [*files, REPOSITORY / "Snakefile"]:
        text = path.read_text()
        assert not [each for each in sorted(names | folders) if each in text], path
