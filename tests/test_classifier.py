"""An image classifier, its joint step and DANN's game, each against the same written out plainly."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toy_digits import packed_digits

from segadapt.core.errors import UserError
from segadapt.core.parameters.learning import Inverse
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.batch import Batch
from segadapt.data.batches.loader import BatchSource
from segadapt.losses import cross_entropy, entropy, max_squares
from segadapt.losses.gradient_reversal import ramp, reverse_gradient
from segadapt.methods import Prediction, Settings, Step
from segadapt.methods.adversarial.dann import Dann
from segadapt.methods.composition import build_method
from segadapt.models import (
    Architecture,
    BatchNormPolicy,
    apply_batchnorm_policy,
    build,
    initialise,
    open_model,
    save_model,
    to_input,
)  # fmt: skip
from segadapt.models.compute import set_up_compute
from segadapt.training.optimiser import ParameterGroup, RepeatedSGD, parameter_groups
from segadapt.training.schedule import inverse_learning_rate
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer

DIGITS = Architecture("digits", 10, auxiliary=False, class_set="digits10", task="classification")
EVERY_AFFINE = BatchNormPolicy(train_stem_affine=True)
PROTOCOL = {
    "normalisation": "paper", "max_squares_half": True, "image_weight_half": False, "image_weight_index": "pixel",
    "guidance_mask": "own",
}  # fmt: skip
TRAINING = {"auxiliary_weight": 0.1, "accumulate": 1, "joint_batch": True}
DANN = {"name": "dann", "lambda_final": 1.0, "width": 8, "ramp": 10.0}


def method(target_loss: str | None, lambda_target: float = 0.0) -> dict:
    return {
        "target_loss": target_loss, "lambda_target": lambda_target, "image_weight": None, "guidance": None,
        "adversarial": None, "options": {},
    }  # fmt: skip


def dann(num_features: int, seed: int, **changes) -> Dann:
    model = nn.Module()
    model.num_features = num_features
    return Dann(Settings(adversarial=DANN | changes, seed=seed, joint_batch=True), model)


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return packed_digits(tmp_path_factory.mktemp("digits"))


def make_trainer(caches, folder, entry: dict | None, game: bool = False, steps: int = 4, **loop) -> Trainer:
    compute = set_up_compute({"bf16": False, "tf32": False, "channels_last": False}, 1)
    model = initialise(build(DIGITS), 3, "kaiming")
    if game:
        entry = (entry or method(None)) | {"adversarial": DANN}
    config = {"seed": 3, "training": TRAINING, "method": entry}
    made = build_method(config | {"protocol": PROTOCOL}, model)
    groups = (*parameter_groups(model, 2.0), ParameterGroup("method", 2.0, made.learned_with_network()))
    how = Augmentation(0.0, 0.0, crop=(28, 28))
    source, target = (
        BatchSource(caches[domain], name, 5, 6, how, with_labels=name == "source")
        for domain, name in (("clean", "source"), ("camera", "target"))
    )
    numbers = dict(
        steps=steps, horizon=steps, learning_rate=0.002, annealing=Inverse(), log_steps=1, save_steps=2,
        save_seconds=1e9, loader_threads=0,
    ) | loop  # fmt: skip
    return Trainer(
        model, made, RepeatedSGD(groups, 0.9, 5e-4), Loop(**numbers), source, target if entry else None,
        EVERY_AFFINE, "caffe", compute, StateStore(folder), Snapshots(folder),
    )  # fmt: skip


@pytest.mark.parametrize("bottleneck", [None, 5])
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (33, 47)])
def test_logits_are_a_linear_function_of_the_features_of_one_pixel(bottleneck, size):
    model = build(Architecture("digits", 7, auxiliary=False, task="classification", bottleneck=bottleneck)).eval()
    logits, low, features = model(torch.randn(3, 3, *size))
    assert logits.shape == (3, 7, 1, 1) and low is None
    assert features.shape == (3, bottleneck or 256, 1, 1) and model.num_features == features.shape[1]
    head = model.layer6.classifier
    torch.testing.assert_close(
        logits.flatten(1), F.linear(features.flatten(1), head.weight.flatten(1), head.bias), rtol=1e-5, atol=1e-6
    )


def test_a_resnet50_has_the_strides_and_names_of_the_original():
    model = build(Architecture("resnet50", 31, auxiliary=False, task="classification")).eval()
    maps = []
    model.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output.shape))
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))
    assert maps == [(1, 2048, 7, 7)]
    shared = [name for name in model.state_dict() if not name.startswith("layer6.")]
    # torchvision's resnet50 without its fc layer: 53 convolutions and 53 batch norms of five tensors.
    assert len(shared) == 53 * 6 and {"conv1.weight", "layer4.2.bn3.running_var"} <= set(shared)
    assert sum(each.numel() for name, each in model.named_parameters() if name in shared) == 23_508_032


def test_weights_go_to_a_file_and_back(tmp_path):
    model = initialise(build(DIGITS), 4, "kaiming")
    save_model(tmp_path / "model.safetensors", model, {})
    again, _ = open_model(tmp_path / "model.safetensors")
    assert again.architecture == DIGITS
    assert all(torch.equal(model.state_dict()[name], each) for name, each in again.state_dict().items())


@pytest.mark.parametrize(
    ("change", "said"), [({"task": "detection"}, "task"), ({"backbone": "wide_resnet38"}, "no classifier")]
)
def test_impossible_classifiers_are_refused(change, said):
    with pytest.raises(UserError, match=said):
        build(Architecture(**({"backbone": "digits", "num_classes": 10, "task": "classification"} | change)))


@given(
    batch=st.integers(1, 6), classes=st.integers(2, 40), seed=st.integers(0, 10**6), scale=st.sampled_from([0.1, 3, 20])
)
@settings(max_examples=60, deadline=None)
def test_losses_of_one_pixel_are_the_equations_summed_over_classes(batch, classes, seed, scale):
    """Eq. 3 and 6 a sample, mean over the batch: the paper's λ is in these units."""
    random = torch.Generator().manual_seed(seed)
    logits_BC = (scale * torch.randn(batch, classes, generator=random, dtype=torch.float64)).requires_grad_()
    label_B = torch.randint(classes, (batch,), generator=random)
    p = logits_BC.softmax(1)
    naive = {
        "cross_entropy": F.nll_loss(logits_BC.log_softmax(1), label_B),
        "entropy": -(p * logits_BC.log_softmax(1)).sum(1).mean(),
        "max_squares": -0.5 * (p**2).sum(1).mean(),
    }
    pixel = logits_BC[..., None, None]
    ours = {
        "cross_entropy": cross_entropy(pixel, label_B[:, None, None], (1, 1)),
        "entropy": entropy(pixel, (1, 1), "paper"),
        "max_squares": max_squares(pixel, (1, 1), "paper"),
    }
    for name, value in naive.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-10, atol=1e-12)
        slopes = [torch.autograd.grad(each, logits_BC, retain_graph=True)[0] for each in (ours[name], value)]
        torch.testing.assert_close(*slopes, rtol=1e-7, atol=1e-9)


