"""Cross City on the one trainer: formulas against naive float64, five Adams written out, resumed to the same bits."""

import copy
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_trainer import PROTOCOL, caches, config_of, entry, equal, make_trainer, weights  # noqa: F401  (a fixture among them)

from segadapt.core.parameters.learning import Constant
from segadapt.data.batches.batch import Batch
from segadapt.labels import CITYSCAPES19, IGNORE_INDEX, MOVING
from segadapt.losses.alignment import SOURCE, TARGET, alignment_loss, cell_means, label_shares, without_moving
from segadapt.methods import Prediction
from segadapt.methods.composition import build_method
from segadapt.methods.cross_city import CrossCity, Options
from segadapt.models import Architecture, BatchNormPolicy, apply_batchnorm_policy, build, to_input
from segadapt.training.optimiser import RepeatedSGD, parameter_groups

SMALL = {"width": 6, "dropout": 0.0, "class_wise_from": 2, "ramp_steps": 3, "height": 0.5}
RATE = 1e-3


def trainer_of(caches, folder: Path, options: dict, accumulate: int = 2, rate: float = RATE, **loop):  # noqa: F811
    """As ``test_trainer`` makes one, at a constant rate, its method told of rate and accumulation."""
    how = {"learning_rate": rate, "annealing": Constant(), "log_steps": 1, "accumulate": accumulate} | loop
    trainer = make_trainer(caches, folder, entry("cross_city", lambda_target=0.8, options=options), **how)
    training = {"auxiliary_weight": 0.1, "accumulate": accumulate, "joint_batch": False}
    method = entry("cross_city", lambda_target=0.8, options=options)
    config = {"seed": 7, "training": training, "method": method, "protocol": PROTOCOL}
    return replace(trainer, method=build_method(config, trainer.model))


def test_the_ramp_has_the_published_values():
    method = object.__new__(CrossCity)
    torch.nn.Module.__init__(method)
    method.settings = type("Settings", (), {"options": Options()})
    found = [f"{method.against(step):.6f}" for step in (0, 100, 400, 1000, 3000)]
    assert found == ["0.000000", "0.019706", "0.046555", "0.049976", "0.050000"]


@pytest.mark.parametrize("ignored_is_first", [False, True])
def test_shares_of_labels_are_counts(ignored_is_first):
    label_BHW = torch.from_numpy(np.random.default_rng(1).integers(0, 4, (2, 16, 24)).astype(np.uint8))
    label_BHW[0, :5] = IGNORE_INDEX
    label_BHW[1, :8, :8] = IGNORE_INDEX  # a whole cell
    found_BCHW = label_shares(label_BHW, 4, (2, 3), ignored_is_first)
    for image, train_id, row, column in itertools.product(range(2), range(4), range(2), range(3)):
        cell = label_BHW[image, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].flatten().tolist()
        count = sum(each == train_id or (ignored_is_first and train_id == 0 and each == IGNORE_INDEX) for each in cell)
        assert found_BCHW[image, train_id, row, column].item() == count / 64


def test_cells_that_do_not_fit_overlap():
    map_BCHW = torch.randn(1, 2, 16, 8, dtype=torch.float64)
    found_BCHW = cell_means(map_BCHW, (3, 2))
    for row, (top, bottom) in enumerate(((0, 6), (5, 11), (10, 16))):
        assert torch.allclose(found_BCHW[:, :, row], map_BCHW[:, :, top:bottom].unflatten(3, (2, 4)).mean(dim=(2, 4)))


