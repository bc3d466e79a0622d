"""The game of AdaptSegNet and AdvEnt against naive float64 ones, label conventions, and who learns from what."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from segadapt.core.errors import UserError
from segadapt.losses.domain import SOURCE, TARGET, domain_loss, self_information_map, softmax_map
from segadapt.methods import Prediction, Settings
from segadapt.methods.adversarial.adaptsegnet import Adaptsegnet
from segadapt.methods.adversarial.advent import Advent
from segadapt.methods.adversarial.output_maps import OutputMaps
from segadapt.models import initialise
from segadapt.models.discriminator import Discriminator

GAMES = {"adaptsegnet": Adaptsegnet, "advent": Advent}
SETTINGS = {"objective": "vanilla", "lambda_final": 0.3, "lambda_low": 0.2, "width": 2, "learning_rate": 1e-4}
SIZE, OTHER_SIZE = (32, 40), (36, 33)


def random_logits(seed: int, *shape: int, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()


def game_of(name: str = "adaptsegnet", num_classes: int = 3, **changes) -> OutputMaps:
    model = torch.nn.Module()
    model.num_classes = num_classes
    protocol = {"adam_epsilon": "corrected"}
    return GAMES[name](Settings(protocol=protocol, adversarial=SETTINGS | changes, seed=4), model).double()


def predictions(num_classes: int = 3) -> tuple[Prediction, Prediction]:
    """Of source and target, both heads."""
    source, target = ([random_logits(seed, 2, num_classes, 5, 6) for seed in seeds] for seeds in ((1, 2), (3, 4)))
    return Prediction(*source), Prediction(*target)


def naive_map(name: str, logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    wide = F.interpolate(logits, size, mode="bilinear", align_corners=True)
    probability = wide.exp() / wide.exp().sum(1, keepdim=True)
    if name == "adaptsegnet":
        return probability
    return -probability * torch.log2(probability + 1e-30) / math.log2(logits.shape[1])


def naive_scores(network: Discriminator, image: torch.Tensor) -> torch.Tensor:
    """Every convolution as a product with cut-out patches."""
    for layer in (network.conv1, network.conv2, network.conv3, network.conv4, network.classifier):
        batch, _, height, width = image.shape
        patches = F.unfold(image, 4, padding=1, stride=2)
        image = layer.weight.flatten(1) @ patches + layer.bias[:, None]
        image = image.unflatten(2, (height // 2, width // 2))
        if layer is not network.classifier:
            image = torch.where(image > 0, image, 0.2 * image)
    assert image.shape[:2] == (batch, 1)
    return image


def naive_loss(score: torch.Tensor, label: float, objective: str) -> torch.Tensor:
    if objective == "least_squares":
        return ((score - label) ** 2).sum() / score.numel()
    probability = 1 / (1 + torch.exp(-score))
    return -(label * torch.log(probability) + (1 - label) * torch.log(1 - probability)).sum() / score.numel()


def assert_same(ours: torch.Tensor, naive: torch.Tensor, inputs: list[torch.Tensor]) -> None:
    torch.testing.assert_close(ours, naive, rtol=1e-9, atol=1e-13)
    for got, wanted in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(naive, inputs), strict=True):
        assert wanted.abs().sum() > 0
        torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("objective", ["vanilla", "least_squares"])
@pytest.mark.parametrize("name", GAMES)
def test_what_the_network_minimises(name, objective):
    """To be taken for source, which is 0, on target images, each head by its own lambda."""
    game, (_, target) = game_of(name, objective=objective), predictions()
    naive = 0
    for weight, head, logits in ((0.3, "final", target.logits_final_BCHW), (0.2, "low", target.logits_low_BCHW)):
        score = naive_scores(game.discriminators[head], naive_map(name, logits, SIZE))
        naive = naive + weight * naive_loss(score, 0, objective)
    assert_same(game.generator_loss(target, SIZE), naive, [target.logits_final_BCHW, target.logits_low_BCHW])


@pytest.mark.parametrize("objective", ["vanilla", "least_squares"])
@pytest.mark.parametrize("name", GAMES)
def test_what_the_discriminators_minimise(name, objective):
    """Source is 0, target is 1, each half; no lambda weighs it, and the domains may differ in size."""
    game, (source, target) = game_of(name, objective=objective), predictions()
    losses = game.discriminator_losses(source, SIZE, target, OTHER_SIZE)
    assert list(losses) == ["final", "low"]
    for head, loss in losses.items():
        network = game.discriminators[head]
        sides = ((source, SIZE, 0), (target, OTHER_SIZE, 1))
        naive = 0
        for prediction, size, label in sides:
            logits = prediction.logits_final_BCHW if head == "final" else prediction.logits_low_BCHW
            naive = naive + naive_loss(naive_scores(network, naive_map(name, logits, size)), label, objective) / 2
        assert_same(loss, naive, list(network.parameters()))


@pytest.mark.parametrize("name", GAMES)
def test_gradients_in_the_logits_are_the_slopes(name):
    game, (_, target) = game_of(name), predictions()
    assert torch.autograd.gradcheck(
        lambda final, low: game.generator_loss(Prediction(final, low), SIZE),
        (target.logits_final_BCHW, target.logits_low_BCHW),
        fast_mode=True,
    )


def test_each_side_s_loss_leaves_the_other_side_alone():
    game, (source, target) = game_of(), predictions()
    game.generator_loss(target, SIZE).backward()
    assert all(parameter.grad is None for parameter in game.discriminators.parameters())
    gradients = [target.logits_final_BCHW.grad.clone(), target.logits_low_BCHW.grad.clone()]
    sum(game.discriminator_losses(source, SIZE, target, SIZE).values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in game.discriminators.parameters())
    assert source.logits_final_BCHW.grad is None and source.logits_low_BCHW.grad is None
    assert torch.equal(target.logits_final_BCHW.grad, gradients[0])
    assert torch.equal(target.logits_low_BCHW.grad, gradients[1])


@pytest.mark.parametrize("objective", ["vanilla", "least_squares"])
def test_a_high_score_says_target(objective):
    high, low = torch.full((1, 1, 2, 3), 0.9), torch.full((1, 1, 2, 3), -0.2)
    assert domain_loss(high, TARGET, objective) < domain_loss(low, TARGET, objective)
    assert domain_loss(low, SOURCE, objective) < domain_loss(high, SOURCE, objective)
    with pytest.raises(UserError, match="use one of vanilla, least_squares"):
        domain_loss(high, TARGET, "wasserstein")


def test_a_level_without_weight_has_no_discriminator():
    single = game_of(lambda_low=0.0)
    assert list(single.discriminators) == ["final"]
    source, target = (Prediction(each.logits_final_BCHW, None) for each in predictions())
    assert single.generator_loss(target, SIZE) > 0
    assert list(single.discriminator_losses(source, SIZE, target, SIZE)) == ["final"]
    with pytest.raises(UserError, match=r"lambda_low needs a model with the auxiliary head"):
        game_of().generator_loss(target, SIZE)


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(2, 9), st.sampled_from([0.1, 3.0, 300.0]))
def test_maps(seed, num_classes, scale):
    """Also where probabilities round to 0 and 1; self-information sums to the entropy over log C."""
    logits = random_logits(seed, 1, num_classes, 3, 4, scale=scale)
    for ours, name in ((softmax_map, "adaptsegnet"), (self_information_map, "advent")):
        naive = naive_map(name, logits - logits.detach().amax(1, keepdim=True), (3, 4))
        torch.testing.assert_close(ours(logits, (3, 4)), naive, rtol=1e-9, atol=1e-12)
        assert torch.isfinite(torch.autograd.grad(ours(logits.float(), (3, 4)).square().sum(), logits)[0]).all()
    total = self_information_map(logits).sum(1)
    assert (total > -1e-12).all() and (total < 1 + 1e-12).all()


def test_the_network_is_the_authors():
    network = Discriminator(19)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_781_121
    assert [layer.out_channels for layer in network.children() if hasattr(layer, "out_channels")] == [
        64, 128, 256, 512, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "left"),
    [((512, 1024), (16, 32)), ((32, 32), (1, 1)), ((96, 192), (3, 6)), ((127, 63), (3, 1))],
)
def test_each_layer_halves_the_map(size, left):
    assert Discriminator(4, width=2)(torch.zeros(2, 4, *size)).shape == (2, 1, *left)


@pytest.mark.parametrize("size", [(31, 64), (64, 16), (1, 1)])
def test_too_small_maps_are_refused(size):
    with pytest.raises(UserError, match=rf"maps of {size[1]}x{size[0]}; it needs at least 32 pixels"):
        Discriminator(4, width=2)(torch.zeros(1, 4, *size))


def test_initial_weights_depend_on_the_seed_and_the_name():
    first, again = game_of().discriminators, game_of().discriminators
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first["final"].conv2.weight, first["low"].conv2.weight)
    alone = game_of(lambda_low=0.0).discriminators
    assert torch.equal(alone["final"].conv1.weight, first["final"].conv1.weight)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        expected = torch.rand(1)
        torch.manual_seed(1)
        game_of()
        assert torch.equal(torch.rand(1), expected)


def test_initial_weights_are_spread_as_pytorch_s_own():
    for kind, ours in initialise(Discriminator(19), 3, "torch").named_parameters():
        theirs = Discriminator(19).get_parameter(kind)
        if ours.numel() < 1000:
            continue
        assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.01), kind
        assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.05), kind
        assert abs(ours.mean().item()) < 0.1 * ours.std().item(), kind
