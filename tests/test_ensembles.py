"""Ensembles of models: the mean of softmax maps, taken by hand, in every view that all members have."""

import numpy
import pytest
import torch
import torch.nn.functional as F

from segadapt.evaluation import all_views, label_free_score
from segadapt.evaluation.ensembles import averaged_views, combined_record, final_logits

C = 5
IMAGE = numpy.random.default_rng(0).integers(0, 256, (8, 12, 3), numpy.uint8)


def member(seed, low=True, size=(3, 4)):
    """Heads of a model whose logits depend on where in the image what stands."""

    def predict(image_HWC):
        place = int((numpy.arange(1, image_HWC.size + 1).reshape(image_HWC.shape) * image_HWC).sum() % 100_000)
        drawn = torch.Generator().manual_seed(place + seed)
        final, other = (4 * torch.randn(1, C, *size, generator=drawn) for _ in range(2))
        return final, other if low else None

    return predict


def softmax_map(logits_1CHW, mirrored=False):
    """numpy, float64, at image size; a mirror image's map is turned back."""
    large = F.interpolate(logits_1CHW.double(), size=IMAGE.shape[:2], mode="bilinear", align_corners=True)[0].numpy()
    powers = numpy.exp(large - large.max(axis=0))
    found = powers / powers.sum(axis=0)
    return found[:, :, ::-1] if mirrored else found


def by_hand(members, head, flip):
    maps = []
    for each in members:
        for mirrored in (False, True)[: 1 + flip]:
            final, low = each(IMAGE[:, ::-1] if mirrored else IMAGE)
            maps += [softmax_map(one, mirrored) for one in {"final": [final], "low": [low]}.get(head, [final, low])]
    return sum(maps) / len(maps)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("heads", [False, True])
def test_every_view_is_the_mean_of_all_members_maps(count, flip, heads):
    members = [member(seed) for seed in range(count)]
    views = list(averaged_views([all_views(each, flip, heads) for each in members])(IMAGE))
    alone = all_views(members[0], flip, heads)(IMAGE)
    assert [(view.head, view.flip) for view in views] == [(view.head, view.flip) for view in alone]
    for view in views:
        assert view.are_probabilities and view.scores_1CHW.shape == (1, C, 8, 12)
        expected = by_hand(members, view.head, view.flip)
        numpy.testing.assert_allclose(view.scores_1CHW[0].numpy(), expected, atol=1e-5)
        numpy.testing.assert_allclose(view.probabilities((8, 12)).numpy(), view.scores_1CHW.numpy(), atol=1e-6)


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_views_that_one_member_lacks_are_left_out(order):
    members = [member(seed, low) for seed, low in enumerate(order)]
    views = list(averaged_views([all_views(each) for each in members])(IMAGE))
    assert [(view.head, view.flip) for view in views] == [("final", False), ("final", True)]
    for view in views:
        numpy.testing.assert_allclose(view.scores_1CHW[0].numpy(), by_hand(members, "final", view.flip), atol=1e-5)


def test_an_ensemble_can_be_right_where_both_members_are_wrong():
    # Each is sure of another wrong class; the second choice of both is the same.
    logits = [torch.tensor(each).reshape(1, 3, 1, 1) for each in ([2.0, -9, 1.9], [-9.0, 2, 1.9])]
    views = [all_views(lambda image_HWC, each=each: (each, None), flip=False) for each in logits]
    (found,) = averaged_views(views)(IMAGE)
    assert (found.scores_1CHW.argmax(dim=1) == 2).all()


@pytest.mark.parametrize("sizes", [((3, 4), (3, 4)), ((3, 4), (5, 6))])
def test_label_free_scores_are_those_of_the_mean(sizes):
    members = [member(seed, size=size) for seed, size in enumerate(sizes)]
    maps = [
        F.interpolate(each(IMAGE)[0].double(), size=sizes[0], mode="bilinear", align_corners=True).softmax(1)
        for each in members
    ]
    mean = sum(maps) / 2
    found = label_free_score(final_logits(members), [IMAGE])
    entropy = float(torch.special.entr(mean).sum(1).mean())
    assert found.mean_entropy == pytest.approx(entropy, rel=1e-5)
    assert found.max_square == pytest.approx(float(mean.square().sum(1).mean()), rel=1e-5)


def test_one_member_is_the_model_itself_and_certainty_stays_finite():
    one = member(1)
    assert torch.equal(final_logits([one])(IMAGE), one(IMAGE)[0])
    sure = torch.tensor([0.0, 1000.0]).reshape(1, 2, 1, 1)
    found = label_free_score(final_logits([lambda image_HWC: (sure, None)] * 2), [IMAGE])
    assert found[:3] == pytest.approx((0, 0, 1), abs=1e-12)


def test_who_made_an_ensemble():
    one = {"commit": "a", "machine": "M", "gpu_seconds": 2.0, "fingerprint": "f", "seconds": 1.0}
    other = {"commit": "b", "machine": "M", "gpu_seconds": 0.5, "fingerprint": "g"}
    assert combined_record([one]) is one and combined_record([{}]) == {}
    assert combined_record([one, other]) == {
        "commit": "a b", "fingerprint": "f g", "machine": "M", "gpu_seconds": 2.5
    }  # fmt: skip
    unknown = dict.fromkeys(("commit", "machine", "gpu_seconds", "fingerprint"))
    assert combined_record([{}, {}]) == unknown
    assert combined_record([one, {}])["gpu_seconds"] == 2.0
