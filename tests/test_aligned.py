"""Whether corners are aligned where predictions are brought to the size of labels: what the network says of itself."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segadapt.evaluation import Sample, all_views, evaluate
from segadapt.evaluation.ensembles import averaged_views
from segadapt.models import Architecture
from segadapt.models.networks import outline

CLASSES, SMALL, LARGE = 5, (6, 9), (17, 20)


def logits_of(image_HWC: np.ndarray) -> torch.Tensor:
    """Depends on the pixels, so that a mirror image has others."""
    return torch.randn(1, CLASSES, *SMALL, generator=torch.Generator().manual_seed(int(image_HWC[0, 0, 0])))


def image() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (*SMALL, 3), dtype=np.uint8)


def counted(scores_1CHW: torch.Tensor, label_HW: np.ndarray, aligned: bool) -> np.ndarray:
    found = F.interpolate(scores_1CHW, label_HW.shape, mode="bilinear", align_corners=aligned).argmax(1)[0].numpy()
    matrix = np.zeros((CLASSES, CLASSES), np.int64)
    np.add.at(matrix, (label_HW, found), 1)
    return matrix


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("members", [1, 2])
def test_labels_are_scored_with_corners_as_the_network_has_them(aligned, members):
    random = np.random.default_rng(1)
    labels = [random.integers(0, CLASSES, size).astype(np.uint8) for size in (SMALL, LARGE)]
    views = all_views(lambda image_HWC: (logits_of(image_HWC), None), aligned=aligned)
    predict = views if members == 1 else averaged_views([views, views])
    found = evaluate(predict, [Sample("a", image(), *labels)], CLASSES)
    straight = logits_of(image()).softmax(1)
    averaged = (straight + logits_of(image()[:, ::-1]).softmax(1).flip(-1)) / 2
    scores = {False: logits_of(image()) if members == 1 else straight, True: averaged}
    matrices = {(mode.size, mode.flip): each[0] for mode, each in found.statistics.items()}
    assert len(matrices) == 4
    for (size, flip), matrix in matrices.items():
        label = labels[size == "native"]
        np.testing.assert_array_equal(matrix, counted(scores[flip], label, aligned))
        if size == "native":
            assert (matrix != counted(scores[flip], label, not aligned)).any()


def test_networks_say_it_of_themselves():
    assert all(outline(Architecture(name, 19)).aligned for name in ("resnet50", "wide_resnet38"))
    of_papers = ("streets_vit", "mit_b0", "hrda_mit_b5", "resnet101_v1c")
    assert not any(outline(Architecture(name, 19)).aligned for name in of_papers)