@given(progress=st.floats(0, 1), base=st.floats(1e-4, 1), steps=st.integers(1, 5000))
def test_the_inverse_schedule_is_the_papers(progress, base, steps):
    step = int(progress * (steps - 1))
    assert inverse_learning_rate(step, base, steps) == pytest.approx(base / (1 + 10 * step / steps) ** 0.75)
    assert inverse_learning_rate(0, base, steps) == base


def test_the_ramp_rises_from_nothing_to_almost_one():
    values = [ramp(progress) for progress in np.linspace(0, 1, 50)]
    assert values[0] == 0 and values == sorted(values) and 0.9999 < values[-1] < 1
    assert ramp(0.3, 4) == pytest.approx(math.tanh(0.6))


def test_reversal_turns_the_gradient_and_nothing_else():
    features = torch.randn(4, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, dtype=torch.float64)
    reversed_ = reverse_gradient(features, 0.3)
    assert torch.equal(reversed_, features)
    (reversed_.flatten(1) @ weight).sum().backward()
    torch.testing.assert_close(features.grad.flatten(1), (-0.3 * weight).expand(4, 3))


def test_a_game_is_two_opposed_gradients_of_one_loss():
    game = dann(5, 1, lambda_final=0.7).double()
    features = torch.randn(6, 5, 1, 1, dtype=torch.float64, requires_grad=True)
    both = Prediction(torch.zeros(6, 2, 1, 1), None, features)
    source, target = both.split([2, 4])
    batches = [Batch(torch.zeros(len(each.features_BFHW), 4, 4, 3, dtype=torch.uint8), label, True)
               for each, label in ((source, torch.zeros(2, 1, 1, dtype=torch.uint8)), (target, None))]  # fmt: skip
    (joint,) = game.passes(Step(0, 0.25, *batches, game, None, None))
    losses = joint.losses(source, target)
    assert list(losses) == ["source", "target", "discriminator_features"] and losses["target"] == 0
    loss = losses["discriminator_features"]
    loss.backward()
    plain = copy.deepcopy(game.discriminator)
    plain.zero_grad()
    mine = features.detach().clone().requires_grad_()
    score = plain(mine).flatten()
    # Two of the six are of the source, whose label is 0; each domain weighs one half.
    naive = 0.5 * (F.softplus(score[:2]).mean() + F.softplus(-score[2:]).mean())
    naive.backward()
    assert loss.item() == pytest.approx(0.7 * naive.item())
    for ours, theirs in zip(game.discriminator.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, 0.7 * theirs.grad)
    torch.testing.assert_close(features.grad, -0.7 * ramp(0.25) * mine.grad)


