"""``segadapt predict``: photographs of every make, each answered at its own size."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from test_evaluate_command import weights

from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.data.shipped.photographs import distinct_names, find_photographs, read_photograph
from segadapt.labels import CITYSCAPES19, unnamed
from segadapt.models import Architecture, build, initialise, save_model, to_input


def picture(width=40, height=30, seed=0) -> Image.Image:
    """A smooth picture, which JPEG keeps nearly as it is."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = 255 * rows / max(1, height - 1), 255 * columns / max(1, width - 1)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 40 + seed)], -1).astype(np.uint8))


def close(have: Image.Image, want: Image.Image, within: float) -> bool:
    return np.abs(np.asarray(have, float) - np.asarray(want, float)).max() <= within


def grey16(path):
    Image.fromarray(np.asarray(picture().convert("L")).astype(np.uint16) * 257).save(path)


def transparent(path, mode):
    image = picture().convert(mode)
    image.putalpha(Image.new("L", image.size, 0))
    image.save(path)


def palette(path):
    picture().quantize(256).save(path, transparency=0)


WHITE, GREY = Image.new("RGB", (40, 30), (255, 255, 255)), picture().convert("L").convert("RGB")
KINDS = [
    # file, writer, what must be seen, largest difference
    ("rgb.png", lambda path: picture().save(path), picture(), 0),
    ("photo.JPG", lambda path: picture().save(path, quality=95), picture(), 12),
    ("cmyk.jpg", lambda path: picture().convert("CMYK").save(path, quality=95), picture(), 25),
    ("grey.png", lambda path: picture().convert("L").save(path), GREY, 0),
    ("grey16.png", grey16, GREY, 0),
    ("clear.png", lambda path: transparent(path, "RGBA"), WHITE, 0),
    ("clear_grey.png", lambda path: transparent(path, "LA"), WHITE, 0),
    ("palette.png", palette, None, None),
    ("bits.png", lambda path: picture().convert("1").save(path), picture().convert("1").convert("RGB"), 0),
    ("web.webp", lambda path: picture().save(path, lossless=True), picture(), 0),
]


@pytest.mark.parametrize(("name", "write", "want", "within"), KINDS, ids=[each[0] for each in KINDS])
def test_every_kind_of_file_is_read_as_it_is_seen(tmp_path, name, write, want, within):
    write(tmp_path / name)
    have = read_photograph(tmp_path / name)
    assert have.mode == "RGB" and have.size == (40, 30)
    assert want is None or close(have, want, within)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(tmp_path, orientation):
    """The stored pixels are turned so that the EXIF tag turns them back."""
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = picture().transpose(turns[orientation]) if orientation in turns else picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.jpg", exif=exif, quality=95)
    assert close(read_photograph(tmp_path / "p.jpg"), picture(), 12)


def test_results_equal_the_network_and_have_the_photographs_size(tmp_path, capsys):
    model = weights(tmp_path / "m.safetensors", image_size="64x32")
    photographs = tmp_path / "photographs"
    (photographs / "inner").mkdir(parents=True)
    sizes = {"wide": (150, 40), "tall": (30, 90), "small": (20, 16), "dot": (1, 1), "strip": (300, 2)}
    for seed, (name, size) in enumerate(sizes.items()):
        picture(*size, seed).save(photographs / "inner" / f"{name}.png")
    (photographs / "notes.txt").write_text("no picture")
    assert (
        main(["predict", "--weights", str(tmp_path / "m.safetensors"), str(photographs), "-o", str(tmp_path / "o")])
        == 0
    )
    assert "5 of 5" in capsys.readouterr().out
    fed = {"wide": (64, 17), "tall": (21, 64), "small": (20, 16), "dot": (8, 8), "strip": (64, 8)}
    seen = set()
    for seed, (name, size) in enumerate(sizes.items()):
        image = picture(*size, seed).resize(fed[name], Image.Resampling.BICUBIC)
        with torch.no_grad():
            logits = model(to_input(torch.from_numpy(np.array(image))[None]))[0]
        want = F.interpolate(logits, size=size[::-1], mode="bilinear", align_corners=True).argmax(1)[0].numpy()
        classes = Image.open(tmp_path / "o" / f"{name}_classes.png")
        assert classes.mode == "P" and np.array_equal(np.asarray(classes), want)
        colours = np.array(CITYSCAPES19.palette, np.uint8)[want]
        assert np.array_equal(np.asarray(classes.convert("RGB")), colours)
        overlay = Image.open(tmp_path / "o" / f"{name}_overlay.jpg")
        assert overlay.size == size
        blended = (np.asarray(picture(*size, seed), float) + colours) / 2
        assert abs(np.asarray(overlay, float).mean() - blended.mean()) < 4
        seen |= set(want.ravel())
    assert len(seen) > 1
    assert Image.open(tmp_path / "o" / "legend.png").size[0] > 300
    assert len(list((tmp_path / "o").iterdir())) == 11


@pytest.mark.parametrize(("size", "fed"), [("24", (24, 18)), ("48x16", (48, 16)), ("4000", (40, 30))])
def test_the_size_option(tmp_path, size, fed):
    model = weights(tmp_path / "m.safetensors")
    picture().save(tmp_path / "p.png")
    command = ["predict", "--weights", str(tmp_path / "m.safetensors"), str(tmp_path / "p.png")]
    assert main([*command, "-o", str(tmp_path / "o"), "--size", size]) == 0
    image = picture().resize(fed, Image.Resampling.BICUBIC)
    with torch.no_grad():
        logits = model(to_input(torch.from_numpy(np.array(image))[None]))[0]
    want = F.interpolate(logits, size=(30, 40), mode="bilinear", align_corners=True).argmax(1)[0].numpy()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "o" / "p_classes.png")), want)


