"""Each batch-norm switch does one thing, in training only, and survives every change of mode."""

import itertools

import pytest
import torch

from segadapt.models import BATCHNORM_POLICIES, BatchNormPolicy, apply_batchnorm_policy, deeplabv2, initialise
from segadapt.models.networks.deeplab import BACKBONES, Backbone


def allowed(values):
    batch, update, affine, stem = values
    return (batch or not update) and (affine or not stem)


def policy_of(*values):
    """A policy, its switches in order."""
    return BatchNormPolicy(**dict(zip(BatchNormPolicy.model_fields, values, strict=True)))


POLICIES = [policy_of(*each) for each in itertools.product((False, True), repeat=4) if allowed(each)]


@pytest.fixture
def model(monkeypatch):
    """A small float64 net whose running statistics differ from any batch's and whose affine parts are not trivial."""
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(blocks=(1, 1, 2, 1), width=2))
    model = initialise(deeplabv2("tiny", 3), 1, "kaiming").double()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for module in norms(model).values():
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64))
    return model


def norms(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}


def image():
    return 3 * torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def observe(model):
    """Every batch norm's input and output in one forward pass."""
    seen, handles = {}, []
    for name, module in norms(model).items():
        handles.append(
            module.register_forward_hook(
                lambda _, inputs, output, name=name: seen.update({name: (inputs[0].clone(), output.clone())})
            )
        )
    logits_final, logits_low = model(image())
    for handle in handles:
        handle.remove()
    return seen, logits_final.square().mean() + logits_low.square().mean()


def normalised(x, mean, var, module):
    shape = (1, -1, 1, 1)
    scaled = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + 1e-5)
    return scaled * module.weight.view(shape) + module.bias.view(shape)


def running(model):
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_each_switch_in_training(model, policy):
    model.train()
    apply_batchnorm_policy(model, policy)
    before = running(model)
    seen, loss = observe(model)
    loss.backward()
    after = running(model)
    for name, module in norms(model).items():
        x, output = (each.detach() for each in seen[name])
        batch = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        stored = before[f"{name}.running_mean"], before[f"{name}.running_var"]
        expected, other = (batch, stored) if policy.batch_statistics else (stored, batch)
        torch.testing.assert_close(output, normalised(x, *expected, module).detach(), rtol=1e-9, atol=1e-9)
        assert (output - normalised(x, *other, module)).abs().max() > 1e-3

        moved = 0.9 * stored[0] + 0.1 * batch[0], 0.9 * stored[1] + 0.1 * x.var((0, 2, 3), unbiased=True)
        for have, want, kept in zip(("running_mean", "running_var"), moved, stored, strict=True):
            have = after[f"{name}.{have}"]
            if policy.update_running:
                torch.testing.assert_close(have, want, rtol=1e-10, atol=1e-12)
            else:
                assert torch.equal(have, kept)
        tracked = after[f"{name}.num_batches_tracked"] - before[f"{name}.num_batches_tracked"]
        assert tracked == int(policy.update_running)

        trains = policy.train_stem_affine if name == "bn1" else policy.train_affine
        assert (module.weight.grad is not None) == (module.bias.grad is not None) == trains
    # Convolutions train whatever the policy.
    assert model.conv1.weight.grad is not None and model.layer4[0].conv3.weight.grad is not None


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_evaluation_uses_running_statistics_and_leaves_them(model, policy):
    model.eval()
    expected = model(image())[0].detach()
    apply_batchnorm_policy(model, policy, training=True)
    apply_batchnorm_policy(model, policy, training=False)
    assert not any(module.training for module in model.modules())
    before = running(model)
    assert torch.equal(model(image())[0], expected)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_policy_holds_after_validation_where_train_alone_would_lose_it(model, policy):
    apply_batchnorm_policy(model, policy)
    wanted = [(each.training, each.track_running_stats) for each in norms(model).values()]
    apply_batchnorm_policy(model, policy, training=False)
    apply_batchnorm_policy(model, policy, training=True)
    assert model.training
    assert [(each.training, each.track_running_stats) for each in norms(model).values()] == wanted
    assert all(each.training == policy.batch_statistics for each in norms(model).values())


def test_policies_can_follow_each_other(model):
    for policy in (*POLICIES, *reversed(POLICIES)):
        apply_batchnorm_policy(model, policy)
        for name, module in norms(model).items():
            assert module.weight.requires_grad == (policy.train_stem_affine if name == "bn1" else policy.train_affine)
            assert module.training == policy.batch_statistics


def test_freezing_drops_gradients_that_an_optimiser_would_still_apply(model):
    apply_batchnorm_policy(model, BatchNormPolicy(train_stem_affine=True))
    observe(model)[1].backward()
    apply_batchnorm_policy(model, BATCHNORM_POLICIES["crst"])
    assert all(module.weight.grad is None and module.bias.grad is None for module in norms(model).values())
    assert model.conv1.weight.grad is not None


def test_named_policies_are_those_of_the_protocol():
    of_the_protocol = {
        "released": policy_of(True, True, True, False),
        "adaptsegnet": policy_of(True, True, False, False),
        "cbst": policy_of(False, False, True, False),
        "crst": policy_of(False, False, False, False),
    }
    assert of_the_protocol == BATCHNORM_POLICIES


@pytest.mark.parametrize(
    ("switches", "word"),
    [
        ({"batch_statistics": False, "update_running": True}, "update_running"),
        ({"train_affine": False, "train_stem_affine": True}, "train_stem_affine"),
    ],
)
def test_contradictions_are_refused(switches, word):
    with pytest.raises(ValueError, match=word):
        BatchNormPolicy(**switches)