@pytest.mark.parametrize(
    ("target_loss", "lambda_target", "game"),
    [("max_squares", 0.3, False), ("entropy", 0.03, False), ("max_squares", 0.0, False), (None, 0.0, True)],
)
def test_a_joint_run_equals_plain_pytorch(caches, tmp_path, target_loss, lambda_target, game):
    """One batch of both domains, one backward, torch.optim.SGD at two rates."""
    entry = method(target_loss, lambda_target)
    trainer = make_trainer(caches, tmp_path, entry if target_loss else None, game)
    model, network = copy.deepcopy(trainer.model), copy.deepcopy(getattr(trainer.method, "discriminator", None))
    heads = [each for name, each in model.named_parameters() if name.startswith("layer6.")]
    body = [each for name, each in model.named_parameters() if not name.startswith("layer6.")]
    fast = heads + list(network.parameters() if game else [])
    optimiser = torch.optim.SGD([{"params": body}, {"params": fast}], 0.002, 0.9, weight_decay=5e-4)
    apply_batchnorm_policy(model, EVERY_AFFINE, training=True)
    for step in range(4):
        source, target = trainer.source.batch(step), trainer.target.batch(step)
        assert source.size == target.size == (1, 1) and source.image_BHWC.shape[1:3] == (28, 28)
        images = to_input(torch.cat([source.image_BHWC, target.image_BHWC]), "caffe").contiguous()
        logits, _, features = model(images)
        loss = F.cross_entropy(logits[:6].flatten(1), source.label_BHW.flatten().long())
        p = logits[6:].flatten(1).softmax(1)
        if target_loss == "max_squares":
            loss = loss - lambda_target * 0.5 * (p**2).sum(1).mean()
        elif target_loss == "entropy":
            loss = loss - lambda_target * (p * p.log()).sum(1).mean()
        if game:
            score = network(reverse_gradient(features, ramp(step / 4))).flatten()
            domain = torch.tensor([0.0] * 6 + [1.0] * 6)
            loss = loss + F.binary_cross_entropy_with_logits(score, domain)
        loss.backward()
        rate = 0.002 / (1 + 10 * step / 4) ** 0.75
        optimiser.param_groups[0]["lr"], optimiser.param_groups[1]["lr"] = rate, 2 * rate
        optimiser.step()
        optimiser.zero_grad()
    trainer.run("test")
    for name, each in trainer.model.state_dict().items():
        torch.testing.assert_close(each, model.state_dict()[name], rtol=2e-4, atol=2e-5, msg=name)


def test_source_and_target_share_the_batch_statistics(caches, tmp_path):
    """With λ = 0 the target acts through batch norm alone, and it does."""
    alone = make_trainer(caches, tmp_path / "a", None, steps=1)
    forwarded = make_trainer(caches, tmp_path / "b", method("max_squares", 0.0), steps=1)
    alone.run("alone"), forwarded.run("forwarded")
    one, other = alone.model.state_dict(), forwarded.model.state_dict()
    assert not torch.equal(one["bn1.running_mean"], other["bn1.running_mean"])
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_a_game_goes_on_bit_for_bit_after_a_kill(caches, tmp_path):
    whole = make_trainer(caches, tmp_path / "whole", None, game=True)
    whole.run("whole")

    class Killed(Exception):
        pass

    first = make_trainer(caches, tmp_path / "killed", None, game=True)
    count, original = 0, type(first)._step

    def killed(self, *arguments):
        nonlocal count
        count += 1
        if count == 4:
            raise Killed
        return original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(type(first), "_step", killed)
        first.run("killed")
    second = make_trainer(caches, tmp_path / "killed", None, game=True)
    history = second.run("again")
    assert count == 4 and history.columns[-1] == "loss_discriminator_features" and len(history.rows) == 4
    for ours, theirs in ((second.model, whole.model), (second.method, whole.method)):
        assert all(torch.equal(each, theirs.state_dict()[name]) for name, each in ours.state_dict().items())


def test_predictions_split_where_asked():
    both = Prediction(torch.arange(5.0).reshape(5, 1, 1, 1), None, torch.arange(5.0).reshape(5, 1, 1, 1) + 10)
    source, target = both.split([2, 3])
    assert both.split([5]) == (both,)
    assert source.logits_final_BCHW.flatten().tolist() == [0, 1] and target.features_BFHW.flatten().tolist() == [
        12,
        13,
        14,
    ]
    assert source.logits_low_BCHW is None


def test_the_discriminator_is_drawn_from_the_seed_alone():
    torch.manual_seed(1)
    one = dann(5, 9).discriminator
    torch.manual_seed(2)
    other = dann(5, 9).discriminator
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    assert [type(each) for each in one].count(nn.BatchNorm2d) == 2
