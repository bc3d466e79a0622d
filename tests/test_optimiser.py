"""The repeated SGD against explicit loops, closed forms, today's torch.optim.SGD, and the released parameter walk."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from segadapt.core.errors import UserError
from segadapt.models import BATCHNORM_POLICIES, apply_batchnorm_policy, deeplabv2
from segadapt.models.networks.deeplab import BACKBONES, Backbone, DeepLabV2, released_repeats
from segadapt.training import repeated_update
from segadapt.training.optimiser import (
    REPEATED_UPDATES,
    ParameterGroup,
    RepeatedSGD,
    parameter_groups,
)
from segadapt.training.repeated_update import Update, combined
from segadapt.training.schedule import poly_learning_rate

# One name for each number of repetitions in the released list.
NAMES = {1: "conv1.weight", 3: "layer1.0.conv1.weight", 4: "layer1.0.downsample.0.weight"}
GRADIENTS = 8


def by_number(optimiser, rate):
    optimiser.step(rate)


def by_tensor(optimiser, rate):
    """As in a CUDA graph, where the rate is on the device: one update after the other."""
    optimiser.step(torch.tensor(rate, dtype=torch.float64))


def optimiser_of(tensors, mode, **numbers):
    parameters = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in tensors.items()}
    return parameters, RepeatedSGD(
        [ParameterGroup("all", 1.0, parameters, repeats=released_repeats)], repeated_updates=mode, **numbers
    )


def of_momentum(tensors):
    """Momentum by parameter name as an optimiser stores it."""
    return {f"momentum.{name}": tensor for name, tensor in tensors.items()}


def naive_steps(theta, gradients, rates, mode, repeats, momentum=0.9, decay=5e-4):
    """PyTorch's for-loop SGD on a list with ``repeats`` entries for one tensor: today's first step or 1.0's decay."""
    theta, velocity = theta.clone(), torch.zeros_like(theta)
    of_all = momentum
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        stored = gradient.clone()
        momentum = 0.0 if mode == "modern" and step == 0 else of_all
        for _ in range(repeats):
            decayed = stored + decay * theta
            if mode == "torch10":
                stored = decayed
            velocity = momentum * velocity + decayed
            theta = theta - rate * velocity
    return theta, velocity


@pytest.mark.parametrize("step_by", [by_number, by_tensor])
@settings(max_examples=40)
@given(
    mode=st.sampled_from(REPEATED_UPDATES),
    shape=st.lists(st.integers(1, 4), min_size=0, max_size=3),
    seed=st.integers(0, 999),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    decay=st.sampled_from([0.0, 5e-4, 0.1]),
    rate=st.floats(1e-5, 0.05),
)
def test_equals_the_naive_loop(step_by, mode, shape, seed, momentum, decay, rate):
    generator = torch.Generator().manual_seed(seed)
    for dtype, bound in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        draw = lambda: torch.randn(shape, generator=generator, dtype=dtype)  # noqa: B023, E731
        starts = {name: draw() for name in NAMES.values()}
        gradients = {name: [draw() for _ in range(GRADIENTS)] for name in starts}
        rates = [poly_learning_rate(step, rate, GRADIENTS) for step in range(GRADIENTS)]
        parameters, optimiser = optimiser_of(starts, mode, momentum=momentum, weight_decay=decay)
        for step, lr in enumerate(rates):
            for name, parameter in parameters.items():
                parameter.grad = gradients[name][step].clone()
            step_by(optimiser, lr)
        for repeats, name in NAMES.items():
            k = 1 if mode == "none" else repeats
            theta, velocity = naive_steps(starts[name], gradients[name], rates, mode, k, momentum, decay)
            scale = 1 + velocity.abs().max().item() + theta.abs().max().item()
            pairs = [(parameters[name].detach(), theta), (optimiser.state["momentum"][name], velocity)]
            for have, want in pairs if momentum else pairs[:1]:
                assert (have - want).abs().max().item() <= bound * scale, (name, dtype)


