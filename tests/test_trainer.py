"""The one loop: what a step does, what it refuses, and that nothing but the step decides it."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from segadapt.core.errors import UserError
from segadapt.core.parameters.learning import Poly
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.loader import BatchSource
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.losses import cross_entropy
from segadapt.methods import Prediction
from segadapt.methods.composition import build_method
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, deeplabv2, initialise, load_tensors, to_input
from segadapt.models.compute import set_up_compute
from segadapt.training import trainer as trainer_module
from segadapt.training.history import HISTORY_SO_FAR, History
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.schedule import poly_learning_rate
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer

PROTOCOL = {
    "normalisation": "released", "max_squares_half": True, "image_weight_half": False,
    "image_weight_index": "pixel", "guidance_mask": "own", "adam_epsilon": "corrected",
}  # fmt: skip
FLOAT32 = {"bf16": False, "tf32": False, "channels_last": False}


@pytest.fixture(scope="module")
def caches(tmp_path_factory) -> dict[str, PackedCache]:
    return packed(tmp_path_factory.mktemp("caches"), (64, 32))


def packed(root: Path, size: tuple[int, int]) -> dict[str, PackedCache]:
    """Labelled source and unlabelled target images of toy scenes, by domain."""
    tiny.write_gta5(root / "gta5")
    tiny.write_cityscapes(root / "cityscapes")
    source = Preparation("gta5", root / "gta5", "train", size, "cityscapes19", True, False)
    target = Preparation("cityscapes", root / "cityscapes", "train", size, "cityscapes19", False, False)
    for name, what in (("source", source), ("target", target)):
        prepare(what, root / name, root / "scratch" / name, 1)
    return {name: PackedCache(root / name / "manifest.json") for name in ("source", "target")}


def entry(target_loss: str | None = "max_squares", **changes) -> dict:
    return {
        "target_loss": target_loss,
        "lambda_target": 0.1,
        "image_weight": None,
        "guidance": None,
        "adversarial": None,
        "options": {},
    } | changes


def config_of(method: dict | None, protocol: dict = PROTOCOL, joint_batch: bool = False) -> dict:
    """As much of a job's configuration as a method reads."""
    training = {"auxiliary_weight": 0.1, "accumulate": 1, "joint_batch": joint_batch}
    config = {"seed": 7, "training": training}
    return config if method is None else config | {"method": method, "protocol": protocol}


def on_target(method: dict, prediction: Prediction, size: tuple[int, int], protocol: dict = PROTOCOL) -> torch.Tensor:
    """What a method minimises on target images of a size."""
    batch = Batch(torch.zeros(len(prediction.logits_final_BCHW), *size, 3, dtype=torch.uint8), None)
    return build_method(config_of(method, protocol), torch.nn.Module()).on_target(prediction, batch)


def make_trainer(
    caches, folder: Path, method: dict | None, steps: int = 4, auxiliary: bool = False, snapshots=(),
    joint_batch: bool = False, **loop,
) -> Trainer:  # fmt: skip
    compute = set_up_compute(FLOAT32, 1)
    model = initialise(deeplabv2("streets", 19, 2, auxiliary), 3, "kaiming")
    sources = {
        name: BatchSource(cache, name, 5, 2, Augmentation(0.5, 0.5), with_labels=name == "source")
        for name, cache in caches.items()
    }
    settings = dict(
        steps=steps, horizon=steps, learning_rate=0.01, annealing=Poly(), log_steps=2, save_steps=2, save_seconds=1e9,
        loader_threads=0,
    ) | loop  # fmt: skip
    return Trainer(
        model, build_method(config_of(method, joint_batch=joint_batch), model),
        RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "torch10"), Loop(**settings), sources["source"],
        sources["target"] if method else None, BatchNormPolicy(), "caffe", compute, StateStore(folder),
        Snapshots(folder, {step: folder / "out" / f"{step}.safetensors" for step in snapshots}),
    )  # fmt: skip


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def equal(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_run_equals_the_released_order_of_operations(caches, tmp_path, auxiliary):
    """Source backward, target backward, one step: written out plainly."""
    guidance = {"threshold": 0.1, "weight": 0.1} if auxiliary else None
    method = entry(image_weight={"alpha": 0.2}, guidance=guidance, lambda_target=2.0)
    trainer = make_trainer(caches, tmp_path, method, auxiliary=auxiliary)
    model = copy.deepcopy(trainer.model)
    optimiser = RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "torch10")
    apply_batchnorm_policy(model, BatchNormPolicy(), training=True)
    for step in range(4):
        source, target = trainer.source.batch(step), trainer.target.batch(step)
        final, low = model(to_input(source.image_BHWC, "caffe").contiguous())
        loss = cross_entropy(final, source.label_BHW, (32, 64))
        if auxiliary:
            loss = loss + 0.1 * cross_entropy(low, source.label_BHW, (32, 64))
        loss.backward()
        final, low = model(to_input(target.image_BHWC, "caffe").contiguous())
        on_target(method, Prediction(final, low), (32, 64)).backward()
        optimiser.step(poly_learning_rate(step, 0.01, 4))
        optimiser.zero_grad()
    trainer.run("test")
    assert equal(weights(trainer), model.state_dict())


