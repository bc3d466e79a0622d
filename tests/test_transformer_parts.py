"""What networks of transformers need beside layers: groups by rules, stochastic depth, and windows that slide."""

import itertools

import pytest
import torch
from test_trainer import caches, entry, equal, make_trainer, weights  # noqa: F401
from torch import nn

from segadapt.methods.mixing.teacher import Teacher
from segadapt.models import BatchNormPolicy
from segadapt.models.drop_path import DropPath
from segadapt.models.network import BACKBONE, HEADS, NORMS, Group, Network
from segadapt.models.sliding import slide, starts
from segadapt.training.dropout import drawing, has_dropout
from segadapt.training.optimiser import parameter_groups

# --- groups ---------------------------------------------------------------------------------------


class Ruled(Network):
    """Names in which more than one rule's part stands."""

    heads = ("decode_head",)
    groups = (("pos_block", Group("positions", 2.0, decays=False)), ("head", HEADS), ("norm", NORMS))

    def __init__(self):
        super().__init__()
        self.pos_block_norm = nn.LayerNorm(2)
        self.decode_head = nn.Sequential()
        self.decode_head.norm = nn.LayerNorm(2)
        self.block = nn.Sequential()
        self.block.norm1, self.block.fc = nn.LayerNorm(2), nn.Linear(2, 2)
        self.subheads = nn.Linear(2, 2)


def test_the_first_rule_whose_part_is_in_a_name_holds():
    found = {group.name: group for group in parameter_groups(Ruled(), 10.0)}
    table = {name: (each.lr_factor, each.decays, sorted(each.parameters)) for name, each in found.items()}
    assert table == {
        "positions": (2.0, False, ["pos_block_norm.bias", "pos_block_norm.weight"]),
        "heads": (
            10.0, True, ["decode_head.norm.bias", "decode_head.norm.weight", "subheads.bias", "subheads.weight"],
        ),
        "norms": (1.0, False, ["block.norm1.bias", "block.norm1.weight"]),
        "backbone": (1.0, True, ["block.fc.bias", "block.fc.weight"]),
    }  # fmt: skip


def test_without_rules_heads_and_backbone_are_told_apart():
    class Plain(Ruled):
        groups = ()

    assert {Plain().group_of(name) for name, _ in Plain().named_parameters()} == {HEADS, BACKBONE}
    assert Plain().group_of("decode_head.norm.weight") == HEADS


# --- stochastic depth -----------------------------------------------------------------------------


def test_a_branch_is_left_out_for_whole_samples_and_keeps_its_mean():
    layer, image = DropPath(0.3).train(), torch.randn(4000, 3, 2)
    with drawing(torch.device("cpu"), 1, "source", 0):
        out = layer(image)
    left = (out == 0).all(dim=(1, 2))
    assert left.float().mean().item() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(out[~left], image[~left] / 0.7)
    assert layer.eval()(image) is image and DropPath(0.0).train()(image) is image
    half = DropPath(0.5).train()(image.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16


def test_draws_are_those_of_seed_pass_and_step():
    layer, ones = DropPath(0.5).train(), torch.ones(64)

    def drawn(*key):
        with drawing(torch.device("cpu"), *key):
            return layer(ones)

    keys = [(7, "source", 3), (7, "mixed", 3), (7, "source", 4), (8, "source", 3)]
    first = [drawn(*key) for key in keys]
    assert all(torch.equal(drawn(*key), each) for key, each in zip(reversed(keys), reversed(first), strict=True))
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(first, 2))


def test_it_is_dropout_for_training_and_off_in_a_teacher():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), DropPath(0.5), nn.Dropout2d(0.1))
    assert has_dropout(model) and has_dropout(nn.Dropout2d(0.1)) and not has_dropout(DropPath(0.0))
    teacher = Teacher(model, 0.9, BatchNormPolicy())
    assert [module.training for module in teacher.network] == [True, False, False]


# --- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "window", "stride", "wanted"),
    [
        (2048, 1024, 512, [0, 512, 1024]),
        (1024, 512, 256, [0, 256, 512]),
        (1024, 1024, 512, [0]),
        (10, 4, 4, [0, 4, 6]),
        (9, 4, 3, [0, 3, 5]),
        (5, 5, 1, [0]),
    ],
)
def test_windows_reach_every_pixel_and_no_further(side, window, stride, wanted):
    found = starts(side, window, stride)
    assert found == wanted
    assert {pixel for start in found for pixel in range(start, start + window)} == set(range(side))


@pytest.mark.parametrize("cell", [1, 2])
@pytest.mark.parametrize(("size", "window", "stride"), [((12, 20), (8, 8), (4, 4)), ((8, 8), (8, 8), (2, 2)),
                                                        ((10, 14), (6, 4), (4, 2))])  # fmt: skip
def test_sliding_is_the_mean_of_windows_taken_one_by_one(size, window, stride, cell):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)

    def predict(image_BCHW):
        """Something that depends on where a pixel lies in its window."""
        ramp = torch.arange(image_BCHW[0, 0].numel(), dtype=torch.float64).view(image_BCHW.shape[2:])
        return torch.cat([image_BCHW * ramp, image_BCHW.flip(3)], dim=1)[:, :, ::cell, ::cell]

    total, count = torch.zeros(2, 6, *(side // cell for side in size), dtype=torch.float64), {}
    for index in range(2):
        for top in starts(size[0], window[0], stride[0]):
            for left in starts(size[1], window[1], stride[1]):
                said = predict(image[index : index + 1, :, top : top + window[0], left : left + window[1]])[0]
                for row, column in itertools.product(range(said.shape[1]), range(said.shape[2])):
                    place = (index, top // cell + row, left // cell + column)
                    total[place[0], :, place[1], place[2]] += said[:, row, column]
                    count[place] = count.get(place, 0) + 1
    for (index, row, column), times in count.items():
        total[index, :, row, column] /= times
    torch.testing.assert_close(slide(image, window, stride, predict, cell), total)
    constant = slide(image, window, stride, lambda given: torch.full_like(given[:, :, ::cell, ::cell], 3.5), cell)
    assert (constant == 3.5).all()
