"""An adversarial run on the one trainer: the order of operations, Adam, what is kept, and resuming to the same bits."""

import copy
from pathlib import Path

import pytest
import torch
from test_trainer import PROTOCOL, caches, entry, equal, make_trainer, weights  # noqa: F401  (a fixture among them)

from segadapt.core.errors import UserError
from segadapt.data.batches.batch import Batch
from segadapt.losses import cross_entropy, max_squares
from segadapt.methods import Prediction, Settings, Step
from segadapt.methods.adversarial.adam import epsilon_of
from segadapt.methods.adversarial.advent import Advent
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, to_input
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.schedule import poly_learning_rate
from segadapt.training.trainer import Trainer

SINGLE = {
    "name": "adaptsegnet", "objective": "vanilla", "lambda_final": 0.5, "lambda_low": 0.0, "learning_rate": 1e-3,
    "width": 4,
}  # fmt: skip
MULTI = SINGLE | {"name": "advent", "lambda_low": 0.3}
SIZE = (32, 64)


def adversarial_trainer(caches, folder: Path, settings: dict, target_loss: bool = False, **loop) -> Trainer:  # noqa: F811
    """As ``test_trainer`` makes one, plus an adversary, with or without MaxSquare beside it."""
    method = entry(adversarial=settings) if target_loss else entry(None, lambda_target=0.0, adversarial=settings)
    return make_trainer(caches, folder, method, auxiliary=settings["lambda_low"] > 0, **loop)


class NaiveAdam:
    """The formula of Kingma and Ba (2015), one tensor at a time: Algorithm 1, or PyTorch 0.4's order of operations."""

    def __init__(self, parameters, adam_epsilon: str = "corrected") -> None:
        self.state = {parameter: (torch.zeros_like(parameter), torch.zeros_like(parameter)) for parameter in parameters}
        self.steps, self.adam_epsilon = 0, adam_epsilon

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        self.steps += 1
        of_mean, of_square = 1 - 0.9**self.steps, 1 - 0.99**self.steps
        for parameter, (mean, square) in self.state.items():
            mean.copy_(0.9 * mean + 0.1 * parameter.grad)
            square.copy_(0.99 * square + 0.01 * parameter.grad**2)
            if self.adam_epsilon == "corrected":
                parameter -= learning_rate * (mean / of_mean) / ((square / of_square).sqrt() + 1e-8)
            else:
                parameter -= learning_rate * of_square**0.5 / of_mean * mean / (square.sqrt() + 1e-8)
            parameter.grad = None


@pytest.mark.parametrize(("settings", "target_loss"), [(SINGLE, False), (MULTI, True)], ids=["single", "multi"])
def test_a_run_equals_the_released_order_of_operations(caches, tmp_path, settings, target_loss):  # noqa: F811
    """Source, target with the frozen discriminators, discriminators on the same predictions, then every optimiser."""
    trainer = adversarial_trainer(caches, tmp_path, settings, target_loss, steps=3, horizon=5)
    model, game = copy.deepcopy(trainer.model), copy.deepcopy(trainer.method)
    for network in (model, game.discriminators):
        network.double()
    optimiser = RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "torch10")
    adam = NaiveAdam(game.discriminators.parameters())
    apply_batchnorm_policy(model, BatchNormPolicy(), training=True)
    losses = []
    for step in range(3):
        source, target = trainer.source.batch(step), trainer.target.batch(step)
        on_source = Prediction(*model(to_input(source.image_BHWC, "caffe").contiguous().double()))
        loss_source = cross_entropy(on_source.logits_final_BCHW, source.label_BHW, SIZE)
        if on_source.logits_low_BCHW is not None:
            loss_source = loss_source + 0.1 * cross_entropy(on_source.logits_low_BCHW, source.label_BHW, SIZE)
        loss_source.backward()
        on_target = Prediction(*model(to_input(target.image_BHWC, "caffe").contiguous().double()))
        loss_target = game.generator_loss(on_target, SIZE)
        if target_loss:
            loss_target = loss_target + 0.1 * max_squares(on_target.logits_final_BCHW, SIZE)
        loss_target.backward()
        of_heads = game.discriminator_losses(on_source, SIZE, on_target, SIZE)
        sum(of_heads.values()).backward()
        optimiser.step(poly_learning_rate(step, 0.01, 5))
        optimiser.zero_grad()
        adam.step(poly_learning_rate(step, 1e-3, 5))
        losses.append([loss_source, loss_target, *of_heads.values()])
    history = trainer.run("test")
    wanted = torch.tensor([[each.item() for each in row] for row in losses], dtype=torch.float64)
    got = torch.tensor([row[2:] for row in history.rows], dtype=torch.float64)
    torch.testing.assert_close(got, torch.stack([wanted[:2].mean(0), wanted[2]]), rtol=1e-4, atol=1e-6)
    for ours, naive in ((trainer.model, model), (trainer.method.discriminators, game.discriminators)):
        for name, tensor in ours.state_dict().items():
            torch.testing.assert_close(tensor.double(), naive.state_dict()[name].double(), rtol=2e-3, atol=2e-5)