@pytest.mark.parametrize("step_by", [by_number, by_tensor])
@pytest.mark.parametrize("decay", [0.0, 5e-4, 0.1])
def test_modern_is_todays_loop_over_a_list_with_duplicates(step_by, decay):
    """Torch's own class, float64, six steps; one tensor has its first gradient in the third."""
    generator = torch.Generator().manual_seed(3)
    late = "layer2.0.conv1.weight"
    starts = {name: torch.randn(4, 3, generator=generator, dtype=torch.float64) for name in (*NAMES.values(), late)}
    parameters, optimiser = optimiser_of(starts, "modern", weight_decay=decay)
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in starts.items()}
    listed = [each for name, each in theirs.items() for _ in range(released_repeats(name))]
    with pytest.warns(UserWarning, match="duplicate parameters"):
        reference = torch.optim.SGD(listed, lr=1.0, momentum=0.9, weight_decay=decay, foreach=False)
    for step in range(6):
        rate = poly_learning_rate(step, 0.05, 8)
        reference.param_groups[0]["lr"] = rate
        for name in starts:
            if name != late or step >= 2:
                gradient = torch.randn(4, 3, generator=generator, dtype=torch.float64)
                parameters[name].grad, theirs[name].grad = gradient.clone(), gradient.clone()
        step_by(optimiser, rate)
        reference.step()
        for name in optimiser.state["momentum"]:
            pairs = [(parameters[name].detach(), theirs[name].detach())]
            pairs.append((optimiser.state["momentum"][name], reference.state[theirs[name]]["momentum_buffer"]))
            for have, want in pairs:
                torch.testing.assert_close(have, want, rtol=0, atol=1e-13)
        if step == 0 and decay == 0:
            moved = starts[NAMES[3]] - parameters[NAMES[3]].detach()
            torch.testing.assert_close(moved, 3.0 * rate * parameters[NAMES[3]].grad)
    assert late in optimiser.state["momentum"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("names", [tuple(NAMES.values()), ("layer6.conv2d_list.0.weight",)])
def test_one_update_is_bit_equal_to_torchs_fused_sgd(dtype, names):
    generator = torch.Generator().manual_seed(0)
    starts = {name: torch.randn(5, 7, generator=generator, dtype=dtype) for name in names}
    parameters, optimiser = optimiser_of(starts, "none")
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in starts.items()}
    reference = torch.optim.SGD(theirs.values(), lr=1.0, momentum=0.9, weight_decay=5e-4, fused=True)
    for step in range(20):
        rate = poly_learning_rate(step, 0.05, 25)
        reference.param_groups[0]["lr"] = rate
        for name in names:
            gradient = torch.randn(5, 7, generator=generator, dtype=dtype)
            parameters[name].grad, theirs[name].grad = gradient.clone(), gradient.clone()
        optimiser.step(rate)
        reference.step()
        for name in names:
            assert torch.equal(parameters[name], theirs[name])
            assert torch.equal(optimiser.state["momentum"][name], reference.state[theirs[name]]["momentum_buffer"])


