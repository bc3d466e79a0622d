"""The town: its trees in winter, and pictures higher than half their width."""

import numpy as np
import pytest

from segadapt.data.streets import plants, render_scene
from segadapt.data.streets.classes import NUMBER
from segadapt.data.streets.shapes import Pass
from segadapt.labels import CITYSCAPES19


@pytest.mark.parametrize("fine", [False, True])
def test_a_tree_in_winter_is_labelled_as_a_crown_and_drawn_as_twigs(fine):
    made = plants.bare_tree(0, fine)
    assert (made["label"] == NUMBER["veg"]).all()
    hull, wood = made[made["drawn"] == Pass.LABEL], made[made["drawn"] == Pass.BOTH]
    assert len(hull) and len(hull) + len(wood) == len(made)
    tips = wood["points"].reshape(-1, 3)
    low, high = hull["points"].reshape(-1, 3).min(0), hull["points"].reshape(-1, 3).max(0)
    assert low[2] > 1.0, "the label's crown must not stand on the ground"
    assert ((tips[:, :2] > low[:2]) & (tips[:, :2] < high[:2])).all(1).mean() > 0.9
    # Seen from the side, thin wood covers a small part of its crown.
    across = np.linalg.norm(wood["points"][:, 1] - wood["points"][:, 0], axis=1)
    along = np.linalg.norm(wood["points"][:, 3] - wood["points"][:, 0], axis=1)
    assert (across * along).sum() / 3 < 0.8 * np.prod((high - low)[[0, 2]])


@pytest.mark.parametrize("size", [(96, 72), (96, 54), (96, 48), (48, 96)])
def test_the_street_reaches_the_lower_edge_of_every_format(size):
    """Quads are culled by the picture's own height: what lies before the wheels is road in most columns."""
    lowest = np.concatenate([render_scene("town", 0, index, size)[1][-1] for index in range(6)])
    road = CITYSCAPES19.label_ids[CITYSCAPES19.classes.index("road")]
    assert (lowest == road).mean() > 0.5
