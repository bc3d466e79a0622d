"""The stand-ins for SYNTHIA and NTHU's cities: what they show, that they differ, and that the first three stay."""

from typing import get_args

import numpy as np
import pytest

from segadapt.core.parameters.presets import Rendering
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.data.shipped.checking import check_dataset
from segadapt.data.streets import DOMAINS, plants, render_dataset, render_scene
from segadapt.data.streets.buildings import House, building
from segadapt.data.streets.classes import LABEL_ID, NUMBER
from segadapt.data.streets.domains import CAMERA
from segadapt.data.streets.furniture import wires
from segadapt.data.streets.layout import compose
from segadapt.data.streets.shapes import Pass
from segadapt.labels import CITYSCAPES19, NTHU13

CITIES = ("rome", "rio", "tokyo", "taipei")
SIZE, SCENES = (128, 64), 12


def test_every_domain_can_be_asked_for_and_has_a_number_of_its_own():
    assert set(get_args(Rendering.model_fields["domain"].annotation)) == {*DOMAINS, "digits"}
    numbers = [domain.number for domain in DOMAINS.values()]
    assert len(set(numbers)) == len(numbers) and {name: each.name for name, each in DOMAINS.items()}.items() <= {
        (name, name) for name in DOMAINS
    }


def test_a_variant_replaces_what_it_names_and_nothing_else():
    made = CAMERA.variant("other", 99, view={"height": (3.0, 3.0)}, traffic={"rides": {"bike": (2, 4)}})
    assert (made.name, made.number, made.view.height, made.view.fov) == ("other", 99, (3.0, 3.0), CAMERA.view.fov)
    assert made.traffic.rides == {"bike": (2, 4)} and made.traffic.chance == CAMERA.traffic.chance
    assert (made.light, made.sensor, made.layout, made.paints) == (
        CAMERA.light, CAMERA.sensor, CAMERA.layout, CAMERA.paints,
    )  # fmt: skip
    with pytest.raises(TypeError, match="hight"):
        CAMERA.variant("other", 99, view={"hight": (3.0, 3.0)})


# The next number of the scene's generator, how many quads there are, and the sums of their points and colours.
BEFORE = {
    ("game", 0): (1064349800900, 19359, 8219757.1, 73762.037),
    ("game", 1): (943389891826, 14484, 4342342, 62047.044),
    ("game", 2): (377031423686, 17237, 7231444.6, 68410.466),
    ("camera", 0): (400333481850, 15573, 5648509.4, 50373.664),
    ("camera", 1): (25492332395, 20911, 8175287.6, 66959.274),
    ("camera", 2): (927004935196, 16836, 6139786.6, 57991.668),
    ("town", 0): (1022494763745, 19168, 4844049, 64508.274),
    ("town", 1): (972538205199, 17233, 6245040.4, 58989.34),
    ("town", 2): (180247305768, 23077, 6810315.4, 81081.962),
}


@pytest.mark.parametrize(("domain", "index"), BEFORE)
def test_the_first_domains_draw_what_they_always_drew(domain, index):
    """A draw more or less anywhere moves everything after it: pictures rendered before would not fit those of today."""
    rng = np.random.default_rng([4, DOMAINS[domain].number, index])
    made = compose(DOMAINS[domain], rng).quads()
    after, count, points, colours = BEFORE[domain, index]
    assert (int(rng.integers(2**40)), len(made)) == (after, count)
    assert made["points"].sum(dtype=np.float64) == pytest.approx(points, rel=1e-6)
    assert made["colour"].sum(dtype=np.float64) == pytest.approx(colours, rel=1e-6)


@pytest.fixture(scope="module")
def seen() -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    return {
        domain: [render_scene(domain, 0, index, SIZE) for index in range(SCENES)]
        for domain in ("camera", "synthia", *CITIES)
    }


@pytest.mark.parametrize("domain", ["synthia", *CITIES])
def test_the_thirteen_classes_are_there_to_be_scored(seen, domain):
    labels = np.stack([label_HW for _, label_HW in seen[domain]])
    assert set(np.unique(labels)) <= set(CITYSCAPES19.label_ids)
    for name, label_id in zip(NTHU13.classes, NTHU13.label_ids, strict=True):
        scenes = (labels == label_id).any((1, 2)).sum()
        assert scenes >= 2 and (labels == label_id).mean() > 4e-4, name
    again = render_scene(domain, 0, 7, SIZE)
    assert all(np.array_equal(*pair) for pair in zip(again, seen[domain][7], strict=True))


def test_synthia_has_no_truck_and_no_train(seen):
    labels = np.stack([label_HW for _, label_HW in seen["synthia"]])
    ids = dict(zip(CITYSCAPES19.classes, CITYSCAPES19.label_ids, strict=True))
    assert not np.isin(labels, (ids["truck"], ids["train"])).any()


def test_the_colours_alone_tell_one_domain_from_another(seen):
    """Each picture goes to the domain whose other pictures have the nearest mean colours; six would give a sixth."""

    def features(image_HWC: np.ndarray) -> np.ndarray:
        bands = image_HWC.reshape(4, -1, 3) / 255.0
        mean = bands.mean(1)
        grey = mean.mean(1, keepdims=True)
        return np.concatenate([3 * (mean - grey), grey, bands.std((1, 2))[:, None]], axis=1).ravel()

    known = {domain: np.stack([features(image_HWC) for image_HWC, _ in scenes]) for domain, scenes in seen.items()}
    right = {}
    for domain, each in known.items():
        others = {name: np.stack([every.mean(0)] * len(each)) for name, every in known.items()}
        others[domain] = (each.sum(0) - each) / (len(each) - 1)
        distances = np.stack([np.linalg.norm(each - middle, axis=1) for middle in others.values()])
        right[domain] = (distances.argmin(0) == list(others).index(domain)).mean()
    assert min(right.values()) >= 0.5 and np.mean(list(right.values())) > 0.7, right