def test_the_prior_moves_probability_to_what_stands():
    probability_BCHW = torch.randn(2, 4, 3, 5, dtype=torch.float64).softmax(dim=1)
    static_BHW = torch.zeros(2, 3, 5, dtype=torch.bool)
    static_BHW[0, 1, 2] = True
    found_BCHW = without_moving(probability_BCHW, static_BHW, (1, 3))
    want_C = probability_BCHW[0, :, 1, 2] * torch.tensor([1.0, 0, 1, 0])
    assert torch.allclose(found_BCHW[0, :, 1, 2], want_C / want_C.sum())
    found_BCHW[0, :, 1, 2] = probability_BCHW[0, :, 1, 2]
    assert torch.allclose(found_BCHW, probability_BCHW)
    nothing = without_moving(torch.eye(2)[1].view(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool), (1,))
    assert nothing.flatten().tolist() == [0, 0]  # all of it moved


@pytest.mark.parametrize("classes", [1, 3])
def test_losses_are_those_of_the_paper_cell_by_cell(classes):
    score, share = torch.randn(2, classes, 2, 3, 4, dtype=torch.float64), torch.rand(2, classes, 3, 4).double()
    share[1, 0] = 0  # a class that is nowhere costs nothing
    for domain in (SOURCE, TARGET):
        mean, weighted = 0.0, 0.0
        for image, each in itertools.product(range(2), range(classes)):
            above, below = 0.0, 0.0
            for row, column in itertools.product(range(3), range(4)):
                pair = score[image, each, :, row, column].numpy()
                cost = -np.log(np.exp(pair[domain]) / np.exp(pair).sum())
                mean += cost / (2 * classes * 12)
                above, below = above + share[image, each, row, column] * cost, below + share[image, each, row, column]
            weighted += above / (below + 5e-6) / 2
        assert alignment_loss(score, domain, None).item() == pytest.approx(mean, rel=1e-12)
        assert alignment_loss(score, domain, share).item() == pytest.approx(float(weighted), rel=1e-12)


class TensorFlowAdam:
    """As TensorFlow's documentation writes it: epsilon beside the uncorrected root."""

    def __init__(self, parameters) -> None:
        self.parameters = list(parameters)
        self.state, self.number = [[torch.zeros_like(each) for _ in range(2)] for each in self.parameters], 0

    @torch.no_grad()
    def step(self, gradients, rate: float) -> None:
        self.number += 1
        scale = rate * (1 - 0.999**self.number) ** 0.5 / (1 - 0.9**self.number)
        for parameter, gradient, (mean, square) in zip(self.parameters, gradients, self.state, strict=True):
            mean.mul_(0.9).add_(0.1 * gradient)
            square.mul_(0.999).add_(0.001 * gradient**2)
            parameter -= scale * mean / (square.sqrt() + 1e-8)


def judged(layers, features, count: int):
    """Scores of ``count`` discriminators, one after the other, from the layers that hold them side by side."""
    first, second, third = layers
    width, scores = len(first.weight) // count, []
    for each in range(count):
        own, pair = slice(each * width, each * width + width), slice(2 * each, 2 * each + 2)
        hidden = F.conv2d(features, first.weight[own], first.bias[own]).relu()
        hidden = F.conv2d(hidden, second.weight[own], second.bias[own]).relu()
        scores.append(F.conv2d(hidden, third.weight[pair], third.bias[pair]))
    return torch.stack(scores, dim=1)