@pytest.mark.parametrize("mode", ["modern", "torch10"])
@pytest.mark.parametrize(
    ("repeats", "of_v", "of_g", "moves_v", "moves_g"),
    [(3, 0.729, 2.71, 2.439, 5.61), (4, 0.6561, 3.439, 3.0951, 9.049)],
)
def test_closed_form_without_decay(mode, repeats, of_v, of_g, moves_v, moves_g):
    generator = torch.Generator().manual_seed(1)
    theta, velocity, gradient = torch.randn(3, 11, generator=generator, dtype=torch.float64)
    name, rate = NAMES[repeats], 0.01
    parameters, optimiser = optimiser_of({name: theta}, mode, weight_decay=0.0)
    optimiser.load(of_momentum({name: velocity}))
    parameters[name].grad = gradient.clone()
    optimiser.step(rate)
    torch.testing.assert_close(optimiser.state["momentum"][name], of_v * velocity + of_g * gradient, rtol=0, atol=1e-14)
    expected = theta - rate * (moves_v * velocity + moves_g * gradient)
    torch.testing.assert_close(parameters[name].detach(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("mode", "three", "four"), [("none", 1, 1), ("modern", 3, 4), ("torch10", 6, 10)])
def test_strength_of_the_decay(mode, three, four):
    """Protocol 5.3: without gradient and momentum, one step shrinks a tensor by about factor * lr * decay."""
    rate, decay = 1e-3, 1e-3
    start = torch.ones(1, dtype=torch.float64)
    parameters, optimiser = optimiser_of(dict.fromkeys(NAMES.values(), start), mode, momentum=0.0, weight_decay=decay)
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step(rate)
    shrunk = {k: (1 - parameters[name].item()) / (rate * decay) for k, name in NAMES.items()}
    assert shrunk == pytest.approx({1: 1, 3: three, 4: four}, rel=1e-4)


@pytest.mark.parametrize("chunk", [1, 4, 7, 1000])
def test_chunks_change_nothing_but_the_rounding(monkeypatch, chunk):
    """Tensors larger and smaller than a chunk, in two memory layouts, some with a gradient in the other one."""
    monkeypatch.setattr(repeated_update, "CHUNK", chunk)
    generator = torch.Generator().manual_seed(2)
    shapes = [(2, 3, 3, 2), (1,), (5, 1, 1, 1), (4, 2, 3, 3), (7,)]
    starts = {f"layer1.{i}.conv1.weight": torch.randn(*shape, generator=generator) for i, shape in enumerate(shapes)}
    last = [name for name, start in starts.items() if start.ndim == 4]
    starts |= {name: starts[name].contiguous(memory_format=torch.channels_last) for name in last}
    parameters, optimiser = optimiser_of(starts, "torch10")
    gradients = {name: [] for name in starts}
    for _ in range(3):
        for name, parameter in parameters.items():
            gradients[name].append(torch.randn(parameter.shape, generator=generator))
            parameter.grad = gradients[name][-1].clone()
        optimiser.step(0.1)
    for name, parameter in parameters.items():
        theta, _ = naive_steps(starts[name], gradients[name], [0.1] * 3, "torch10", 3)
        torch.testing.assert_close(parameter.detach(), theta, rtol=1e-5, atol=1e-5)
        assert parameter.stride() == starts[name].stride()


@pytest.mark.parametrize("accumulate_decay", [False, True])
def test_however_many_repeats_are_two_updates(accumulate_decay):
    once = Update(2.5e-4, 0.9, 5e-4)
    assert combined(once, 1, accumulate_decay) == [once]
    assert [len(combined(once, repeats, accumulate_decay)) for repeats in (2, 3, 4, 50)] == [2] * 4


def meta_resnet101():
    with torch.device("meta"):
        return DeepLabV2(BACKBONES["resnet101"], 19, 2, True)


def released_list(model):
    """The names the released generator yields: each listed module's modules, each with all its parameters."""
    for child in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4"):
        for module_name, module in getattr(model, child).named_modules(prefix=child):
            for name, parameter in module.named_parameters(prefix=module_name):
                if parameter.requires_grad:
                    yield name


def test_repeats_are_those_of_the_released_generator():
    model = meta_resnet101()
    apply_batchnorm_policy(model, BATCHNORM_POLICIES["released"])
    listed = list(released_list(model))
    assert (len(listed), len(set(listed))) == (940, 310)
    assert {name: listed.count(name) for name in listed} == {name: released_repeats(name) for name in listed}
    assert all(
        released_repeats(f"{head}.conv2d_list.{i}.weight") == 1 for head in ("layer5", "layer6") for i in range(4)
    )
    apply_batchnorm_policy(model, BATCHNORM_POLICIES["adaptsegnet"])
    listed = list(released_list(model))
    assert (len(listed), len(set(listed))) == (314, 104)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_groups_hold_every_tensor_once(auxiliary):
    with torch.device("meta"):
        model = DeepLabV2(BACKBONES["resnet50"], 19, 2, auxiliary)
    backbone, heads = parameter_groups(model)
    assert (backbone.lr_factor, heads.lr_factor) == (1.0, 10.0)
    assert backbone.parameters | heads.parameters == dict(model.named_parameters())
    assert not set(backbone.parameters) & set(heads.parameters)
    assert len(heads.parameters) == (16 if auxiliary else 8)
    assert {name.split(".")[0] for name in heads.parameters} == ({"layer5", "layer6"} if auxiliary else {"layer6"})


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(blocks=(1, 1, 2, 1), width=2))
    return deeplabv2("tiny", 3)


def train_step(model, optimiser, step):
    generator = torch.Generator().manual_seed(step)
    optimiser.zero_grad()
    logits_final, logits_low = model(torch.randn(2, 3, 24, 24, generator=generator))
    (logits_final.square().mean() + logits_low.square().mean()).backward()
    optimiser.step(poly_learning_rate(step, 0.01, 20))


