"""Pairs of times: rendered, listed, matched, and what a plan and a run make of them."""

import json

import numpy as np
import pytest
import tiny
from PIL import Image
from scipy.ndimage import gaussian_filter

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.datasets import label_table, nthu
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.data.shipped.checking import check_dataset
from segadapt.data.shipped.faults import Faulty, MissingSplit
from segadapt.data.streets.dataset import render_dataset
from segadapt.data.streets.picture import render_scene
from segadapt.labels import CITYSCAPES19, MOVING, STATIC2
from segadapt.models import load_tensors
from segadapt.plan import make_plan
from segadapt.selftraining.static_maps import BLOCK, REACH, correlation, static_map, static_maps

MOVING_IDS = [CITYSCAPES19.label_ids[CITYSCAPES19.classes.index(name)] for name in MOVING]
NAMES = ("pano_a", "pano_b", "pano_c", "pano_d")


def test_a_place_at_another_time_is_the_same_place():
    (first_HWC, first_HW), (later_HWC, later_HW), (again_HWC, _) = (
        render_scene("tokyo", 3, 5, (192, 96), moment) for moment in (0, 1, 1)
    )
    assert np.array_equal(later_HWC, again_HWC) and not np.array_equal(first_HWC, later_HWC)
    moves = [np.isin(each, MOVING_IDS) for each in (first_HW, later_HW)]
    still_HW = ~(moves[0] | moves[1])
    assert (first_HW == later_HW)[still_HW].mean() > 0.85  # the camera stands a little beside
    assert (moves[0] != moves[1]).mean() > 0.02
    map_HW = static_map(first_HWC, later_HWC)
    assert map_HW[still_HW].mean() > 0.4 and map_HW[moves[0]].mean() < 0.15


def test_the_renderer_writes_pairs_and_their_list(tmp_path):
    how = dict(domain="rome", layout="nthu", size=(64, 32), seed=1, processes=1)
    render_dataset(tmp_path, splits={"train": 2, "later": 2, "test": 1}, **how)
    lines = (tmp_path / "List/later.txt").read_text().splitlines()
    assert lines == [f"pano_00000{n}_0_180 pano_00000{n}_0_180_later" for n in (0, 1)]
    assert len((tmp_path / "List/train.txt").read_text().split()) == 2
    later = nthu.list_samples(tmp_path, "later")
    assert [each.name for each in later] == [each.name for each in nthu.list_samples(tmp_path, "train")]
    assert all(each.image.stem == f"{each.name}_later" and each.label is None for each in later)
    assert {each.split for each in check_dataset("nthu", tmp_path)} == {"train", "test", "later"}


def test_correlation_is_that_of_blocks(monkeypatch):
    random = np.random.default_rng(1)
    one_HW, other_HW = random.normal(100, 20, (2, 30, 34))
    one_HW[:, 25:] = 7  # flat
    found_HW, half = correlation(one_HW, other_HW), BLOCK // 2
    pad = lambda image, more: np.pad(image, more, mode="symmetric")  # noqa: E731
    for row, column in ((4, 4), (15, 12), (20, 18)):
        block = pad(one_HW, half)[row : row + BLOCK, column : column + BLOCK]
        wanted = [
            np.corrcoef(block.ravel(), moved[row : row + BLOCK, column : column + BLOCK].ravel())[0, 1]
            for down in range(2 * REACH + 1)
            for right in range(2 * REACH + 1)
            for moved in [pad(pad(other_HW, REACH)[down : down + 30, right : right + 34], half)]
        ]
        assert found_HW[row, column] == pytest.approx(max(wanted), abs=1e-9)
    assert found_HW[15, 31] == 0


