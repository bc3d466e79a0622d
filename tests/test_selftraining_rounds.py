"""A round of self-training run for real: what a step does, what is read, and that a kill changes nothing."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.core.parameters import parameters_from
from segadapt.data.packed.cache import PackedCache
from segadapt.losses import cross_entropy
from segadapt.models import BATCHNORM_POLICIES, apply_batchnorm_policy, open_model, to_input
from segadapt.models.compute import set_up_compute
from segadapt.models.loading import trained_network
from segadapt.plan import make_plan
from segadapt.selftraining.rounds import for_round, rare_classes
from segadapt.stages import prepare, prior, pseudo_label, train
from segadapt.training.assembly import make_trainer
from segadapt.training.optimiser import RepeatedSGD, parameter_groups

STAGES = {
    "prepare": prepare.pack,
    "pretrain": train.train,
    "prior": prior.count,
    "pseudo_label": pseudo_label.label,
    "self_train": train.train,
}
FIRST, SECOND = ("self_train/cbst_sp-round1/seed1", "self_train/cbst_sp-round2/seed1")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> tuple[Path, dict[str, Job]]:
    """CBST-SP in two rounds on toy scenes, every job run once in this process."""
    folder = tmp_path_factory.mktemp("rounds")
    tiny.write_gta5(folder / "toy" / "gta5")
    tiny.write_cityscapes(folder / "toy" / "cityscapes")
    parameters = tiny.tiny_parameters(("cbst_sp",))
    preset = parameters["presets"]["tiny"]
    preset["run"]["prepare_processes"] = 1
    preset["adapt"] |= {"crop": "48x24", "learning_rate": 1e-4}
    rounds = {"rounds": 2, "source_share": 0.4, "source_share_step": 0.3, "source_share_limit": 1.0}
    # Other branches than the protocol's, hence from a source model of their own; a file of other ones is refused.
    preset["methods"]["cbst_sp"] = {"aspp_branches": 4, "training": {"blur": 0}, "self_training": rounds}
    jobs = {job.name: job for job in make_plan(parameters_from(parameters, "tiny")).jobs if job.stage in STAGES}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for job in jobs.values():
            run(job, folder / "scratch" / job.name)
    return folder, jobs


def run(job: Job, scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    STAGES[job.stage](job, scratch)


def elsewhere(job: Job, folder: str) -> Job:
    return replace(job, outputs={role: f"{folder}/{Path(path).name}" for role, path in job.outputs.items()})


@pytest.fixture
def inside(project, monkeypatch) -> dict[str, Job]:
    monkeypatch.chdir(project[0])
    return project[1]


def test_every_round_is_made_and_the_last_one_is_the_methods(inside):
    assert [name for name in inside if name.startswith("self_train")] == [FIRST, SECOND]
    for name in (FIRST, SECOND):
        before, after = (
            open_model(path)[0].state_dict() for path in (inside[name].input("model"), inside[name].outputs["model"])
        )
        moved = {key for key in before if not torch.equal(before[key], after[key])}
        # Frozen: neither statistics nor the affine part.
        assert moved and not any("bn" in key or "running" in key for key in moved), moved
        selected = json.loads(Path(inside[name].input("selection")).read_text())
        assert 0.1 < selected["kept_share"] < 0.5 and selected["pixels"] == 5 * 64 * 32


@pytest.mark.parametrize("name", ["prior/cbst_sp", "pseudo_label/cbst_sp-round2/seed1", SECOND])
def test_equal_inputs_give_equal_bytes(inside, tmp_path, name):
    again = elsewhere(inside[name], str(tmp_path))
    run(again, tmp_path / "scratch")
    for role, path in inside[name].outputs.items():
        assert Path(path).read_bytes() == Path(again.outputs[role]).read_bytes(), role


def test_a_killed_round_goes_on_to_the_same_bytes(inside, tmp_path):
    job = inside[SECOND]
    whole = tmp_path / "whole"
    run(elsewhere(job, str(tmp_path / "out")), whole)
    states = sorted(whole.glob("state-*"))
    assert len(states) == 2
    for state in states:
        scratch = tmp_path / state.stem
        scratch.mkdir()
        shutil.copy(state, scratch)
        resumed = elsewhere(job, f"{scratch}/out")
        run(resumed, scratch)
        for role, path in job.outputs.items():
            assert Path(path).read_bytes() == Path(resumed.outputs[role]).read_bytes(), (state, role)


def round_trainer(job: Job, scratch: Path):
    compute = set_up_compute(job.config["precision"], 1)
    model = compute.place(trained_network(Path(job.input("model")), job.config))
    return for_round(make_trainer(job, model, compute, scratch), job)


def test_a_round_is_cross_entropy_on_labels_of_both_domains(inside, tmp_path):
    trainer = round_trainer(inside[SECOND], tmp_path)
    model = copy.deepcopy(trainer.model)
    apply_batchnorm_policy(model, BATCHNORM_POLICIES["crst"])
    optimiser = RepeatedSGD(parameter_groups(model, 3.0), 0.9, 5e-4, "torch10")
    for step in range(6):
        for batch in (trainer.source.batch(step), trainer.target.batch(step)):
            final, _ = model(to_input(batch.image_BHWC, "caffe").contiguous())
            cross_entropy(final, batch.label_BHW, (24, 48)).backward()
        optimiser.step(1e-4 / 2**0.5)
        optimiser.zero_grad()
    trainer.run("round")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, trainer.model.state_dict()[name]), name


def test_a_round_reads_pseudo_labels_some_source_images_and_rare_windows(inside, tmp_path):
    first, second = (round_trainer(inside[name], tmp_path) for name in (FIRST, SECOND))
    assert (len(first.source.cache), len(second.source.cache)) == (2, 4)  # of 6: 0.4 and 0.7, rounded down
    labels = PackedCache(Path(inside[SECOND].input("labels")))
    for index in range(5):
        assert (second.target.cache.label(index) == labels.label(index)).all()
    for source in (second.source, second.target):
        assert source.augmentation.mining == 0.8 and len(source.augmentation.rare[1]) == 3
        assert source.batch(0).label_BHW.shape == (1, 24, 48)
    # A round draws its samples anew.
    assert not torch.equal(first.target.batch(0).image_BHWC, second.target.batch(0).image_BHWC)


def test_labels_of_other_images_are_refused(inside, tmp_path):
    job = inside[SECOND]
    source = job.input("source")
    inputs = tuple(replace(each, path=source) if each.role == "labels" else each for each in job.inputs)
    foreign = replace(job, inputs=inputs)
    with pytest.raises(UserError, match="labels of other images"):
        round_trainer(foreign, tmp_path)


def test_a_prior_of_the_source_changes_the_labels(inside, tmp_path):
    job = elsewhere(inside["pseudo_label/cbst_sp-round1/seed1"], str(tmp_path))
    with_prior = Path(inside["pseudo_label/cbst_sp-round1/seed1"].outputs["pack"]).read_bytes()
    run(replace(job, inputs=tuple(each for each in job.inputs if each.role != "prior")), tmp_path)
    assert Path(job.outputs["pack"]).read_bytes() != with_prior


def test_rare_classes_come_in_two_groups():
    shares = {"a": 0.5, "b": 0.0004, "c": 0.0, "d": 0.3, "e": 0.002, "f": 0.1}
    selection = {"classes": {name: {"predicted_share": share} for name, share in shares.items()}}
    assert rare_classes(selection) == ((2, 1), (2, 1, 4))
