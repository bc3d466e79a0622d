"""``segadapt evaluate``: one number, computed as a plain loop would, for anyone's weights on anyone's folder."""

import json

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from PIL import Image
from test_camvid import write_camvid

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.data.shipped.as_shipped import ahead, network_size
from segadapt.evaluation.direct import views
from segadapt.labels import CAMVID11, CITYSCAPES19, CLASS_SETS, NTHU13, SYNTHIA16
from segadapt.models import Architecture, build, deeplabv2, initialise, save_model, to_input
from segadapt.models.importing import import_weights


def weights(path, classes=19, class_set="cityscapes19", **metadata):
    model = initialise(build(Architecture("streets", classes, 2, False, class_set=class_set)), 3, "kaiming").eval()
    with torch.no_grad():
        for head in model.layer6.conv2d_list:
            head.weight.mul_(50)  # predictions that vary over the image
            if class_set == "cityscapes19":  # ... among the classes of the toy scenes, and one more
                rare = [name not in ("road", "building", "sky", "car", "truck") for name in CITYSCAPES19.classes]
                head.bias[torch.tensor(rare)] = -1e4
    save_model(path, model, metadata)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluate")
    tiny.write_cityscapes(root / "city", {"val": 5}, width=96, height=48)
    return root


def naive(model, root, size, flip):
    """19x19 counts at network and native size, image by image."""
    table = np.full(256, 255)
    table[list(CITYSCAPES19.label_ids)] = range(19)
    counts = {"network": np.zeros((19, 19)), "native": np.zeros((19, 19))}
    for path in sorted((root / "leftImg8bit" / "val" / "toytown").glob("*.png")):
        image = Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        input_BCHW = to_input(torch.from_numpy(np.array(image))[None], "caffe")
        label_path = root / "gtFine" / "val" / "toytown" / path.name.replace("leftImg8bit", "gtFine_labelIds")
        label = Image.open(label_path)
        both = {"network": label.resize(size, Image.Resampling.NEAREST), "native": label}
        with torch.no_grad():
            scores = model(input_BCHW)[0]
            if flip:
                shape = {"size": size[::-1], "mode": "bilinear", "align_corners": True}
                mirrored = F.interpolate(model(input_BCHW.flip(-1))[0], **shape).softmax(1).flip(-1)
                scores = (F.interpolate(scores, **shape).softmax(1) + mirrored) / 2
        for where, each in both.items():
            truth = table[np.asarray(each)]
            guess = F.interpolate(scores, size=truth.shape, mode="bilinear", align_corners=True).argmax(1)[0].numpy()
            kept = truth != 255
            np.add.at(counts[where], (truth[kept], guess[kept]), 1)
    return counts


def iou(counts):
    with np.errstate(invalid="ignore"):
        return np.diag(counts) / (counts.sum(0) + counts.sum(1) - np.diag(counts))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("arguments", "size"), [([], (96, 48)), (["--size", "64x40"], (64, 40))])
def test_scores_equal_a_plain_loop(folder, tmp_path, capsys, flip, arguments, size):
    model = weights(tmp_path / "m.safetensors")
    output = tmp_path / "metrics.json"
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    command += ["--root", str(folder / "city"), "-o", str(output), "--threads", "2", *arguments]
    assert main(command + ["--flip"] * flip) == 0
    printed, metrics = capsys.readouterr().out, json.loads(output.read_text())
    assert metrics["network_size"] == "{}x{}".format(*size) and metrics["flip"] is flip and metrics["images"] == 5
    counts = naive(model, folder / "city", size, flip)
    assert (iou(counts["native"]) > 0).sum() >= 2, "a test of zeros would show little"
    for where, each in counts.items():
        want = iou(each)
        have = [np.nan if value is None else value for value in metrics[where]["IoU"].values()]
        np.testing.assert_allclose(have, want, rtol=1e-12)
        for name in ("cityscapes19", "synthia16", "synthia13"):
            positions = [CITYSCAPES19.classes.index(each) for each in CLASS_SETS[name].classes]
            mean = np.nanmean(want[positions])
            assert metrics["mIoU_of_class_sets"][name][where] == pytest.approx(mean, rel=1e-12)
            assert f"{100 * mean:.1f}" in next(line for line in printed.splitlines() if f"mIoU {name}" in line)
        near = {
            "wall": "building",
            "fence": "building",
            "pole": "building",
            "terrain": "veg",
            "truck": "bus",
            "train": "bus",
        }
        fewer = np.zeros((13, 13))
        for (label, guess), count in np.ndenumerate(each):
            label, guess = CITYSCAPES19.classes[label], CITYSCAPES19.classes[guess]
            if label in NTHU13.classes:
                fewer[NTHU13.classes.index(label), NTHU13.classes.index(near.get(guess, guess))] += count
        assert metrics["mIoU_of_class_sets"]["nthu13 merged"][where] == pytest.approx(np.nanmean(iou(fewer)), rel=1e-12)
    assert "19x19" in printed and "misses" in printed and "mIoU nthu13 merged" in printed