@pytest.mark.parametrize("size", [(60, 100), (96, 300)])
def test_what_was_found_again_elsewhere_lit_stands_still(size):
    random = np.random.default_rng(2)
    noise_HWC = gaussian_filter(random.normal(size=(*size, 3)), (1.5, 1.5, 0))
    image_HWC = (110 + 300 * noise_HWC).clip(0, 255).astype(np.uint8)
    later_HWC = np.clip(np.roll(image_HWC, (1, -2), (0, 1)) * 0.7 + 20, 0, 255).astype(np.uint8)
    box = np.s_[20:44, 30:70]
    later_HWC[box] = random.integers(0, 255, later_HWC[box].shape)
    map_HW = static_map(image_HWC, later_HWC)
    assert map_HW.shape == size and set(np.unique(map_HW)) <= {0, 1}
    assert map_HW[24:40, 36:64].mean() < 0.1
    outside_HW = np.ones(size, bool)
    outside_HW[12:52, 22:78] = False
    assert map_HW[outside_HW].mean() > 0.9


def write_city(root, pairs=(("pano_a", "pano_b"), ("pano_c", "pano_d")), sizes=None):
    """A city of four pictures without labels, and maps."""
    for folder in ("Images/Train", "List", "Static/Train"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        image, label_HW = tiny.toy_scene(number // 2, *(sizes or {}).get(name, (96, 48)))
        image.save(root / f"Images/Train/{name}.png")
        Image.fromarray(np.where(np.isin(label_HW, MOVING_IDS), 0, 100).astype(np.uint8)).save(
            root / f"Static/Train/{name}_static.png"
        )
    (root / "List/train.txt").write_text("".join(f"{name}\n" for name in NAMES))
    (root / "List/later.txt").write_text("".join(f"{' '.join(pair)}\n" for pair in pairs))
    return root


def faults(root, split="later") -> str:
    with pytest.raises(Faulty) as told:
        nthu.list_samples(root, split)
    (fault,) = told.value.faults
    return str(fault)


def test_every_image_of_train_has_the_other_of_its_pair(tmp_path):
    root = write_city(tmp_path)
    partners = {each.name: each.image.stem for each in nthu.list_samples(root, "later")}
    assert partners == {"pano_a": "pano_b", "pano_b": "pano_a", "pano_c": "pano_d", "pano_d": "pano_c"}
    (root / "List/later.txt").unlink()
    with pytest.raises(MissingSplit, match=r"later\.txt is missing"):
        nthu.list_samples(root, "later")


def test_a_pair_that_is_none_is_told_in_one_sentence(tmp_path):
    root = write_city(tmp_path / "no partner", pairs=[("pano_a", "pano_b"), ("pano_c", "pano_x")])
    with pytest.raises(Faulty) as told:
        nthu.list_samples(root, "later")
    says = [str(each) for each in told.value.faults]
    assert any("names no partner of pano_d, which train.txt lists; add a line with both" in each for each in says)
    assert any("pano_x.jpg is missing though later.txt names it; restore it" in each for each in says)
    root = write_city(tmp_path / "sizes", sizes={"pano_d": (64, 48)})
    with pytest.raises(Faulty) as told:
        nthu.list_samples(root, "later")
    says = [str(each) for each in told.value.faults]
    assert any("pano_d.png is 64x48 but its partner pano_c.png is 96x48; restore the pair" in each for each in says)
    root = write_city(tmp_path / "one name", pairs=[("pano_a", "pano_b"), ("pano_c", "pano_d"), ("pano_c",)])
    assert "entry 3 is 'pano_c', not a pair of plain names" in faults(root)


def packed(root, folder, split, classes="cityscapes19", labels=False) -> PackedCache:
    what = Preparation("nthu", root, split, (64, 32), classes, labels, False)
    prepare(what, folder, folder.with_name(f"{folder.name}-scratch"), 1)
    return PackedCache(folder / "manifest.json")


def test_maps_of_the_users_are_a_split(tmp_path):
    root = write_city(tmp_path / "city")
    cache = packed(root, tmp_path / "maps", "static", "static2", labels=True)
    assert [cache.name(index) for index in range(4)] == list(NAMES)
    assert set(np.unique(np.stack([cache.label(index) for index in range(4)]))) == {0, 1}
    Image.fromarray(np.full((40, 96), 100, np.uint8)).save(root / "Static/Train/pano_b_static.png")
    with pytest.raises(UserError, match=r"pano_b_static\.png is 96x40 but its image pano_b\.png is 96x48"):
        packed(root, tmp_path / "other", "static", "static2", labels=True)
    assert label_table("nthu", root, STATIC2)[[0, 100]].tolist() == [0, 1]


def test_caches_of_other_places_are_refused(tmp_path):
    root = write_city(tmp_path / "city")
    images, later = packed(root, tmp_path / "a", "train"), packed(root, tmp_path / "b", "later")
    maps = list(static_maps(images, later))
    assert len(maps) == 4 and all(each.shape == (32, 64) for each in maps)
    (root / "List/train.txt").write_text("pano_a\npano_b\n")
    fewer = packed(root, tmp_path / "c", "later")
    with pytest.raises(UserError, match=r"has 2 images and .* 4, or others; name a cache of the same places"):
        next(static_maps(images, fewer))


def with_prior(**adapt) -> dict:
    parameters = tiny.tiny_parameters(("source_only", "cross_city_prior"))
    preset = parameters["presets"]["tiny"]
    preset["datasets"]["city"] = {"format": "nthu", "root": "toy/city", "accept": ["List/train.txt"]}
    for name, split in (("city_train", "train"), ("city_later", "later")):
        preset["caches"][name] = {"dataset": "city", "split": split, "size": "64x32", "labels": False}
    maps = {"dataset": "city", "split": "static", "size": "64x32", "classes": "static2"}
    preset["caches"] |= {"city_maps": maps, "large": preset["caches"]["city_later"] | {"size": "96x48"}}
    preset["adapt"] |= {"target": "city_train", "snapshots": 0} | adapt
    preset["methods"]["cross_city_prior"]["training"] |= {"steps": 6, "horizon": 6}
    return parameters


@pytest.mark.parametrize(
    ("adapt", "change", "says"),
    [
        ({}, {}, "cross_city_prior.options.static_prior: nothing says what stands still in city_train; name a cache"),
        ({"later": "large"}, {}, "caches.large.size: 96x48 is not that of city_train, 64x32; give both one size"),
        ({"static": "city_later"}, {}, "caches.city_later.classes: maps hold classes of static2; set that"),
        ({"later": "nowhere"}, {}, "adapt.later: 'nowhere' is not defined"),
        ({"later": "city_later"}, {"classes": {"road": 7, "sky": 23}}, "no class of own moves; train on classes of"),
        ({"later": "city_later"}, {"classes": {"car": 26, "bus": 28}}, "no class of own stands still; train on"),
    ],
)
def test_a_prior_that_nothing_gives_is_refused_when_planned(adapt, change, says):
    parameters = with_prior(**adapt)
    if change:
        parameters["class_sets"] = {"own": change | {"ignored_ids": list(range(27, 28))}}
        parameters["presets"]["tiny"]["model"]["classes"] = "own"
    with pytest.raises(UserError) as told:
        make_plan(parameters_from(parameters, "params.yaml"))
    assert says in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("given", ["later", "static"])
def test_a_run_reads_the_maps(given, tmp_path):
    """Through every job, from the pairs or from the user's maps, to a model that is not that without a prior."""
    name = {"later": "city_later", "static": "city_maps"}[given]
    folder = tiny.make_project(tmp_path / "project", with_prior(**{given: name}))
    write_city(folder / "toy/city")
    model = "work/tiny/models/cross_city_prior/seed1/model.safetensors"
    tiny.make_here(folder, model)
    card = json.loads((folder / "work/tiny/cards/adapt/cross_city_prior/seed1.json").read_text())
    (maps,) = [each["path"] for each in card["inputs"] if each["role"] == "static"]
    assert ("cache/city_train/static/" in maps) == (given == "later")
    assert PackedCache(folder / maps).class_set == "static2"
    assert load_tensors(folder / model)[0]