@pytest.mark.parametrize("class_wise", [True, False])
def test_a_run_is_five_adams_written_out(caches, tmp_path, class_wise):  # noqa: F811
    """In float64: the task's optimiser and both pairs, by the mean of two steps, all at the same parameters."""
    options = SMALL | {"class_wise": class_wise}
    trainer = trainer_of(caches, tmp_path, options, steps=6)
    trainer.model.double(), trainer.method.double()
    trainer = replace(trainer, optimiser=RepeatedSGD(parameter_groups(trainer.model), 0.9, 5e-4, "none"))
    double = lambda image_BHWC, *rest: to_input(image_BHWC, "caffe").contiguous().double()  # noqa: E731
    object.__setattr__(trainer.compute, "layout", lambda image_BCHW: image_BCHW.double())
    model, game = copy.deepcopy(trainer.model), copy.deepcopy(trainer.method)
    apply_batchnorm_policy(model, BatchNormPolicy(), training=True)
    optimiser = RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "none")
    behind = [each for name, each in model.named_parameters() if not name.startswith(("layer5", "layer6"))]
    learned = [each.requires_grad for each in behind]
    judges = {name: list(each.discriminators.layers) for name, each in game.alignments.items()}
    own = {name: [each for layer in layers for each in layer.parameters()] for name, layers in judges.items()}
    adams = {name: (TensorFlowAdam(own[name]), TensorFlowAdam(behind)) for name in judges}
    sums = {}
    for step in range(6):
        total_own, total_against = {}, {}
        for domain, batch in ((SOURCE, trainer.source.batch(step)), (TARGET, trainer.target.batch(step))):
            read = []
            hook = model.layer6.register_forward_pre_hook(lambda module, inputs, read=read: read.append(inputs[0]))
            final = model(double(batch.image_BHWC))[0]
            hook.remove()
            logits = F.interpolate(final, (32, 64), mode="bilinear", align_corners=True)
            if domain == SOURCE:
                label = batch.label_BHW.long()
                task = F.cross_entropy(logits, label, ignore_index=255, reduction="sum") / label.numel()
                (task / 2).backward(retain_graph=True)
                share = label_shares(batch.label_BHW, 19, read[0].shape[2:], False).double()
            else:
                share = F.adaptive_avg_pool2d(logits.softmax(dim=1).detach(), read[0].shape[2:])
            for name, layers in judges.items():
                if name == "classes" and step < 2:
                    continue
                costs = -judged(layers, read[0], 19 if name == "classes" else 1).log_softmax(dim=2)
                if name == "classes":
                    each = (share[:, :, None] * costs).sum((3, 4)) / (share[:, :, None].sum((3, 4)) + 5e-6)
                    both = each.sum(dim=1).mean(dim=0)
                    against = both.mean()
                else:
                    both = costs.mean(dim=(0, 1, 3, 4))
                    against = both[1 - domain]
                total_own[name] = total_own.get(name, 0) + both[domain] / 2
                total_against[name] = total_against.get(name, 0) + against / 2
        for name, loss in total_own.items():
            gradients = torch.autograd.grad(loss, own[name], retain_graph=True)
            asked = [each for each in behind if each.requires_grad]
            found = iter(torch.autograd.grad(total_against[name], asked, retain_graph=True))
            moved = [
                next(found) if is_learned else torch.zeros_like(each)
                for each, is_learned in zip(behind, learned, strict=True)
            ]
            sums.setdefault(name, []).append((gradients, moved))
        if step % 2:
            optimiser.step(RATE)
            optimiser.zero_grad()
            for name, steps in sums.items():
                of_own, of_behind = (
                    [(a + b) / 2 for a, b in zip(*each, strict=True)] for each in zip(*steps, strict=True)
                )
                since = step - (2 if name == "classes" else 0)
                speed = 0.8 * 0.5 * (2 / (1 + np.exp(-10 * since / 3)) - 1)
                adams[name][0].step(of_own, RATE * (20 if name == "classes" else 10))
                adams[name][1].step(of_behind, RATE * speed)
            sums = {}
    history = trainer.run("toy")
    assert history.columns[-1] == ("loss_classes" if class_wise else "loss_global")
    for name, tensor in model.state_dict().items():
        assert torch.allclose(trainer.model.state_dict()[name], tensor, rtol=1e-6, atol=1e-9), name
    for name, tensors in own.items():
        for mine, its in zip(tensors, trainer.method.alignments[name].discriminators.parameters(), strict=True):
            assert torch.allclose(its, mine, rtol=1e-6, atol=1e-9), name