def test_all_modes_in_one_pass_equal_those_asked_for_one_by_one(folder, tmp_path, capsys):
    weights(tmp_path / "m.safetensors")
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    command += ["--root", str(folder / "city"), "-o"]
    found = {}
    for mode in ("", "--flip", "--modes"):
        assert main([*command, str(tmp_path / "found.json"), *mode.split()]) == 0
        found[mode] = json.loads((tmp_path / "found.json").read_text())
    printed = capsys.readouterr().out
    assert "variants" not in found[""] and "variants" not in found["--flip"]
    assert found["--modes"]["native"] == found[""]["native"]
    assert found["--modes"]["variants"] == {
        f"{size}{flip.replace('--', ' ')}": found[flip][size]["mIoU"]
        for flip in ("", "--flip")
        for size in ("network", "native")
    }
    measures = [found[mode]["measures"] for mode in found]
    assert measures[0] == measures[2] != measures[1] and set(measures[1]) == {"ECE", "boundary_mIoU"}
    assert f"{100 * measures[0]['ECE']:.1f}" in next(line for line in printed.splitlines() if line.startswith("ECE"))
    assert "final head, no flip" in printed and f"{100 * found['--flip']['native']['mIoU']:.1f}" in printed
    with pytest.raises(SystemExit):
        main([*command, str(tmp_path / "found.json"), "--flip", "--modes"])


def test_an_imported_file_scores_as_the_model_it_came_from(folder, tmp_path):
    model = weights(tmp_path / "ours.safetensors")
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "released.pth")
    import_weights(tmp_path / "released.pth", tmp_path / "imported.safetensors", "maxsquare")
    scores = []
    for name in ("ours", "imported"):
        command = ["evaluate", "--weights", str(tmp_path / f"{name}.safetensors"), "--dataset", "cityscapes"]
        assert main([*command, "--root", str(folder / "city"), "-o", str(tmp_path / f"{name}.json")]) == 0
        scores.append(json.loads((tmp_path / f"{name}.json").read_text())["native"])
    assert scores[0] == scores[1] and scores[0]["mIoU"] > 0