def learned(method: Advent, optimiser, updates: int = 30) -> tuple[list, list]:
    """The discriminators after updates on changing maps, float64: the method's, and a copy's that ``optimiser`` of
    its parameters gave, a function of the learning rate."""
    game = copy.deepcopy(method)
    step, generator = optimiser(game.discriminators.parameters()), torch.Generator().manual_seed(1)
    for update in range(updates):
        maps = torch.randn(4, 1, 3, 6, 7, generator=generator, dtype=torch.float64)
        source, target, rate = Prediction(*maps[:2]), Prediction(*maps[2:]), 1e-3 * (1 - update / 40)
        losses = game.discriminator_losses(source, SIZE, target, (40, 33))
        sum(losses.values()).backward()
        step(rate)
        batches = (Batch(torch.zeros(1, *size, 3, dtype=torch.uint8), None) for size in (SIZE, (40, 33)))
        at = Step(update, 0.0, *batches, game, lambda base, rate=rate: base * rate, None)
        got = method.after(at, {"source": (source,), "target": (target,)})
        assert got.keys() == {"discriminator_final", "discriminator_low"} == set(method.columns)
        told = torch.stack(list(got.values()))
        torch.testing.assert_close(told, torch.stack(list(losses.values())).detach(), rtol=1e-9, atol=0)
    return list(method.discriminators.parameters()), list(game.discriminators.parameters())


def double_adversary(adam_epsilon: str, gradient_scale: float = 1.0) -> Advent:
    """Both levels, in float64; small weights of the last layer make small gradients of all others."""
    model = torch.nn.Module()
    model.num_classes = 3
    protocol, adversarial = PROTOCOL | {"adam_epsilon": adam_epsilon}, MULTI | {"learning_rate": 1.0}
    method = Advent(Settings(protocol=protocol, adversarial=adversarial, seed=7), model).double()
    for network in method.discriminators.values():
        network.classifier.weight.data *= gradient_scale
    return method


@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize("adam_epsilon", ["uncorrected", "corrected"])
def test_the_discriminators_learn_by_adam(adam_epsilon, scale):
    """Thirty updates against the formula, also where gradients are so small that epsilon counts."""
    naive = lambda parameters: NaiveAdam(parameters, adam_epsilon).step  # noqa: E731
    for ours, theirs in zip(*learned(double_adversary(adam_epsilon, scale), naive), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-12)


def test_the_corrected_epsilon_is_todays_adam():
    def todays(parameters):
        optimiser = torch.optim.Adam(parameters, betas=(0.9, 0.99))

        def step(rate: float) -> None:
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
            optimiser.zero_grad()

        return step

    for ours, theirs in zip(*learned(double_adversary("corrected", 1e-4), todays), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("size", [1e-9, 5e-7, 1e-4])
def test_where_epsilon_stands_matters_for_small_gradients_of_the_first_updates(size):
    """Constant gradients g move a tensor by rate * g / (g + epsilon), where epsilon is 10 times as large at first."""
    moved = {where: size / (size + epsilon_of(1, where)) for where in ("uncorrected", "corrected")}
    assert moved["uncorrected"] == pytest.approx(size / (size + 1e-7), rel=1e-9)
    assert moved["corrected"] == size / (size + 1e-8)
    assert epsilon_of(1000, "uncorrected") == pytest.approx(1e-8, rel=1e-4)


@pytest.mark.parametrize("settings", [SINGLE, MULTI], ids=["single", "multi"])
def test_resuming_from_any_saved_state_gives_the_same_bits(caches, tmp_path, settings):  # noqa: F811
    whole = adversarial_trainer(caches, tmp_path / "whole", settings, steps=8)
    history = whole.run("whole")
    kept = whole.method.state_dict()
    assert {name.partition(".")[0] for name in kept} == {"discriminators", "adam"}
    states = sorted((tmp_path / "whole").glob("state-*"))
    assert len(states) == 2
    for state in states:
        folder = tmp_path / state.stem
        folder.mkdir()
        (folder / state.name).write_bytes(state.read_bytes())
        resumed = adversarial_trainer(caches, folder, settings, steps=8)
        resumed_history = resumed.run("resumed")
        assert resumed_history.rows == history.rows
        assert equal(weights(resumed), weights(whole))
        assert kept.keys() == resumed.method.state_dict().keys() and equal(resumed.method.state_dict(), kept)
        for name, written in (("whole", history), ("resumed", resumed_history)):
            written.write(tmp_path / f"{name}.csv")
        assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "resumed.csv").read_bytes()


def test_the_history_has_a_column_for_each_discriminator(caches, tmp_path):  # noqa: F811
    trainer = adversarial_trainer(caches, tmp_path, MULTI, steps=4)
    trainer.run("multi").write(tmp_path / "history.csv")
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header == (
        "step,learning_rate,loss_source,loss_target,loss_discriminator_final,loss_discriminator_low"
    )  # fmt: skip
    assert [row.count(",") for row in rows] == [5, 5] and not any(",," in row for row in rows)


def test_a_discriminator_that_is_not_finite_stops_the_run(caches, tmp_path):  # noqa: F811
    trainer = adversarial_trainer(caches, tmp_path, SINGLE | {"lambda_final": 1e-30, "learning_rate": 1e30}, steps=6)
    with pytest.raises(UserError, match=r"(target|discriminator final) loss is (nan|inf) at step \d"):
        trainer.run("wild")


def test_the_game_changes_the_network_and_a_run_without_it_does_not_know_of_it(caches, tmp_path):  # noqa: F811
    with_game = adversarial_trainer(caches, tmp_path / "a", SINGLE, target_loss=True, steps=2)
    without = make_trainer(caches, tmp_path / "b", entry(), steps=2)
    with_game.run("with")
    assert len(without.run("without").rows[0]) == 4
    assert not equal(weights(with_game), weights(without))