def test_a_killed_run_goes_on_to_the_same_bits(caches, tmp_path):  # noqa: F811
    """Dropout, the moments of four Adams and the sums of gradients: states are of updates alone."""
    options, more = SMALL | {"dropout": 0.5}, {"save_steps": 1}
    whole = trainer_of(caches, tmp_path / "whole", options, steps=8, **more)
    rows = whole.run("whole").rows
    states = sorted((tmp_path / "whole").glob("state-*"))
    assert [int(each.stem.split("-")[1]) for each in states] == [4, 6]
    for state in states:
        folder = tmp_path / state.stem
        folder.mkdir()
        (folder / state.name).write_bytes(state.read_bytes())
        resumed = trainer_of(caches, folder, options, steps=8, **more)
        assert resumed.run("resumed").rows == rows and equal(weights(resumed), weights(whole))
        assert equal(resumed.method.state_dict(), whole.method.state_dict())


@pytest.mark.parametrize("change", [{"class_wise": False}, {"dropout": 0.5}, {"height": 0.1}])
def test_every_option_changes_the_run(caches, tmp_path, change):  # noqa: F811
    """Discriminators start so small that they need some speed before features feel them."""
    options = SMALL | {"class_wise_from": 0}
    runs = [trainer_of(caches, tmp_path / name, options | more, rate=0.03, steps=8)
            for name, more in (("a", {}), ("b", change))]  # fmt: skip
    for each in runs:
        each.run("toy")
    assert not equal(*(weights(each) for each in runs))


def test_accumulated_gradients_are_a_mean(caches, tmp_path):  # noqa: F811
    """MaxSquare's run of four steps in two updates, written out."""
    trainer = make_trainer(caches, tmp_path, entry(lambda_target=0.0), steps=4, accumulate=2, annealing=Constant())
    model = copy.deepcopy(trainer.model)
    apply_batchnorm_policy(model, BatchNormPolicy(), training=True)
    optimiser = RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "torch10")
    for step in range(4):
        source, target = trainer.source.batch(step), trainer.target.batch(step)
        final = model(to_input(source.image_BHWC, "caffe").contiguous())[0]
        logits = F.interpolate(final, (32, 64), mode="bilinear", align_corners=True)
        (F.cross_entropy(logits, source.label_BHW.long(), ignore_index=255) / 2).backward()
        with torch.no_grad():
            model(to_input(target.image_BHWC, "caffe").contiguous())
        if step % 2:
            optimiser.step(0.01)
            optimiser.zero_grad()
    trainer.run("toy")
    for name, tensor in model.state_dict().items():
        assert torch.allclose(trainer.model.state_dict()[name], tensor, rtol=1e-4, atol=1e-6), name


def test_moving_classes_are_those_from_the_person_on():
    assert CITYSCAPES19.classes[11:] == MOVING


def test_the_faults_of_the_released_code_are_switches():
    """Ignored source pixels as the first class; a prior that changes nothing."""
    label_BHW, logits_BCHW = torch.full((1, 32, 64), 255, dtype=torch.uint8), torch.randn(1, 19, 4, 8)
    prediction = Prediction(logits_BCHW, None, torch.zeros(1, 5, 4, 8))
    images = torch.zeros(1, 32, 64, 3, dtype=torch.uint8)
    source, target = (Batch(images, each) for each in (label_BHW, label_BHW * 0 + 1))

    def shares(domain, batch, **options):
        method = entry("cross_city", lambda_target=1, options=SMALL | options)
        model = build(Architecture("streets", 19, class_set="cityscapes19"))
        return build_method(config_of(method), model).shares(domain, prediction, batch)

    assert shares(SOURCE, source).sum() == 0
    assert shares(SOURCE, source, ignored_is_first=True)[:, 0].eq(1).all()
    plain, stands = shares(TARGET, target), shares(TARGET, target, static_prior=True)
    assert stands[:, 11:].sum() == 0 and torch.allclose(stands.sum(dim=1), torch.ones(()))
    assert torch.equal(shares(TARGET, target, static_prior=True, prior_without_effect=True), plain)
