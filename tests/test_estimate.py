"""``segadapt estimate``: the lines of a table and their sums, what has run, the command and its refusals."""

import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import toy_classification

from segadapt.cli import main
from segadapt.core import provenance
from segadapt.core.devices import DEVICES
from segadapt.core.metering import Cost
from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.models.counting import pass_work
from segadapt.plan import make_plan
from segadapt.plan.estimate.measured import so_far
from segadapt.plan.estimate.passes import TRAINING, passes
from segadapt.plan.estimate.table import Estimator, lines, table_jobs
from segadapt.reporting.estimate import figure

ROWS = ("source_only", "source_continued", "target_forwarded", "minent", "maxsquare_iw_multi")
H200 = DEVICES["h200"]


def plan_of(rows=ROWS, edit=lambda parameters: None):
    parameters = tiny.tiny_parameters(rows)
    edit(parameters)
    return make_plan(parameters_from(parameters, "tiny"))


# --- tables ---------------------------------------------------------------------------------------


def test_every_job_stands_in_one_line_and_source_models_in_their_own():
    plan = plan_of((*ROWS, "advent", "advent_minent", "advent_ensemble"))
    jobs = table_jobs(plan, "table2")
    names = [job.name for own in jobs.values() for job in own]
    stages = (*TRAINING, "evaluate", "pseudo_label")
    assert sorted(names) == sorted(job.name for job in plan.jobs if job.stage in stages)
    assert [job.name for job in jobs["source model: source"]] == ["pretrain/source/seed1"]
    assert [job.name for job in jobs["source model: source_multi"]] == ["pretrain/source_multi/seed1"]
    assert [job.name for job in jobs["Source only"]] == ["evaluate/source/seed1"]
    assert [job.name for job in jobs["AdvEnt+MinEnt"]] == ["evaluate/advent_ensemble/seed1"]
    assert [job.name.rpartition("/")[0] for job in jobs["MaxSquare+IW+Multi"]] == [
        "refine/maxsquare_iw_multi",
        "evaluate/maxsquare_iw_multi",
    ]
    alone = table_jobs(plan_of(("source_only", "advent_ensemble")), "table2")
    assert len(alone["AdvEnt+MinEnt"]) == 3, "its members, which are no rows here"


def test_the_oracle_is_its_rows_own():
    def edit(parameters):
        preset = parameters["presets"]["tiny"]
        preset["oracle"] = preset["pretrain"] | {"source": "target_train_labelled"}

    jobs = table_jobs(plan_of(("source_only", "oracle"), edit), "table2")
    names = [job.name for job in jobs["Oracle (target labels)"]]
    assert names == ["pretrain/oracle/seed1", "evaluate/oracle/seed1"]


def test_rows_of_several_settings_stay_apart():
    def edit(parameters):
        parameters["presets"]["tiny"]["settings"] = {"other": {"protocol": {"aspp_branches": 4}}}

    plan = plan_of(("source_only", "maxsquare", "other/source_only", "other/maxsquare"), edit)
    jobs = table_jobs(plan, "table2")
    assert list(jobs)[:3] == ["source model: source", "source model: other/source", "Source only"]
    assert jobs["other: MaxSquare"][0].name == "adapt/other/maxsquare/seed1"
    assert len({job.name for own in jobs.values() for job in own}) == sum(map(len, jobs.values())) == 8


def test_a_cell_that_is_a_row_already_is_not_counted_again():
    def edit(parameters):
        sweep = {"method": "maxsquare", "parameter": "lambda_target", "values": [0.2, 0.1]}
        parameters["experiments"]["table2"]["sweeps"] = [sweep]

    jobs = table_jobs(plan_of(("maxsquare",), edit), "table2")
    counts = {title: len(own) for title, own in jobs.items()}
    cells = {"MaxSquare, λ_T = 0.2": 2, "MaxSquare, λ_T = 0.1": 0}
    assert counts == {"source model: source": 1, "MaxSquare": 2} | cells


