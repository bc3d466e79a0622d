"""AdaptSegNet, AdvEnt and ADVENT's MinEnt in ``params.yaml`` and in the plan: numbers, starts, jobs, refusals."""

import copy
from pathlib import Path

import pytest
import tiny
import torch

from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.models import initialise, load_tensors
from segadapt.models.loading import network, starting_network
from segadapt.models.weights import content_sha256
from segadapt.plan import Plan, make_plan
from segadapt.plan.code import _closure
from segadapt.plan.rows import Row, baseline
from segadapt.stages.train import train

GAMES = ("adaptsegnet", "adaptsegnet_single", "adaptsegnet_ls", "advent")
SHIPPED = tiny.shipped()


def content(preset: str, rows: tuple[str, ...], **methods: dict) -> dict:
    """The shipped parameters with these rows and these changes of methods, and no preset's own."""
    changed = copy.deepcopy(SHIPPED) | {"preset": preset, "seeds": [1]}
    changed["experiments"] = {"table2": {"rows": list(rows), "published": 2}}
    for each in changed["presets"].values():
        each |= {"methods": {}, "experiments": {}, "tables": None, "report": [], "settings": {}}
    for name, change in methods.items():
        changed["methods"][name] |= change
    return changed


def plan_of(preset: str, rows: tuple[str, ...], **methods: dict) -> Plan:
    return make_plan(parameters_from(content(preset, rows, **methods), "params.yaml"))


def training_job(plan: Plan, name: str) -> Job:
    (job,) = (job for job in plan.jobs if job.stage in ("adapt", "refine", "joint") and job.name.split("/")[1] == name)
    return job


def test_the_entries_say_the_originals_numbers():
    """protocol.md 4.8 and 4.9; the entries themselves, without what a preset makes of them."""
    methods = parameters_from(content("paper", ("source_only",)), "params.yaml").methods
    games = {name: methods[name].adversarial for name in GAMES}
    assert {name: (game.lambda_final, game.lambda_low) for name, game in games.items()} == {
        "adaptsegnet": (0.001, 0.0002), "adaptsegnet_single": (0.001, 0.0), "adaptsegnet_ls": (0.01, 0.0),
        "advent": (0.001, 0.0002),
    }  # fmt: skip
    assert {(game.learning_rate, game.width) for game in games.values()} == {(1e-4, 64)}
    assert [name for name, game in games.items() if game.objective == "least_squares"] == ["adaptsegnet_ls"]
    minent = methods["advent_minent"]
    assert (minent.target_loss, minent.lambda_target, minent.options) == ("advent_entropy", 0.001, {"low_weight": 0.2})
    for name in (*GAMES, "advent_minent"):
        assert methods[name].start == "initial" and methods[name].batch_norm.train_affine is False
    joint = load_parameters(tiny.REPOSITORY / "params.yaml").presets["paper"].joint
    assert (joint.steps, joint.horizon, joint.learning_rate, joint.mirror, joint.blur) == (150000, 250000, 2.5e-4, 0, 0)


@pytest.mark.parametrize("name", [*GAMES, "advent_minent"])
def test_a_start_from_initial_weights_needs_no_source_model(name):
    plan = plan_of("paper", (name,))
    job = training_job(plan, name)
    assert {each.role for each in job.inputs} == {"initial_weights", "source", "target"} and job.stage == "joint"
    assert not any(each.stage == "pretrain" for each in plan.jobs)
    assert job.config["auxiliary"] is (name in ("adaptsegnet", "advent", "advent_minent"))
    assert job.config["training"]["steps"] == 150000
    assert job.config["model"]["batch_norm"]["train_affine"] is False
    # The size that the authors trained at, not the one of the multi-level guidance.
    assert "1024x512" in {row["eval_size"] for row in plan.by_name["table/table2"].config["rows"]}


@pytest.mark.parametrize(
    ("name", "stage", "source"), [("adaptsegnet", "refine", "source_multi"), ("adaptsegnet_single", "adapt", "source")]
)
def test_a_game_may_start_from_a_source_model(name, stage, source):
    plan = plan_of("streets", (name,), **{name: {"start": "source", "batch_norm": None}})
    job = training_job(plan, name)
    assert job.stage == stage and f"/{source}/" in job.input("model")
    assert [each.name for each in plan.jobs if each.stage == "pretrain"] == [f"pretrain/{source}/seed1"]
    assert job.config["model"]["batch_norm"]["train_affine"] is True


def test_only_methods_with_a_game_depend_on_its_code():
    plan = plan_of("streets", ("maxsquare", "adaptsegnet_single", "adaptsegnet_ls", "advent"))
    own = {"segadapt.methods.adversarial.output_maps", "segadapt.models.discriminator", "segadapt.losses.domain"}
    assert not own & _closure(("segadapt.stages.train", "segadapt.methods.max_squares"))
    assert own <= _closure(("segadapt.methods.adversarial.advent",))
    codes = {name: training_job(plan, name).code for name in ("adaptsegnet_single", "adaptsegnet_ls", "advent")}
    assert codes["adaptsegnet_single"] == codes["adaptsegnet_ls"] != codes["advent"]


