"""Two processes that split every batch against one that has all of it, in float64.

By gloo, with the statistics of batch norm frozen; with two GPUs by NCCL, with those of the batches.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tiny
import torch
import torch.distributed as dist
from test_impossible_plans import of_preset, refused, shipped
from test_trainer import config_of, entry, make_trainer, packed
from torch.nn.modules.batchnorm import _BatchNorm

from segadapt.core.errors import UserError
from segadapt.core.job import Job, read_card
from segadapt.data.packed.cache import PackedCache
from segadapt.methods.composition import build_method
from segadapt.models import BATCHNORM_POLICIES, Architecture, build, initialise, load_tensors, to_input
from segadapt.models.compute import Compute
from segadapt.models.networks import hrda
from segadapt.stages import train
from segadapt.stages.runner import run_card
from segadapt.training.dropout import drawing
from segadapt.training.optimiser import AdamW, parameter_groups
from segadapt.training.replicas import Replica, joined
from segadapt.training.trainer import Trainer

HAS_GPUS = torch.cuda.device_count() > 1
DEVICE = torch.device("cuda" if HAS_GPUS else "cpu")
FROZEN = BATCHNORM_POLICIES["cbst"]
BATCH_NORM = BATCHNORM_POLICIES["released"] if HAS_GPUS else FROZEN
JUDGES = {
    "name": "advent", "objective": "vanilla", "lambda_final": 0.5, "lambda_low": 0.3, "learning_rate": 1e-3, "width": 4,
}  # fmt: skip
TEACHES = {"alpha": 0.6, "threshold": 0.3, "share_of": "batch", "classes_of": "batch"}
MASKS = TEACHES | {"mask_block": 16, "feature_weight": 0.5, "thing_share": 0.51, "teacher_follows": "before"}
CASES = {
    "source": (None, {}),
    "maxsquare+iw+multi": (
        entry(image_weight={"alpha": 0.2}, guidance={"threshold": 0.1, "weight": 0.1}, lambda_target=1.0),
        {"auxiliary": True, "accumulate": 2},
    ),
    "self-training": (entry("self_training"), {}),
    "advent": (entry("entropy", adversarial=JUDGES), {"auxiliary": True}),
    "dacs": (entry("dacs", options=TEACHES), {}),
    "hrda+mic": (entry("mic", options=MASKS, lambda_target=1.0), {}),
}  # fmt: skip
CARD, STEPS, CUT = "work/tiny/cards/adapt/maxsquare_iw/seed1.json", 12, 4


class Double(Compute):
    """Computes in float64."""

    def layout(self, image_BCHW):
        return super().layout(image_BCHW.double())


class Partly:
    """A cache of whose labels the more rows are ignored, the higher an image's index."""

    def __init__(self, cache) -> None:
        self.cache = cache

    def __getattr__(self, name):
        return getattr(self.cache, name)

    def __len__(self) -> int:
        return len(self.cache)

    def label(self, index: int) -> np.ndarray:
        label_HW = self.cache.label(index).copy()
        label_HW[: 10 * index] = 255
        return label_HW