def test_a_table_of_classifiers_is_estimated_too():
    plan = make_plan(parameters_from(toy_classification.parameters(seeds=(1,)), "tiny"))
    jobs = table_jobs(plan, "table1")
    assert list(jobs) == ["Source only", "target forwarded, λ=0", "DANN", "MaxSquare"]
    # Two tasks; a model is trained for each and scored.
    assert [len(own) for own in jobs.values()] == [4] * 4
    rows = {line.title: line for line in lines(Estimator(plan, pass_work), jobs, H200)}
    assert rows["MaxSquare"].amount.steps == 2 * 4 and rows["MaxSquare"].images == "8 of 28x28 + 8 of 28x28"
    (joint,) = passes(plan.by_name["train_classifier/clean_to_camera/dann/seed1"], plan)
    assert (joint.task, joint.batch_size, joint.size, joint.learns) == ("classification", 16, (28, 28), True)
    # By hand: an eighth of the images, forward alone, is less than an eighth of the work with the backward.
    assert 0 < pass_work(replace(joint, batch_size=2, learns=False)).flops < pass_work(joint).flops / 8


def test_seeds_multiply_and_the_sum_is_that_of_all_jobs():
    one, three = plan_of(), plan_of(edit=lambda parameters: parameters.update(seeds=[1, 2, 3]))
    totals = []
    for plan in (one, three):
        estimator = Estimator(plan, pass_work)
        jobs = table_jobs(plan, "table2")
        rows = lines(estimator, jobs, H200)
        every = estimator.amount([job for job in plan.jobs if job.stage in (*TRAINING, "evaluate")], H200)
        for name in ("steps", "scored_images", "flops", "bytes", "seconds"):
            assert sum(getattr(row.amount, name) for row in rows) == pytest.approx(getattr(every, name))
        totals.append(every)
        assert [row.images for row in rows][:2] == ["64x32", "64x32"] and rows[-1].images == "64x32 + 64x32"
    assert totals[0].steps == 6 * (2 + 4)
    assert totals[1].flops == 3 * totals[0].flops


def test_each_pass_is_counted_once():
    plan, asked = plan_of(edit=lambda parameters: parameters.update(seeds=[1, 2, 3])), Counter()

    def counting(each):
        asked[each] += 1
        return pass_work(each)

    lines(Estimator(plan, counting), table_jobs(plan, "table2"), H200)
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (1295.6, "1,296"), (12.345, "12.3"), (0.01234, "0.0123"), (999.7, "1,000")]
)
def test_figures(value, shown):
    assert figure(value) == shown


# --- what has run ---------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: "toy")
    tiny.write_parameters(tmp_path, tiny.tiny_parameters(ROWS))
    return make_plan(load_parameters("params.yaml"))


def ran(plan, name, cost):
    job = plan.by_name[name]
    for path in job.outputs.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("made\n")
    provenance.write_provenance(job, "toy", {}, cost)


def test_nothing_has_run(project):
    assert so_far(Estimator(project, pass_work), table_jobs(project, "table2"), H200) is None


def test_the_rest_goes_at_the_pace_of_what_has_run(project):
    estimator, jobs = Estimator(project, pass_work), table_jobs(project, "table2")
    names = ("pretrain/source/seed1", "adapt/minent/seed1", "evaluate/source/seed1")
    estimated = {name: estimator.amount([project.by_name[name]], H200).seconds for name in names}
    ran(project, names[0], Cost(seconds=9, gpu_seconds=5))
    ran(project, names[2], Cost(seconds=9, gpu_seconds=2))
    ran(project, names[1], Cost(seconds=9, cpu_seconds=12))
    found = so_far(estimator, jobs, H200)
    assert (found.device, found.left_out) == (H200, 1)
    done = {line.title: line for line in found.lines if line.done}
    assert list(done) == ["source model: source", "Source only"]
    assert [line.measured for line in done.values()] == [5, 2]
    assert [line.estimated for line in done.values()] == [estimated[names[0]], estimated[names[2]]]
    rest = [job for own in jobs.values() for job in own if job.name not in (names[0], names[2])]
    assert found.rest == pytest.approx(estimator.amount(rest, H200).seconds)
    training = estimator.amount([job for job in rest if job.stage in TRAINING], H200).seconds
    scoring = estimator.amount([job for job in rest if job.stage == "evaluate"], H200).seconds
    assert found.rest_at_pace == pytest.approx(5 / estimated[names[0]] * training + 2 / estimated[names[2]] * scoring)


def test_jobs_without_a_gpu_are_held_against_a_core(project):
    estimator, jobs = Estimator(project, pass_work), table_jobs(project, "table2")
    ran(project, "adapt/minent/seed1", Cost(seconds=9, cpu_seconds=12))
    found = so_far(estimator, jobs, H200)
    assert found.device.name == "cpu-core" and found.left_out == 0
    (line,) = [line for line in found.lines if line.done]
    assert (line.title, line.done, line.jobs, line.measured) == ("MinEnt", 1, 2, 12)
    job = [project.by_name["adapt/minent/seed1"]]
    assert line.estimated == estimator.amount(job, DEVICES["cpu-core"]).seconds
    ratio = 12 / line.estimated
    assert found.rest_at_pace == pytest.approx(ratio * found.rest), "scoring goes by training's, for want of its own"


