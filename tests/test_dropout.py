"""Dropout in training: drawn for seed, step and pass alone, so that a run that was killed ends with the same bytes."""

from dataclasses import replace

import pytest
import torch
from test_trainer import caches, entry, equal, make_trainer, weights  # noqa: F401 - a fixture is used by name

from segadapt.models import BATCHNORM_POLICIES, Architecture, build, initialise
from segadapt.training.dropout import drawing, has_dropout
from segadapt.training.optimiser import RepeatedSGD, parameter_groups


def wide_trainer(caches, folder, steps=8, seed=5, **loop):  # noqa: F811
    """A trainer of the wide network as CBST trains it, on a real source and target."""
    trainer = make_trainer(caches, folder, entry(), steps=steps, learning_rate=1e-7, **loop)  # no pretrained norm
    model = initialise(build(Architecture("streets_wide", 19, auxiliary=False)), 3, "kaiming")
    source, target = (replace(each, seed=seed) for each in (trainer.source, trainer.target))
    optimiser = RepeatedSGD(parameter_groups(model, 1.0))
    return replace(
        trainer, model=model, optimiser=optimiser, source=source, target=target, batch_norm=BATCHNORM_POLICIES["cbst"]
    )


def test_a_run_that_was_cut_draws_what_it_would_have_drawn(caches, tmp_path):  # noqa: F811
    whole = wide_trainer(caches, tmp_path / "whole")
    history = whole.run("whole")
    states = sorted((tmp_path / "whole").glob("state-*"))
    assert len(states) == 2
    for state in states:
        folder = tmp_path / state.stem
        folder.mkdir()
        (folder / state.name).write_bytes(state.read_bytes())
        torch.manual_seed(99)  # what another process's generator stands at
        resumed = wide_trainer(caches, folder)
        assert resumed.run("resumed").rows == history.rows
        assert equal(weights(resumed), weights(whole))


def test_training_leaves_torch_s_generator_alone_and_does_not_ask_it(caches, tmp_path):  # noqa: F811
    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.random.get_rng_state()
        trainer = wide_trainer(caches, tmp_path / str(seed), steps=2)
        trainer.run("run")
        assert torch.equal(torch.random.get_rng_state(), before)
        ends.append(weights(trainer))
    assert equal(*ends)


def test_masks_differ_by_seed_pass_and_step(caches, tmp_path):  # noqa: F811
    masks = {}
    for seed in (5, 6):
        trainer = wide_trainer(caches, tmp_path / str(seed), steps=3, seed=seed)
        dropout = dict(trainer.model.named_modules())["level7.0.dropout"]
        dropout.register_forward_hook(
            lambda module, given, result, seed=seed: masks.setdefault(seed, []).append(
                torch.where(given[0] > 0, (result != 0).float(), torch.nan)
            )
        )
        trainer.run("run")
    drawn = [mask for each in masks.values() for mask in each]
    assert [len(each) for each in masks.values()] == [6, 6], "three steps of two passes"
    for index, one in enumerate(drawn):
        for other in drawn[:index]:
            both = ~(one.isnan() | other.isnan())
            assert both.sum() > 100
            assert 0.3 < (one[both] != other[both]).float().mean() < 0.7, "drawn independently, they agree by chance"


KEYS = [(1, "source", 3), (1, "target", 3), (1, "source", 4), (2, "source", 3)]


def test_a_stream_is_a_function_of_its_key():
    def draw(*key):
        with drawing(torch.device("cpu"), *key):
            return torch.rand(5)

    first = {key: draw(*key) for key in KEYS}
    assert len({tuple(each.tolist()) for each in first.values()}) == len(KEYS)
    assert all(torch.equal(draw(*key), first[key]) for key in reversed(KEYS))


@pytest.mark.parametrize(("backbone", "draws"), [("streets_wide", True), ("streets", False)])
def test_only_the_wide_network_draws(backbone, draws):
    assert has_dropout(build(Architecture(backbone, 5))) is draws