def test_a_game_is_no_control():
    methods = parameters_from(content("streets", ("source_only",)), "params.yaml").methods
    entry = methods["target_forwarded"].model_copy(update={"adversarial": methods["advent"].adversarial})
    rows = [Row(None, name, name, "ours", None) for name in ("other", "target_forwarded")]
    for each in (rows, rows[::-1]):
        assert baseline(each, methods | {"other": entry}) == "target_forwarded"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"adversarial": {"name": "advent", "lambda_final": 0}}, "adversarial: has no effect, for both its lambdas"),
        ({"adversarial": {"name": "advant"}}, "adversarial.name"),
        ({"adversarial": {}}, "adversarial.name: is missing"),
        ({"adversarial": {"name": "advent", "lambda_low": -1}}, "adversarial.lambda_low"),
        ({"adversarial": {"name": "advent", "learning_rate": 0}}, "adversarial.learning_rate"),
        ({"adversarial": {"name": "advent", "width": 0}}, "adversarial.width"),
        ({"adversarial": {"name": "advent", "objective": "mse"}}, "adversarial.objective"),
        ({"lambda_target": 0.1}, "lambda_target: has no effect without target_loss"),
        ({"guidance": {}}, "guidance: has no effect without target_loss"),
        ({"start": "scratch"}, "start"),
    ],
)
def test_a_senseless_entry_is_refused_with_its_path(change, expected):
    with pytest.raises(UserError) as caught:
        parameters_from(content("streets", ("source_only",), advent=change), "params.yaml")
    assert f"methods.advent.{expected}" in str(caught.value)


def test_a_start_without_the_preset_s_section_is_refused():
    changed = content("streets", ("source_only", "advent"))
    del changed["presets"]["streets"]["joint"]
    with pytest.raises(UserError, match=r"presets\.streets\.joint: is missing, but experiments\.table2\.rows\[1\]"):
        parameters_from(changed, "params.yaml")
    changed["methods"]["advent"]["start"] = "source"
    parameters_from(changed, "params.yaml")


def toy_job(tmp_path: Path, job: Job) -> Job:
    """The job on toy caches, in a few steps."""
    paths = {}
    for domain, write, name in (("source", tiny.write_gta5, "gta5"), ("target", tiny.write_cityscapes, "cityscapes")):
        if not (tmp_path / domain).exists():
            write(tmp_path / name)
            what = Preparation(name, tmp_path / name, "train", (64, 32), "cityscapes19", domain == "source", False)
            prepare(what, tmp_path / domain, tmp_path / "scratch", 1)
        paths[domain] = str(tmp_path / domain / "manifest.json")
    (tmp_path / job.stage).mkdir(exist_ok=True)
    config = copy.deepcopy(job.config)
    config["training"] |= {"steps": 2, "horizon": 4, "batch_size": 1}
    inputs = tuple(Input(role, path) for role, path in paths.items() if job.read(role))
    return Job(
        job.stage, job.name, job.preset, inputs=inputs,
        outputs={role: str(tmp_path / job.stage / file) for role, file in (("model", "m"), ("history", "h.csv"))},
        provenance="", config=config, code="", run=job.run | {"log_steps": 1},
    )  # fmt: skip


def test_adapt_from_initial_weights_starts_where_pretrain_does(tmp_path):
    """Both stages run on toy images; the start is the one network of the seed."""
    plan = plan_of("streets", ("source_only", "adaptsegnet"), adaptsegnet={"batch_norm": None})
    game = toy_job(tmp_path, training_job(plan, "adaptsegnet"))
    source = toy_job(tmp_path, plan.by_name["pretrain/source/seed1"])
    wanted = initialise(network(game.config), 1, "kaiming").state_dict()
    got = starting_network(game).state_dict()
    assert all(torch.equal(got[name], wanted[name]) for name in wanted)
    single = starting_network(source).state_dict()
    assert single.keys() < got.keys() and all(torch.equal(single[name], got[name]) for name in single)
    for stage, job, folder in ((train, game, "a"), (train, source, "b"), (train, game, "c")):
        (tmp_path / folder).mkdir()
        stage(job, tmp_path / folder)
        if folder == "a":
            first = load_tensors(job.outputs["model"])[0]
    again, metadata = load_tensors(game.outputs["model"])
    assert content_sha256(again) == content_sha256(first) and metadata["image_size"] == "64x32"
    header = Path(game.outputs["history"]).read_text().splitlines()[0]
    assert header.endswith("loss_target,loss_discriminator_final,loss_discriminator_low")
    assert Path(source.outputs["history"]).read_text().splitlines()[0].endswith("loss_target")