def test_each_city_has_what_it_is_known_for(seen):
    ids = dict(zip(CITYSCAPES19.classes, CITYSCAPES19.label_ids, strict=True))

    def share(domain: str, name: str) -> float:
        return np.mean([(label_HW == ids[name]).mean() for _, label_HW in seen[domain]])

    assert share("taipei", "motor") > 2 * max(share(city, "motor") for city in ("rome", "rio", "tokyo", "camera"))
    assert share("tokyo", "building") > max(share(city, "building") for city in ("rome", "rio", "taipei", "camera"))
    assert share("tokyo", "sky") < min(share(city, "sky") for city in ("rome", "rio", "taipei", "camera"))
    red, _, blue = np.mean([image_HWC.mean((0, 1)) for image_HWC, _ in seen["rome"]], axis=0)
    assert red > 1.1 * blue


def test_nthu_s_format_holds_a_city_without_the_labels_of_train(tmp_path):
    """Each city is a data set entry of its own, in a folder of any name."""
    root = tmp_path / "the first city"
    render_dataset(
        root, domain="rome", layout="nthu", splits={"train": 2, "test": 2}, size=(64, 32), seed=0, processes=1
    )
    train, test = check_dataset("nthu", root)
    assert (train.count, test.count, train.faults, test.faults) == (2, 2, [], [])
    assert not (root / "Labels" / "Train").exists()
    for split, labels in (("train", False), ("test", True)):
        what = Preparation("nthu", root, split, (32, 16), "nthu13", labels=labels, native_labels=labels, count=2)
        prepare(what, tmp_path / split, tmp_path / "scratch" / split, 1)


def test_synthia_s_format_holds_the_synthetic_city(tmp_path):
    arguments = {"domain": "synthia", "layout": "synthia", "size": (64, 40), "seed": 0, "processes": 1}
    render_dataset(tmp_path, splits={"train": 2, "val": 1}, **arguments)
    assert [(each.count, each.faults) for each in check_dataset("synthia", tmp_path)] == [(2, []), (1, [])]


@pytest.mark.parametrize("shape", range(4))
def test_pines_and_hills_are_vegetation(shape):
    crown, rock = plants.pine(shape), plants.hill(shape)
    assert (crown["label"] == NUMBER["veg"]).all() and (rock["label"] == NUMBER["veg"]).all()
    top = crown["points"][crown["paint"] == 1].reshape(-1, 3)
    across, height = np.ptp(top[:, 0]), np.ptp(top[:, 2])
    assert top[:, 2].min() > 4.5 and across > 1.3 * height, "an umbrella is wide, flat and far above the ground"
    assert 35 < rock["points"][..., 2].max() < 60


def test_cables_are_seen_and_not_labelled():
    assert (wires()["drawn"] == Pass.IMAGE).all()
    assert wires()["points"][..., 2].min() > 5.0, "higher than any bus"


@pytest.mark.parametrize("storeys", [1, 3, 11])
def test_signboards_hang_between_the_shop_and_the_roof(storeys):
    arguments = dict(
        width=6.0, depth=10.0, storeys=storeys, storey=3.0, wall=np.full(3, 0.7), texture=0, roof=np.full(3, 0.3),
        pitched=False, shop=True, tower=False, fine=True,
    )  # fmt: skip
    with_boards, without = (
        building(np.random.default_rng(5), House(**arguments, boards=boards)) for boards in (True, False)
    )
    assert (with_boards["label"] == NUMBER["building"]).all()
    assert len(without) < len(with_boards) if storeys > 1 else len(with_boards) >= len(without)
    out = with_boards["points"][with_boards["lambert"] == 0.5]
    if len(out):
        assert out[..., 2].min() >= 2.7 and out[..., 2].max() <= 3.0 * storeys + 0.01


def test_elsewhere_is_another_place_in_every_scene():
    places = [DOMAINS["elsewhere"].at(scene) for scene in range(40)]
    assert [place.number for place in places] == [DOMAINS["elsewhere"].number] * 40
    assert all(DOMAINS["elsewhere"].at(scene) == places[scene] for scene in (0, 7, 39))
    for part in ("light", "view", "sensor", "paints"):
        assert len({repr(getattr(place, part)) for place in places}) == 40, part
    assert all(DOMAINS[name].at(3) is DOMAINS[name] for name in ("game", "camera", "town"))


def test_elsewhere_shows_every_class_and_its_colours_say_nothing():
    shown, colours = set(), []
    for scene in range(SCENES):
        image_HWC, label_HW = render_scene("elsewhere", 1, scene, SIZE)
        shown |= set(np.unique(label_HW))
        colours.append(image_HWC[label_HW == LABEL_ID[NUMBER["building"]]].mean(axis=0))
    assert shown == set(LABEL_ID)
    assert np.std(colours, axis=0).min() > 25, "buildings have no colour in common"
