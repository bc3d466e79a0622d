"""Sample order, augmentation and batches: pure functions of what they are for."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_gta5

from segadapt.core.seeding import generator
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.loader import BatchSource, batches
from segadapt.data.batches.sampling import sample_index
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare

COUNT = 6


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> PackedCache:
    """A toy GTA5 of six images, packed at 40x24."""
    folder = tmp_path_factory.mktemp("loader")
    write_gta5(folder / "gta5", COUNT)
    what = Preparation("gta5", folder / "gta5", "train", (40, 24), "cityscapes19", True, False)
    prepare(what, folder / "cache", folder / "scratch", 1)
    return PackedCache(folder / "cache" / "manifest.json")


def source_of(cache: PackedCache, **changes) -> BatchSource:
    """A labelled source with the paper's augmentations."""
    settings = {
        "domain": "source",
        "seed": 3,
        "batch_size": 2,
        "augmentation": Augmentation(0.5, 0.5),
        "with_labels": True,
    }
    return BatchSource(cache, **(settings | changes))


def assert_same(left, right) -> None:
    """Asserts that two lists of batches hold the same bytes."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert torch.equal(one.image_BHWC, other.image_BHWC)
        assert (one.label_BHW is None) == (other.label_BHW is None)
        assert one.label_BHW is None or torch.equal(one.label_BHW, other.label_BHW)


@given(st.integers(0, 2**40), st.sampled_from(["source", "target"]), st.integers(1, 50), st.integers(0, 20))
def test_every_epoch_is_a_permutation(seed, domain, count, epoch):
    order = [sample_index(seed, domain, epoch * count + offset, count) for offset in range(count)]
    assert sorted(order) == list(range(count))
    assert order == [sample_index(seed, domain, epoch * count + offset, count) for offset in range(count)]


def test_epochs_domains_and_seeds_are_shuffled_independently():
    def order(seed, domain, epoch):
        return tuple(sample_index(seed, domain, epoch * 40 + offset, 40) for offset in range(40))

    orders = {order(seed, domain, epoch) for seed in (1, 2) for domain in ("source", "target") for epoch in range(5)}
    assert len(orders) == 20
    firsts = [order(seed, "source", 0)[0] for seed in range(2000)]
    counts = np.bincount(firsts, minlength=40)
    assert counts.min() > 20 and counts.max() < 90  # 50 each; 1 in 10^4 strays this far


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("first", [0, 1, 7])
def test_batches_are_the_same_for_any_threads_and_any_start(cache, threads, first):
    source = source_of(cache)
    whole = [source_of(cache).batch(step) for step in range(12)]
    assert_same(list(batches(source, first, 12, threads)), whole[first:])
    assert list(batches(source, 12, 12, threads)) == []


def test_batches_hold_the_samples_in_order(cache):
    plain = list(batches(source_of(cache, augmentation=Augmentation(0, 0), batch_size=4), 0, 5, 2))
    for step, batch in enumerate(plain):
        assert batch.image_BHWC.dtype == batch.label_BHW.dtype == torch.uint8
        for row in range(4):
            index = sample_index(3, "source", step * 4 + row, COUNT)
            np.testing.assert_array_equal(batch.image_BHWC[row].numpy(), cache.image(index))
            np.testing.assert_array_equal(batch.label_BHW[row].numpy(), cache.label(index))


def test_each_sample_of_a_batch_has_its_own_draws(cache):
    seen = []
    for batch in batches(source_of(cache, augmentation=Augmentation(0.5, 0), batch_size=6), 0, 20, 0):
        for row, image_HWC in enumerate(batch.image_BHWC.numpy()):
            plain = [np.array_equal(image_HWC, cache.image(index)) for index in range(COUNT)]
            mirrored = [np.array_equal(image_HWC[:, ::-1], cache.image(index)) for index in range(COUNT)]
            index = (plain if any(plain) else mirrored).index(True)
            label_HW = cache.label(index) if any(plain) else cache.label(index)[:, ::-1]
            np.testing.assert_array_equal(batch.label_BHW[row].numpy(), label_HW)
            seen.append(any(mirrored))
    assert 35 < sum(seen) < 85  # of 120


def test_source_and_target_draw_apart(cache):
    one = [source_of(cache).batch(step).image_BHWC for step in range(6)]
    other = [source_of(cache, domain="target").batch(step).image_BHWC for step in range(6)]
    assert not all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    draws = {tuple(generator(3, domain, "augment", 5).random(3)) for domain in ("source", "target")}
    assert len(draws) == 2


def test_without_labels_a_batch_has_none(cache):
    assert source_of(cache, with_labels=False).batch(0).label_BHW is None
    assert_same(
        [source_of(cache, with_labels=False).batch(4)], list(batches(source_of(cache, with_labels=False), 4, 5, 1))
    )


def test_an_error_in_a_thread_reaches_the_caller(cache):
    source = source_of(PackedCache(cache.folder / "manifest.json"))
    object.__setattr__(source.cache, "has_labels", False)
    with pytest.raises(ValueError, match="has no labels"):
        list(batches(source, 0, 3, 2))