@pytest.mark.parametrize("mode", REPEATED_UPDATES)
def test_a_step_of_a_whole_model(tiny, mode):
    """Heads move at ten times the rate; tensors without gradient (dead branches, frozen stem) stay to the bit."""
    apply_batchnorm_policy(tiny, BATCHNORM_POLICIES["released"])
    before = copy.deepcopy(tiny.state_dict())
    optimiser = RepeatedSGD(parameter_groups(tiny), repeated_updates=mode)
    train_step(tiny, optimiser, 0)
    dead = ("conv2d_list.2", "conv2d_list.3")
    for name, parameter in tiny.named_parameters():
        if any(part in name for part in dead) or name.startswith("bn1."):
            assert parameter.grad is None and torch.equal(parameter, before[name]), name
            assert name not in optimiser.state["momentum"]
            continue
        k = 1 if mode == "none" else released_repeats(name)
        rate = 0.1 if name.startswith(("layer5", "layer6")) else 0.01
        theta, _ = naive_steps(before[name], [parameter.grad], [rate], mode, k)
        torch.testing.assert_close(parameter.detach(), theta, rtol=1e-6, atol=1e-7)
    optimiser.zero_grad()
    assert all(parameter.grad is None for parameter in tiny.parameters())


@pytest.mark.parametrize("mode", REPEATED_UPDATES)
def test_resuming_from_stored_momentum_is_bit_exact(tiny, mode):
    apply_batchnorm_policy(tiny, BATCHNORM_POLICIES["released"])
    optimiser = RepeatedSGD(parameter_groups(tiny), repeated_updates=mode)
    for step in range(3):
        train_step(tiny, optimiser, step)
    stored, weights = save(optimiser.tensors()), copy.deepcopy(tiny.state_dict())
    for step in range(3, 6):
        train_step(tiny, optimiser, step)

    resumed = deeplabv2("tiny", 3)
    resumed.load_state_dict(weights)
    apply_batchnorm_policy(resumed, BATCHNORM_POLICIES["released"])
    second = RepeatedSGD(parameter_groups(resumed), repeated_updates=mode)
    second.load(load(stored))
    for step in range(3, 6):
        train_step(resumed, second, step)
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    ours, theirs = optimiser.state["momentum"], second.state["momentum"]
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_gradient_itself_is_left_as_it_was():
    parameters, optimiser = optimiser_of({NAMES[4]: torch.ones(3)}, "torch10")
    parameters[NAMES[4]].grad = torch.full((3,), 2.0)
    optimiser.step(0.1)
    assert torch.equal(parameters[NAMES[4]].grad, torch.full((3,), 2.0))


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"layer9.weight": torch.zeros(3)}, "layer9.weight"),
        ({NAMES[3]: torch.zeros(4)}, r"\(4,\)"),
        ({NAMES[3]: torch.zeros(3, dtype=torch.float64)}, "float64"),
    ],
)
def test_foreign_momentum_is_refused_and_changes_nothing(stored, words):
    _, optimiser = optimiser_of({name: torch.ones(3) for name in NAMES.values()}, "none")
    optimiser.load(of_momentum({NAMES[1]: torch.full((3,), 5.0)}))
    with pytest.raises(UserError, match=words):
        optimiser.load(of_momentum({NAMES[1]: torch.zeros(3)} | stored))
    assert torch.equal(optimiser.state["momentum"][NAMES[1]], torch.full((3,), 5.0))


def test_loaded_momentum_is_a_copy_and_replaces_all():
    _, optimiser = optimiser_of({name: torch.ones(3) for name in NAMES.values()}, "none")
    mine = torch.zeros(3)
    optimiser.load(of_momentum({NAMES[1]: mine, NAMES[3]: mine}))
    mine.fill_(9.0)
    assert torch.equal(optimiser.state["momentum"][NAMES[1]], torch.zeros(3))
    optimiser.load(of_momentum({NAMES[4]: torch.ones(3)}))
    assert set(optimiser.state["momentum"]) == {NAMES[4]}


def test_unknown_mode_is_refused():
    with pytest.raises(UserError, match="torch10"):
        RepeatedSGD([], repeated_updates="foreach")
