"""AdamW against torch's, schedules against closed forms, and the registries that name them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from segadapt.core.errors import UserError
from segadapt.core.parameters import learning
from segadapt.core.parameters.learning import Constant, Linear, Poly
from segadapt.training.optimiser import OPTIMISERS, AdamW, ParameterGroup
from segadapt.training.schedule import ANNEALING, learning_rate, poly_learning_rate


def adamw_of(tensors, **numbers):
    """Two groups of the same tensors: a head at ten times the rate, and norms that do not decay."""
    parameters = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in tensors.items()}
    norms = {name: each for name, each in parameters.items() if "norm" in name}
    heads = {name: each for name, each in parameters.items() if name not in norms}
    groups = [ParameterGroup("norms", 1.0, norms, decays=False), ParameterGroup("heads", 10.0, heads)]
    return parameters, AdamW(groups, **numbers)


def on_the_device(rate: float) -> torch.Tensor:
    """As in a CUDA graph."""
    return torch.tensor(rate, dtype=torch.float64)


@pytest.mark.parametrize("rate_as", [float, on_the_device])
def test_adamw_equals_torchs(rate_as):
    """With groups, a tensor that joins late and one that never learns."""
    generator = torch.Generator().manual_seed(1)
    tensors = {
        name: torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in {"norm.weight": (5,), "head.weight": (3, 4), "head.late": (2, 3), "head.idle": (3,)}.items()
    }
    ours, optimiser = adamw_of(tensors, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.1)
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in tensors.items()}
    groups = [
        {"params": [theirs["norm.weight"]], "weight_decay": 0.0},
        {"params": [theirs[name] for name in ("head.weight", "head.late", "head.idle")], "weight_decay": 0.1},
    ]
    reference = torch.optim.AdamW(groups, betas=(0.8, 0.95), eps=1e-6, foreach=False)
    for step in range(8):
        rate = 0.01 * (step + 1)
        for name in ("norm.weight", "head.weight", *(["head.late"] if step > 2 else [])):
            ours[name].grad = torch.randn(tensors[name].shape, generator=generator, dtype=torch.float64)
            theirs[name].grad = ours[name].grad.clone()
        for group, factor in zip(reference.param_groups, (1.0, 10.0), strict=True):
            group["lr"] = rate * factor
        optimiser.step(rate_as(rate))
        reference.step()
        optimiser.zero_grad()
        reference.zero_grad()
    for name in tensors:
        torch.testing.assert_close(ours[name].detach(), theirs[name].detach(), rtol=1e-10, atol=1e-12)
    assert torch.equal(ours["head.idle"], tensors["head.idle"]) and "head.idle" not in optimiser.state["mean"]


def test_adamw_goes_on_from_its_stored_state_to_the_bit():
    tensors = {"norm.weight": torch.ones(5), "head.weight": torch.linspace(-1, 1, 12).view(3, 4)}
    whole, first = adamw_of(tensors), adamw_of(tensors)

    def learn(parameters, optimiser, steps):
        for step in steps:
            for each in parameters.values():
                each.grad = torch.sin(each.detach() * 3 + step)
            optimiser.step(0.01)

    learn(*whole, range(6))
    learn(*first, range(3))
    stored = load(save(first[1].tensors()))
    second = adamw_of({name: each.detach() for name, each in first[0].items()})
    second[1].load(stored)
    learn(*second, range(3, 6))
    assert all(torch.equal(whole[0][name], second[0][name]) for name in tensors)
    with pytest.raises(UserError, match=r"stored momentum of 'norm\.weight'"):
        second[1].load({"momentum.norm.weight": torch.zeros(5)})


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 6.0e-11), (1, 4.005896e-8), (49, 1.957657e-6), (750, 2.943753e-5), (1499, 5.7713e-5), (1500, 5.775e-5),
        (20_000, 3.0e-5), (39_999, 1.5e-9), (40_000, 0.0),
    ],
)  # fmt: skip
def test_daformers_schedule(step, rate):
    """6e-5 over 40,000 steps with power 1, 1,500 of warm-up; its log prints 1.958e-6 after 50 steps."""
    assert learning_rate(step, 6e-5, 40_000, Poly(power=1, warm_up=1500)) == pytest.approx(rate, rel=1e-6)


@settings(max_examples=100)
@given(
    step=st.integers(0, 500), base=st.floats(1e-6, 1), horizon=st.integers(1, 400), power=st.floats(0.1, 3),
    ratio=st.floats(0, 1), data=st.data(),
)  # fmt: skip
def test_schedules_with_warm_up(step, base, horizon, power, ratio, data):
    """Against mmcv's linear warm-up written out, and against the two lines of a linear schedule."""
    warm_up = data.draw(st.integers(0, horizon - 1))
    regular = base * (1 - min(step, horizon) / horizon) ** power
    if step < warm_up:
        k = (1 - step / warm_up) * (1 - ratio)
        regular = regular * (1 - k)
    poly = Poly(power=power, warm_up=warm_up, warm_up_ratio=ratio)
    assert learning_rate(step, base, horizon, poly) == pytest.approx(regular, rel=1e-9, abs=1e-15)
    linear = np.interp(step, [0, warm_up, horizon] if warm_up else [0, horizon], [ratio, 1, 0] if warm_up else [1, 0])
    got = learning_rate(step, base, horizon, Linear(warm_up=warm_up, warm_up_ratio=ratio))
    assert got == pytest.approx(base * linear, rel=1e-9, abs=1e-12)
    assert learning_rate(step, base, horizon, Constant()) == base


def test_the_registries_have_every_section_and_no_other():
    group = ParameterGroup("all", 1.0, {"weight": torch.nn.Parameter(torch.zeros(1))})
    sections = {kind().name: kind() for kind in (learning.RepeatedSgd, learning.Sgd, learning.Adam, learning.AdamW)}
    assert sections.keys() == OPTIMISERS.keys()
    built = {name: OPTIMISERS[name]([group], section, "torch10") for name, section in sections.items()}
    assert built["repeated_sgd"].repeated_updates == "torch10" and built["sgd"].repeated_updates == "none"
    assert (built["adamw"].betas, built["adamw"].epsilon, built["adamw"].weight_decay) == ((0.9, 0.999), 1e-8, 0.01)
    assert {kind().name for kind in (Poly, Linear, learning.Inverse, Constant)} == ANNEALING.keys()


@settings(max_examples=100)
@given(step=st.integers(0, 500), base=st.floats(1e-6, 1), horizon=st.integers(1, 400), power=st.floats(0.1, 3))
def test_poly_schedule(step, base, horizon, power):
    rate = poly_learning_rate(step, base, horizon, power)
    assert isinstance(rate, float) and 0 <= rate <= base
    assert rate == (0.0 if step >= horizon else pytest.approx(base * (1 - step / horizon) ** power, rel=1e-12))


def test_poly_schedule_of_the_released_pretraining():
    assert poly_learning_rate(0, 2.5e-4, 200_000) == 2.5e-4
    assert poly_learning_rate(80_000, 2.5e-4, 200_000) == pytest.approx(1.58e-4, rel=3e-3)
    assert poly_learning_rate(70_000, 2.5e-4, 200_000) == pytest.approx(1.70e-4, rel=3e-3)
