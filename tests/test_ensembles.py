"""Ensembles of models: the mean of logits or of softmax maps, taken by hand, in every view that all members have."""

import numpy
import pytest
import torch
import torch.nn.functional as F

from segadapt.evaluation import all_views, label_free_score
from segadapt.evaluation.ensembles import averaged_logits, averaged_views, combined_record, final_logits
from segadapt.evaluation.predict import predict_labels

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


def upsampled(logits_1CHW, size):
    """numpy, float64."""
    return F.interpolate(logits_1CHW.double(), size=size, mode="bilinear", align_corners=True)[0].numpy()


def as_advent(members, size, image_HWC=IMAGE, head=0):
    """ADVENT's ``eval_single``: every model's logits upsampled to the label's size, added up with equal weights."""
    return sum(upsampled(each(image_HWC)[head], size) / len(members) for each in members)


def softmax(logits_CHW):
    powers = numpy.exp(logits_CHW - logits_CHW.max(axis=0))
    return powers / powers.sum(axis=0)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("size", [(8, 12), (16, 24), (31, 50)])
def test_averaged_logits_label_as_advent_does(count, size):
    members = [member(seed) for seed in range(count)]
    final_1CHW, low_1CHW = averaged_logits(members)(IMAGE)
    for head, logits_1CHW in enumerate((final_1CHW, low_1CHW)):
        expected = as_advent(members, size, head=head)
        numpy.testing.assert_allclose(upsampled(logits_1CHW, size), expected, atol=1e-5)
        margin = numpy.sort(expected, axis=0)
        clear = margin[-1] - margin[-2] > 1e-4
        label_HW = predict_labels(logits_1CHW, size)[0].numpy()
        assert clear.mean() > 0.99 and (label_HW == expected.argmax(0))[clear].all()


def test_logits_and_probabilities_choose_otherwise():
    """One member is sure by its logit, the other two by their probabilities."""
    logits = [torch.tensor(each).reshape(1, 2, 1, 1) for each in ([30.0, 0], [0.0, 5], [0.0, 5])]
    members = [lambda image_HWC, each=each: (each, None) for each in logits]
    assert averaged_logits(members)(IMAGE)[0].argmax() == 0
    (found,) = averaged_views([all_views(each, flip=False) for each in members])(IMAGE)
    assert (found.scores_1CHW.argmax(dim=1) == 1).all()


def test_averaged_logits_are_one_model_in_every_view():
    members, size = [member(seed) for seed in range(3)], IMAGE.shape[:2]
    views = list(all_views(averaged_logits(members))(IMAGE))
    assert len(views) == 6
    maps = {
        head: [softmax(as_advent(members, size, image, head)) for image in (IMAGE, IMAGE[:, ::-1])] for head in (0, 1)
    }
    for view in views:
        heads = {"final": [0], "low": [1]}.get(view.head, [0, 1])
        expected = [maps[head][0] for head in heads]
        if view.flip:
            expected += [maps[head][1][:, :, ::-1] for head in heads]
        numpy.testing.assert_allclose(view.probabilities(size)[0].numpy(), sum(expected) / len(expected), atol=1e-5)


def test_averaged_logits_of_other_heads_and_resolutions():
    members = [member(1, low=False), member(2, size=(5, 6))]
    final_1CHW, low_1CHW = averaged_logits(members)(IMAGE)
    assert low_1CHW is None
    numpy.testing.assert_allclose(final_1CHW[0].numpy(), as_advent(members, IMAGE.shape[:2]), atol=1e-5)
    half = averaged_logits([lambda image_HWC: (torch.full((1, C, 2, 2), 40000.0).half(), None)] * 2)(IMAGE)[0]
    assert (half == 40000).all(), "two halves would overflow"


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