def test_an_unreadable_photograph_is_named_and_the_others_are_drawn(tmp_path, capsys):
    weights(tmp_path / "m.safetensors")
    folder = tmp_path / "in"
    folder.mkdir()
    picture().save(folder / "a.png")
    picture(seed=9).save(folder / "c.jpg")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:60])
    (folder / "d.jpg").write_bytes(b"")
    (folder / "e.webp").write_text("text")
    assert main(["predict", "--weights", str(tmp_path / "m.safetensors"), str(folder), "-o", str(tmp_path / "o")]) == 1
    captured = capsys.readouterr()
    assert all(name in captured.err for name in ("b.png", "d.jpg", "e.webp")) and "2 of 5" in captured.out
    assert {path.name for path in (tmp_path / "o").glob("*_*")} == {
        "a_classes.png", "a_overlay.jpg", "c_classes.png", "c_overlay.jpg",
    }  # fmt: skip


def test_equal_stems_get_names_of_their_own(tmp_path):
    names = ["a/x.png", "a/x.jpg", "b/X.png", "a/x_2.png", "b/y.png"]
    assert distinct_names([tmp_path / name for name in names]) == ["x", "x_3", "X_4", "x_2", "y"]


def test_a_second_run_does_not_draw_its_own_results(tmp_path):
    weights(tmp_path / "m.safetensors")
    picture().save(tmp_path / "p.png")
    command = ["predict", "--weights", str(tmp_path / "m.safetensors"), str(tmp_path), "-o", str(tmp_path / "o")]
    assert main(command) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "o").iterdir()}
    assert main(command) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "o").iterdir()} == before and len(before) == 3


def test_finding_photographs(tmp_path):
    for name in ("b.png", "a.JPEG", "sub/c.webp", "out/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    out = tmp_path / "out"
    found = find_photographs([tmp_path / "b.png", tmp_path, tmp_path / "sub" / ".." / "b.png"], out)
    assert [path.name for path in found] == ["b.png", "a.JPEG", "c.webp"]
    (tmp_path / "empty").mkdir()
    for paths, words in (
        ([tmp_path / "none.png"], "does not exist"),
        ([tmp_path / "empty"], "holds no picture"),
        ([out], "both read and written"),
    ):
        with pytest.raises(UserError, match=words):
            find_photographs(paths, out)


@pytest.mark.parametrize("classes", [2, 7])
def test_a_head_of_own_classes_draws_them_by_number(tmp_path, capsys, classes):
    """As imported from a file of other people's classes: they have no names, but every one has its colour."""
    model = weights(tmp_path / "own.safetensors", classes, None)
    torch.save(model.state_dict(), tmp_path / "f.pth")
    assert main(["import-weights", str(tmp_path / "f.pth"), str(tmp_path / "m.safetensors"), "--kind", "advent"]) == 0
    assert f"{classes} classes (of no known set: --classes names them)" in capsys.readouterr().out
    picture().save(tmp_path / "a.png")
    command = ["predict", "--weights", str(tmp_path / "m.safetensors"), str(tmp_path / "a.png"), "-o"]
    assert main([*command, str(tmp_path / "out")]) == 0
    drawn = Image.open(tmp_path / "out" / "a_classes.png")
    assert np.asarray(drawn).max() < classes and (tmp_path / "out" / "legend.png").is_file()
    palette = np.asarray(drawn.getpalette()).reshape(-1, 3)[:classes]
    assert len({tuple(colour) for colour in palette.tolist()}) == classes
    assert unnamed(classes).classes == tuple(f"class{index}" for index in range(classes))
    assert main([*command, str(tmp_path / "out"), "--classes", "camvid11"]) == 2
    assert f"head of {classes} classes, and --classes names camvid11, which has 11" in capsys.readouterr().err


def test_the_classes_of_an_unnamed_head_may_be_named(tmp_path):
    for name, class_set in (("named", "camvid11"), ("unnamed", None)):
        weights(tmp_path / f"{name}.safetensors", 11, class_set)
        picture().save(tmp_path / "a.png")
        command = ["predict", "--weights", str(tmp_path / f"{name}.safetensors"), str(tmp_path / "a.png")]
        assert main([*command, "-o", str(tmp_path / name), "--classes", "camvid11"]) == 0
    for file in ("legend.png", "a_classes.png", "a_overlay.jpg"):
        assert (tmp_path / "named" / file).read_bytes() == (tmp_path / "unnamed" / file).read_bytes()


@pytest.mark.parametrize("command", [["predict", "-o", "o"], ["evaluate", "--dataset", "camvid", "--root", "."]])
def test_an_image_classifier_is_refused(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = Architecture("digits", 10, auxiliary=False, class_set="digits10", task="classification")
    save_model("m.safetensors", initialise(build(digits), 0, "kaiming"), {})
    picture().save("a.png")
    images = ["a.png"] if command[0] == "predict" else []
    assert main([command[0], *images, "--weights", "m.safetensors", *command[1:]]) == 2
    assert "m.safetensors is an image classifier, with one answer for a whole image" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "m.safetensors"]