def test_the_size_of_training_is_the_default(folder, tmp_path):
    weights(tmp_path / "m.safetensors", image_size="64x33")
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    assert main([*command, "--root", str(folder / "city"), "-o", str(tmp_path / "m.json")]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["network_size"] == "64x32"
    assert network_size((2048, 1024), 1024) == (1024, 512)
    assert network_size((480, 360), 1024) == (480, 360)
    assert network_size((1000, 3000), 600) == (200, 600)
    assert network_size((5000, 3), 500) == (500, 8)


REFUSED = [
    (["--dataset", "voc"], "voc"),
    (["--root", "nowhere"], "nowhere"),
    (["--split", "test"], "test"),
    (["--classes", "camvid11"], "lacks"),
    (["--classes", "voc21"], "synthia16"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[each[0][1] for each in REFUSED])
def test_mistakes_end_with_one_sentence_and_no_file(folder, tmp_path, capsys, arguments, words):
    weights(tmp_path / "m.safetensors")
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    assert main([*command, "--root", str(folder / "city"), "-o", str(tmp_path / "m.json"), *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("segadapt: ") and not (tmp_path / "m.json").exists()


@pytest.mark.parametrize(
    ("classes", "class_set", "words"),
    [
        (21, None, "head of 21 classes whose names are not known; add --classes"),
        (13, None, "not known; add --classes with a class set of 13 classes, such as synthia13 or nthu13"),
        (7, "loveda7", "head of 7 classes whose names are not known"),
        (12, "camvid11", "a head of 12 classes, and its file says camvid11, which has 11"),
    ],
)
def test_a_head_of_other_classes_is_refused(folder, tmp_path, capsys, classes, class_set, words):
    weights(tmp_path / "m.safetensors", classes, class_set)
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    assert main([*command, "--root", str(folder / "city")]) == 2
    assert words in capsys.readouterr().err


def test_an_unnamed_head_is_scored_in_the_classes_that_the_user_names(folder, tmp_path, capsys):
    """As a file that names them; only of a class set with as many classes."""
    found = {}
    for name, class_set in (("named", "camvid11"), ("unnamed", None), ("of another place", "mine11")):
        weights(tmp_path / f"{name}.safetensors", 11, class_set)
        command = ["evaluate", "--weights", str(tmp_path / f"{name}.safetensors"), "--dataset", "cityscapes"]
        command += ["--root", str(folder / "city"), "-o", str(tmp_path / f"{name}.json"), "--classes", "camvid11"]
        assert main(command) == 0
        found[name] = json.loads((tmp_path / f"{name}.json").read_text())
        assert "mIoU camvid11" in capsys.readouterr().out
    for name in ("unnamed", "of another place"):
        assert found[name] | {"weights": None} == found["named"] | {"weights": None}
    command[-1] = "nthu13"
    assert main(command) == 2
    assert "--classes names nthu13, which has 13; name a class set of 11" in capsys.readouterr().err


def test_a_data_set_without_the_head_s_classes_is_refused(tmp_path, capsys):
    write_camvid(tmp_path / "camvid", "merged")
    weights(tmp_path / "m.safetensors")
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "camvid"]
    assert main([*command, "--root", str(tmp_path / "camvid")]) == 2
    assert "hold 11 merged classes, not cityscapes19" in capsys.readouterr().err


def test_a_head_of_camvid_s_classes_reads_cityscapes_through_the_map(folder, tmp_path, capsys):
    weights(tmp_path / "m.safetensors", 11, "camvid11")
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    assert main([*command, "--root", str(folder / "city")]) == 0
    assert "labels in the 11 classes of camvid11" in capsys.readouterr().out


def test_weights_that_are_none_of_ours_get_a_hint(folder, tmp_path, capsys):
    torch.save(deeplabv2("streets").state_dict(), tmp_path / "m.pth")
    command = ["evaluate", "--weights", str(tmp_path / "m.pth"), "--dataset", "cityscapes"]
    assert main([*command, "--root", str(folder / "city")]) == 2
    assert "segadapt import-weights" in capsys.readouterr().err


def test_a_damaged_image_is_named_and_nothing_is_scored(folder, tmp_path, capsys):
    tiny.write_cityscapes(tmp_path / "city", {"val": 3})
    path = next((tmp_path / "city" / "leftImg8bit").rglob("*1_000019_leftImg8bit.png"))
    path.write_bytes(path.read_bytes()[:300])
    weights(tmp_path / "m.safetensors")
    command = ["evaluate", "--weights", str(tmp_path / "m.safetensors"), "--dataset", "cityscapes"]
    assert main([*command, "--root", str(tmp_path / "city"), "-o", str(tmp_path / "m.json")]) == 2
    assert path.name in capsys.readouterr().err and not (tmp_path / "m.json").exists()


def test_views_of_a_head():
    assert list(views(CITYSCAPES19)) == ["cityscapes19", "synthia16", "synthia13"]
    assert list(views(SYNTHIA16)) == ["synthia16", "synthia13"]
    assert list(views(NTHU13)) == ["nthu13"] and list(views(CAMVID11)) == ["camvid11"]
    assert views(SYNTHIA16, "synthia13") == {"synthia13": (0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}
    with pytest.raises(UserError, match="terrain"):
        views(SYNTHIA16, "cityscapes19")


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_reading_ahead_is_map_and_stays_close(threads, count):
    started = []

    def work(item):
        started.append(item)
        return item * item

    for done, result in enumerate(ahead(work, range(count), threads)):
        assert result == done * done and len(started) <= done + 1 + 2 * threads
    assert sorted(started) == list(range(count))