def test_lambda_zero_moves_only_what_batch_norm_moves(caches, tmp_path):
    """Against a run without target images: after one step the same weights, other running statistics."""
    alone = make_trainer(caches, tmp_path / "a", None, steps=1)
    forwarded = make_trainer(caches, tmp_path / "b", entry(lambda_target=0.0), steps=1)
    alone.run("alone")
    forwarded.run("forwarded")
    one, other = weights(alone), weights(forwarded)
    different = {name for name in one if not torch.equal(one[name], other[name])}
    assert different and all("running" in name or "num_batches" in name for name in different)


@pytest.mark.parametrize("method", [None, entry(), entry("entropy")], ids=["source", "max_squares", "entropy"])
def test_resuming_from_any_saved_state_gives_the_same_bits(caches, tmp_path, method):
    whole = make_trainer(caches, tmp_path / "whole", method, steps=8)
    history = whole.run("whole")
    states = sorted((tmp_path / "whole").glob("state-*"))
    assert [state.name for state in states] == ["state-000000004.safetensors", "state-000000006.safetensors"]
    for state in states:
        folder = tmp_path / state.stem
        folder.mkdir()
        (folder / state.name).write_bytes(state.read_bytes())
        resumed = make_trainer(caches, folder, method, steps=8)
        assert resumed.run("resumed").rows == history.rows
        assert equal(weights(resumed), weights(whole))


def test_a_snapshot_is_the_model_after_its_steps_also_after_a_resume(caches, tmp_path):
    whole = make_trainer(caches, tmp_path / "whole", entry(), steps=8, snapshots=(3, 6))
    whole.run("whole")
    shorter = make_trainer(caches, tmp_path / "short", entry(), steps=3, horizon=8)
    shorter.run("short")
    tensors, metadata = load_tensors(tmp_path / "whole" / "out" / "3.safetensors")
    assert equal(weights(shorter), tensors) and metadata["step"] == "3"
    # What a kill after the state of step 4 leaves behind: that state, and the snapshot taken before it.
    for name in ("state-000000004.safetensors", "snapshot-000000003.safetensors"):
        (tmp_path / "resumed").mkdir(exist_ok=True)
        (tmp_path / "resumed" / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    make_trainer(caches, tmp_path / "resumed", entry(), steps=8, snapshots=(3, 6)).run("resumed")
    for name in ("3.safetensors", "6.safetensors"):
        assert (tmp_path / "resumed" / "out" / name).read_bytes() == (tmp_path / "whole" / "out" / name).read_bytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_loader_threads_change_nothing(caches, tmp_path, threads):
    inline = make_trainer(caches, tmp_path / "0", entry())
    threaded = make_trainer(caches, tmp_path / "n", entry(), loader_threads=threads)
    inline.run("inline")
    threaded.run("threaded")
    assert equal(weights(inline), weights(threaded))


@pytest.mark.parametrize("method", [None, entry()], ids=["source", "max_squares"])
def test_a_run_that_augments_on_the_device_trains_on_the_same_pixels(caches, tmp_path, method):
    here, there = (make_trainer(caches, tmp_path / name, method) for name in ("here", "there"))
    targets = {} if method is None else {"target": replace(there.target, on_device=True)}
    there = replace(there, source=replace(there.source, on_device=True), **targets)
    assert there.source.batch(0).draws is not None
    assert there.run("there").rows == here.run("here").rows
    assert equal(weights(here), weights(there))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(caches, tmp_path):
    trainer = make_trainer(caches, tmp_path, entry(), steps=8)

    def poisoned(prediction: Prediction, batch: Batch) -> torch.Tensor:
        calls.append(1)
        return prediction.logits_final_BCHW.mean() * (math.nan if len(calls) == 6 else 1.0)

    calls: list[int] = []
    trainer.method.target_loss = poisoned
    with pytest.raises(UserError, match=r"target loss is nan at step 5 .*lower learning_rate"):
        trainer.run("poisoned")
    assert max(path.name for path in tmp_path.glob("state-*")) == "state-000000004.safetensors"


def test_guidance_without_an_auxiliary_head_is_refused(caches, tmp_path):
    trainer = make_trainer(caches, tmp_path, entry(guidance={"threshold": 0.95, "weight": 0.1}))
    with pytest.raises(UserError, match="auxiliary head"):
        trainer.run("guided")


def test_an_unknown_target_loss_is_refused():
    with pytest.raises(UserError, match=r"segadapt/methods/no_such\.py"):
        build_method(config_of(entry("no_such")), torch.nn.Module())


def test_the_curves_so_far_can_be_read_while_it_runs(caches, tmp_path, monkeypatch):
    whole = make_trainer(caches, tmp_path / "whole", entry()).run("toy")
    monkeypatch.setattr(trainer_module, "LINE_SECONDS", 0.0)
    seen, trainer = [], make_trainer(caches, tmp_path / "watched", entry(), log_steps=1)
    add = History.add

    def look(history, *row):
        path = trainer.store.folder / HISTORY_SO_FAR
        seen.append(path.read_text().splitlines() if path.exists() else [])
        add(history, *row)

    monkeypatch.setattr(History, "add", look)
    history = trainer.run("toy")
    assert [len(lines) for lines in seen] == [0, 2, 3, 4]
    assert seen[-1][0] == ",".join(history.columns) and seen[-1][1].startswith("0,")
    assert history.rows[-1][0] == whole.rows[-1][0] == 3