def test_what_ran_with_other_parameters_or_sizes_does_not_count(project):
    ran(project, "adapt/minent/seed1", Cost(cpu_seconds=12))
    ran(project, "prepare/target_train", Cost(cpu_seconds=1))

    def counts(edit):
        plan = plan_of(edit=edit)
        return so_far(Estimator(plan, pass_work), table_jobs(plan, "table2"), H200) is not None

    assert counts(lambda parameters: None)
    assert not counts(lambda each: each["methods"]["minent"].update(lambda_target=0.2))
    assert not counts(lambda each: each["presets"]["tiny"]["caches"]["target_train"].update(size="96x48"))
    assert counts(lambda each: each["presets"]["tiny"]["caches"]["target_val"].update(size="96x48"))


# --- the command ----------------------------------------------------------------------------------


def cells(text, title):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_command_prints_rows_sums_and_what_was_measured(project, capsys):
    assert main(["estimate", "--efficiency", "0.4"]) == 0
    text = capsys.readouterr().out
    assert cells(text, "MinEnt")[1:4] == ["64x32 + 64x32", "6", "1,550"]
    assert cells(text, "table2")[2] == "36"
    assert "67.0 TFLOP/s in fp32, 4300 GB/s" in text and "40% of the arithmetic" in text
    assert "on 1080ti" in text and "So far no job of it has run with these parameters (work/tiny)." in text
    ran(project, "adapt/minent/seed1", Cost(seconds=9, cpu_seconds=7200))
    assert main(["estimate", "--tflops", "2", "--gb-per-second", "30"]) == 0
    text = capsys.readouterr().out
    assert "2.00 TFLOP/s in fp32, 30 GB/s. Source: your numbers" in " ".join(text.split())
    measured = text[text.index("Measured so far, against the estimate for cpu-core:") :]
    assert "measured core-hours" in measured
    assert cells(measured, "MinEnt")[1] == "1 of 2" and cells(measured, "MinEnt")[3] == "2.00"
    told = " ".join(measured.split())
    assert re.search(r"The other 10 jobs: [\d.]+ core-\w+ as estimated, [\d.]+ core-\w+ at the measured ratio; ", told)


def test_the_paper_table_in_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_parameters(Path(), tiny.shipped())
    assert main(["estimate", "--preset", "paper"]) == 0
    text = capsys.readouterr().out
    # 70,000 steps of 3,850 GFLOP, three seeds.
    row = cells(text, "source model: source_multi")
    assert row[1:3] == ["1280x720", "210,000"] and float(row[4]) == pytest.approx(3 * 70e3 * 3882.5e-6, rel=0.01)
    row = cells(text, r"MaxSquare+IW+Multi")
    assert row[1] == "1280x720 + 1280x640"
    scoring = 2 * 3 * (500 + 25) * 1153.2e-6
    assert float(row[4]) == pytest.approx(3 * 29750 * 7338e-6 + scoring, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--table", "table9"], "there is no table 'table9'; the tables that preset streets makes are: table2, "),
        (["--device", "abacus"], "device 'abacus' is unknown; use one of h200, h100, 1080ti, cpu-core, or "),
        (["--efficiency", "35"], "--efficiency 35 is more than all there is"),
        (["--preset", "digits"], "there is no table 'table2'; the tables that preset digits makes are: table1"),
    ],
)
def test_refusals(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_parameters(Path(), tiny.shipped())
    assert main(["estimate", *arguments]) == 2
    told = capsys.readouterr()
    assert sentence in told.err and told.out == ""


def test_help_imports_no_torch(tmp_path):
    code = (
        "import contextlib, io, sys\nfrom segadapt.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):\n"
        "    main(['estimate', '--help'])\n"
        "assert '--gb-per-second' in said.getvalue()\n"
        "assert not {'torch', 'numpy', 'pandas', 'pydantic'} & set(sys.modules)\n"
    )
    (tmp_path / "src").symlink_to(tiny.REPOSITORY / "src")
    tiny.call(tmp_path, sys.executable, "-c", code)
