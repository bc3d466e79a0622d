"""Logits that are kept: the same bits again without the network, within the room there is."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.selftraining.kept_logits import kept_logits
from segadapt.selftraining.pseudo_labels import make_pseudo_labels, scores

IMAGES = [np.random.default_rng(seed).integers(0, 256, (8, 16, 3), np.uint8) for seed in range(4)]
LAYOUTS = {
    "plain": lambda logits: logits,
    "channels last": lambda logits: logits.contiguous(memory_format=torch.channels_last),
    "half precision": lambda logits: logits.bfloat16(),
    "a part of a larger one": lambda logits: torch.cat([logits, logits], dim=1)[:, 1:4],
}


class Counting:
    """Logits of a linear map of the colours, at half the size; ``seen`` counts the calls."""

    def __init__(self, layout=LAYOUTS["plain"], classes: int = 5) -> None:
        self.layout, self.seen = layout, 0
        self.weight_CC = torch.randn(classes, 3, generator=torch.Generator().manual_seed(0))

    @torch.inference_mode()
    def __call__(self, image_HWC: np.ndarray) -> torch.Tensor:
        self.seen += 1
        colour_HWC = torch.from_numpy(image_HWC.copy())[::2, ::2].float() / 64
        return self.layout(torch.einsum("oc,hwc->ohw", self.weight_CC, colour_HWC)[None])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_second_look_has_the_same_bits_in_the_same_layout(tmp_path, layout):
    network, views = Counting(layout), [view for image in IMAGES for view in (image, image[:, ::-1])]
    wanted = [network(view) for view in views]
    with kept_logits(network, tmp_path / "new") as predict:
        for _ in range(2):
            for view, one in zip(views, wanted, strict=True):
                found = predict(view)
                assert found.dtype == one.dtype and torch.equal(found, one)
                is_last = one.is_contiguous(memory_format=torch.channels_last)
                assert found.is_contiguous(memory_format=torch.channels_last) == is_last
    assert network.seen == 2 * len(views)
    assert not list((tmp_path / "new").iterdir())


def test_images_of_the_same_bytes_and_another_shape_are_others(tmp_path):
    with kept_logits(Counting(), tmp_path) as predict:
        shapes = [predict(IMAGES[0].reshape(shape)).shape for shape in ((8, 16, 3), (16, 8, 3), (8, 16, 3))]
    assert shapes == [(1, 5, 4, 8), (1, 5, 8, 4), (1, 5, 4, 8)]


def looks(folder: Path, most_bytes: int) -> int:
    """How often the network is asked in two looks at all images; the answers are its own."""
    network, plain = Counting(), Counting()
    with kept_logits(network, folder, most_bytes) as predict:
        for image in IMAGES * 2:
            assert torch.equal(predict(image), plain(image))
    return network.seen


def test_what_has_no_room_is_predicted_anew(tmp_path, monkeypatch):
    one = 5 * 4 * 8 * 4
    assert [looks(tmp_path, room) for room in (4 * one, 4 * one - 1, one, one - 1, 0)] == [4, 5, 7, 8, 8]

    def full(dir: Path, buffering: int):
        return Path("/dev/full").open("w+b", buffering)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert looks(tmp_path, 4 * one) == 8, "a full disk"


@pytest.mark.parametrize("flip", [False, True])
def test_pseudo_labels_are_the_same_and_ask_the_network_once(tmp_path, flip):
    tiny.write_cityscapes(tmp_path / "cityscapes", {"train": 3})
    what = Preparation("cityscapes", tmp_path / "cityscapes", "train", (16, 8), "cityscapes19", False, False)
    prepare(what, tmp_path / "cache", tmp_path / "scratch", 1)
    target = PackedCache(tmp_path / "cache" / "manifest.json")
    chosen = {"selection": "class_balanced", "portion": 0.3, "stride": 2}

    plain, network = Counting(classes=19), Counting(classes=19)
    make_pseudo_labels(scores(plain, flip, None), target, "cityscapes19", chosen, tmp_path / "plain")
    with kept_logits(network, tmp_path) as predict:
        make_pseudo_labels(scores(predict, flip, None), target, "cityscapes19", chosen, tmp_path / "kept")
    assert plain.seen == 2 * network.seen == 3 * 2 * (1 + flip)
    for name in ("pack.bin", "manifest.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()