def settle(model, image_BCHW) -> None:
    """Gives every batch norm the statistics of these images, which its networks then train with as they are."""
    norms = [each for each in model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    for momentum in (1.0, 0.1):
        for each in norms:
            each.momentum = momentum
        if momentum == 1:
            with torch.no_grad(), drawing(torch.device("cpu"), "settles"):
                model.train()(image_BCHW)


def trainer_of(case: str, root: Path, folder: Path, replica: Replica) -> Trainer:
    """A case's, as process ``replica`` has it."""
    caches = {name: Partly(PackedCache(root / name / "manifest.json")) for name in ("source", "target")}
    method, more = CASES[case]
    trainer = make_trainer(
        caches,
        folder,
        entry() if case == "hrda+mic" else method,
        **{"log_steps": 1, "learning_rate": 1e-3, "steps": 2} | more,
    )
    model, initial, optimiser, convention = trainer.model, None, type(trainer.optimiser), "caffe"
    if case == "hrda+mic":
        about = Architecture("hrda_mit_streets", 19, input="imagenet", class_set="cityscapes19")
        with mock.patch.dict(hrda.LEAST_SIZES, hrda_mit_streets=(32, 64)):
            model, initial = (initialise(build(about), seed, "kaiming") for seed in (3, 4))
        initial, optimiser, convention = initial.requires_grad_(False).eval().double().to(DEVICE), AdamW, "imagenet"
    settle(model.double(), to_input(trainer.source.batch(0).image_BHWC, convention, dtype=torch.float64))
    model = replica.prepared(model.to(DEVICE), BATCH_NORM, DEVICE)
    config = config_of(method) | {"model": {"batch_norm": BATCH_NORM.model_dump()}}
    config["training"]["accumulate"] = trainer.loop.accumulate
    target = replace(trainer.source, domain="target") if case == "self-training" else trainer.target
    parts = {"batch_size": 4 if case == "source" else 2, "part": replica.rank, "parts": replica.count}
    return replace(
        trainer, model=model, method=build_method(config, model, lambda: initial).double().to(DEVICE),
        optimiser=optimiser(parameter_groups(model)), batch_norm=BATCH_NORM, compute=Double(DEVICE), replica=replica,
        input_convention=convention,
        source=replace(trainer.source, **parts), target=target and replace(target, **parts),
    )  # fmt: skip


def run(trainer: Trainer) -> tuple[list, dict[str, torch.Tensor]]:
    """All that a run ends with: its history, its network, and what its method keeps."""
    rows = trainer.run("run").rows
    return rows, {**trainer.model.state_dict(), **trainer.method.state_dict(prefix="method.")}


def follow(replica: Replica, root: Path, project: Path) -> None:
    """What the second process does."""
    for case in CASES:
        trainer_of(case, root, root / case, replica).follow()
    os.chdir(project)
    train.follow(replica, read_card(Path(CARD)), root / "whole")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """One whose method two processes train, up to that method's model."""
    parameters = tiny.tiny_parameters(("source_only", "maxsquare_iw"))
    preset = parameters["presets"]["tiny"]
    preset["adapt"] |= {"processes": 2, "batch_size": 2, "steps": STEPS, "horizon": STEPS, "snapshots": 2}
    preset["methods"]["maxsquare_iw"] = {"batch_norm": FROZEN.model_dump()}
    folder = tiny.make_project(tmp_path_factory.mktemp("replicas") / "project", parameters)
    made = ("sources/source/seed1/model.safetensors", "cache/target_train/manifest.json")
    tiny.make_here(folder, *(f"work/tiny/{each}" for each in made))
    return folder


@pytest.fixture(scope="module")
def by_two(project, tmp_path_factory) -> dict:
    """What all cases end with, and the project's job as ``whole``; and the folder of the caches as ``root``."""
    root, found, was = tmp_path_factory.mktemp("caches"), {}, os.getcwd()
    packed(root, (128, 64))
    with joined(2, follow, root, project):
        for case in CASES:
            found[case] = run(trainer_of(case, root, root / case, Replica(0, 2)))
        os.chdir(project)
        found["whole"] = run(train._trainer(read_card(Path(CARD)), root / "whole", Replica(0, 2)))
        os.chdir(was)
    torch.set_deterministic_debug_mode("default")
    return found | {"root": root}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_where_one_does(by_two, tmp_path, case):
    one = trainer_of(case, by_two["root"], tmp_path, Replica())
    labels_BHW = one.source.batch(0).label_BHW
    assert len({int((label_HW != 255).sum()) for label_HW in labels_BHW}) > 1, "shares of as many valid pixels each"
    before = {name: each.detach().clone() for name, each in one.model.named_parameters()}
    rows, tensors = run(one)
    rows_of_two, tensors_of_two = by_two[case]
    np.testing.assert_allclose(np.array(rows_of_two, float), np.array(rows, float), rtol=1e-9)
    assert tensors.keys() == tensors_of_two.keys()
    for name, each in tensors.items():
        torch.testing.assert_close(
            tensors_of_two[name], each, rtol=1e-9, atol=1e-11, msg=lambda said, name=name: f"{name}: {said}"
        )
    moved = [float((each.detach() - before[name]).abs().max()) for name, each in one.model.named_parameters()]
    assert max(moved) > 1e-5


@pytest.mark.skipif(HAS_GPUS, reason="equal bytes are promised on a CPU")
def test_a_killed_run_of_two_goes_on_to_the_same_bytes(project, by_two, monkeypatch):
    monkeypatch.chdir(project)
    job, state = read_card(Path(CARD)), f"work/tiny/run/*/state-{CUT:09d}.safetensors"
    command = [sys.executable, "-m", "segadapt.stages.train", CARD]
    first = subprocess.Popen(command, env=tiny.environment(project), stderr=subprocess.PIPE)
    while first.poll() is None and not list(project.glob(state)):
        time.sleep(0.002)  # polling for a file of another process
    first.send_signal(signal.SIGKILL)
    # To its end: all that hold the pipe are gone.
    first.stderr.read()
    assert first.wait() == -signal.SIGKILL and list(project.glob(state))
    run_card(train.train, Path(CARD))
    torch.set_deterministic_debug_mode("default")
    rows, tensors = by_two["whole"]
    found, _ = load_tensors(Path(job.outputs["model"]))
    assert all(torch.equal(found[name], tensors[name]) for name in found)
    lines = Path(job.outputs["history"]).read_text().splitlines()
    assert lines[1:] == [",".join("" if cell is None else f"{cell:.9g}" for cell in row) for row in rows]


def fails(replica: Replica) -> None:
    raise UserError("record 7 is damaged")


def test_a_process_that_fails_ends_the_others(monkeypatch, capfd):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with pytest.raises(RuntimeError), joined(2, fails):
        dist.barrier()
    assert ended == [2]
    said = capfd.readouterr().err
    assert "segadapt: record 7 is damaged\n" in said and "segadapt: a process of this training has ended" in said


@pytest.mark.parametrize(
    ("device", "gpus", "batch_norm", "words"),
    [
        ("cpu", 0, "released", "training.processes is 2, and batch norm over processes .* needs GPUs"),
        ("cuda", 1, "cbst", "training.processes is 2, each on a GPU of its own, and this job sees 1"),
    ],
)
def test_what_a_machine_cannot_do_exactly_is_refused(monkeypatch, device, gpus, batch_norm, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    model = initialise(build(Architecture("streets", 5)), 3, "kaiming")
    policy = BATCHNORM_POLICIES[batch_norm]
    assert Replica().prepared(model, policy, torch.device(device)) is model
    with pytest.raises(UserError, match=words):
        Replica(0, 2).prepared(model, policy, torch.device(device))


def test_batch_norm_is_over_processes_where_it_looks_at_batches(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, kind in (("released", torch.nn.SyncBatchNorm), ("cbst", torch.nn.BatchNorm2d)):
        model = initialise(build(Architecture("streets", 5)), 3, "kaiming")
        tensors = model.state_dict(keep_vars=True)
        prepared = Replica(0, 2).prepared(model, BATCHNORM_POLICIES[name], torch.device("cuda"))
        assert {type(each) for each in prepared.modules() if isinstance(each, _BatchNorm)} == {kind}
        assert prepared is model and prepared.state_dict(keep_vars=True).keys() == tensors.keys()
        assert all(each is tensors[key] for key, each in prepared.state_dict(keep_vars=True).items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pretrain.processes": 3}, "presets.streets.pretrain.processes: 3 must divide batch_size (2)"),
        (
            {"pretrain.processes": 2, "precision": {"compile": True}},
            "presets.streets.precision.compile: nobody has tried it with the 2 processes of pretrain",
        ),
        (
            {"methods.cross_city.training.processes": 2},
            "methods.cross_city: takes gradients of its own, which 2 processes cannot add up yet",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_before_any_job(change, words):
    def edit(preset):
        for path, value in change.items():
            of_preset(preset, path, value)

    refused(shipped("streets", edit), words)


def test_the_model_of_several_processes_is_another_than_that_of_one(project):
    job = read_card(project / CARD)
    alone = Job(**job.__dict__ | {"config": job.config | {"training": job.config["training"] | {"processes": 1}}})
    assert job.processes == 2 and job.fingerprint({}) != alone.fingerprint({})
