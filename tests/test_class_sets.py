"""Class sets of the user's own: read, refused with the key's path, and one object wherever they are asked for."""

import json

import jsonschema
import numpy as np
import pytest
import tiny
from PIL import Image
from test_parameters import put

from segadapt import labels
from segadapt.cli import main
from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.core.parameters.loader import json_schema
from segadapt.data.datasets import FOREIGN, cityscapes_id_table, named_id_table, own_id_table
from segadapt.data.shipped.listing import folder_pairs
from segadapt.labels import CITYSCAPES19, class_set, register
from segadapt.plan import make_plan

TWO = {"classes": {"tissue": {"ids": [1, 3], "colour": [1, 2, 3]}, "lesion": 2}, "ignored_ids": [0]}


@pytest.fixture(autouse=True)
def forgotten():
    """Sets that a test defines are not those of the next."""
    yield
    tiny.forget_class_sets()


def with_sets(sets) -> dict:
    return tiny.tiny_parameters(("source_only",)) | {"class_sets": sets}


def test_an_entry_becomes_a_class_set():
    parameters_from(with_sets({"medical2": TWO}), "p")
    found = class_set("medical2")
    assert found.classes == ("tissue", "lesion") and found.palette[0] == (1, 2, 3) and len(set(found.palette)) == 2
    assert found.train_ids() == {0: 255, 1: 0, 3: 0, 2: 1}
    table = own_id_table(found)
    assert table[[0, 1, 2, 3]].tolist() == [255, 0, 1, 0] and (table[4:] == FOREIGN).all()
    register([found.definition()])
    assert class_set("medical2") is found
    parameters_from(with_sets({"medical2": TWO | {"ignored_ids": [9]}}), "p")
    assert class_set("medical2").ignored_ids == (9,)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("class_sets.cityscapes19", TWO, "class_sets.cityscapes19: this name is a built-in set's; choose another"),
        ("class_sets.x.classes.a", 2, "class_sets.x.classes.lesion: id 2 stands in a too; keep one of the two"),
        ("class_sets.x.ignored_ids", [3], "class_sets.x.classes.tissue: id 3 stands in ignored_ids too"),
        ("class_sets.x.classes.a", 256, "class_sets.x.classes.a.ids[0]: Input should be less than or equal to 255"),
        ("class_sets.x.classes.a", -1, "class_sets.x.classes.a.ids[0]"),
        ("class_sets.x.classes.a", "one", "class_sets.x.classes.a.ids[0]"),
        ("class_sets.x.classes.a", {"ids": []}, "class_sets.x.classes.a.ids"),
        ("class_sets.x.classes.a", {"ids": 9, "color": [1, 2, 3]}, "class_sets.x.classes.a.color: unknown key"),
        ("class_sets.x.classes.a", {"ids": 9, "colour": [1, 2, 300]}, "class_sets.x.classes.a.colour[2]"),
        ("class_sets.x.classes", {"a": 1}, "class_sets.x.classes: Dictionary should have at least 2 items"),
        ("class_sets.x.classes", {"a": 1, "Two words": 2}, "class_sets.x.classes.Two words"),
        ("presets.tiny.model.classes", "y", "presets.tiny.model.classes: class set 'y' is not defined; known are"),
        ("presets.tiny.caches.target_val.classes", "y", "presets.tiny.caches.target_val.classes: class set 'y'"),
        (
            "presets.tiny.model.classes",
            "x",
            "experiments.table2.published: the paper has no numbers of x; set presets.",
        ),
        ("experiments.table2.classes", "y", "experiments.table2.classes: class set 'y'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(key, value, sentence):
    order = {name: number for number, name in enumerate(("a", "tissue", "lesion"))}
    content = put(with_sets({"x": {"classes": dict(TWO["classes"]), "ignored_ids": [0]}}), key, value)
    if key == "class_sets.x.classes.a":
        classes = content["class_sets"]["x"]["classes"]
        content["class_sets"]["x"]["classes"] = dict(sorted(classes.items(), key=lambda each: order[each[0]]))
    with pytest.raises(UserError) as caught:
        parameters_from(content, "p")
    assert f"p: {sentence}" in str(caught.value)


def test_the_command_line_knows_the_sets_of_this_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="class set 'medical2' is unknown; known are cityscapes19"):
        class_set("medical2")
    tiny.write_parameters(tmp_path, {"class_sets": {"medical2": TWO}, "nonsense": 1})
    assert main(["check", "camvid", "nowhere"]) == 2
    assert class_set("medical2").classes == ("tissue", "lesion")
    tiny.write_parameters(tmp_path, {"class_sets": {"other": {"classes": {"a": 1}}}})
    capsys.readouterr()
    assert main(["check", "camvid", "nowhere"]) == 2
    assert "params.yaml: class_sets.other.classes: Dictionary should have at least" in capsys.readouterr().err


def test_only_jobs_that_name_a_set_hold_its_definition(tmp_path):
    own = {"classes": dict(zip(CITYSCAPES19.classes[:5], range(5), strict=True))}
    parameters = with_sets({"five": own, "idle": TWO})
    parameters["presets"]["tiny"]["model"]["classes"] = "five"
    plan = make_plan(parameters_from(parameters, "p"))
    for job in plan.jobs:
        rest = {key: value for key, value in job.config.items() if key != "class_sets"}
        assert list(job.config.get("class_sets", {})) == ["five"] * ('"five"' in json.dumps(rest)), job.name
    assert {job.stage for job in plan.jobs if "class_sets" in job.config} >= {
        "prepare",
        "pretrain",
        "evaluate",
        "table",
    }
    built_in = make_plan(parameters_from(with_sets({"idle": TWO}), "p"))
    assert not any("class_sets" in job.config for job in built_in.jobs)
    # Cityscapes' label files can be read in it, by the classes' names.
    table = cityscapes_id_table(labels.class_set("five"))
    assert [table[each] for each in CITYSCAPES19.label_ids[:6]] == [0, 1, 2, 3, 4, 255]


def test_ids_of_names_that_are_no_class_anywhere_are_refused_and_several_ids_are_one_class():
    with pytest.raises(UserError, match="none of meadow, bog is a class of cityscapes19"):
        named_id_table({"meadow": 1, "bog": (2, 3)}, (0,), CITYSCAPES19)
    table = named_id_table({"road": (13, 24, 41), "sky": 27, "meadow": 3}, (65,), CITYSCAPES19)
    assert table[[13, 24, 41, 27, 3, 65, 1]].tolist() == [0, 0, 0, 10, 255, 255, FOREIGN]
    with pytest.raises(UserError, match="define its classes under class_sets"):
        own_id_table(CITYSCAPES19)


def test_labels_named_otherwise_than_their_images(tmp_path):
    for folder, end in (("images", "_rgb.JPG"), ("labels", "_train_id.png")):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            Image.new("L", (8, 6), 3).save(tmp_path / folder / f"{name}{end}", format="PNG")
        Image.new("L", (8, 6), 3).save(tmp_path / folder / "other.png")  # of another kind: no pair
    found = folder_pairs(tmp_path, "images", "labels", "get it", image_end="_rgb", label_end="_train_id.png")
    pairs = [(each.name, each.image.name, each.label.name) for each in found]
    assert pairs == [(name, f"{name}_rgb.JPG", f"{name}_train_id.png") for name in ("a", "b")]


def test_what_converters_left_beside_the_labels_is_passed_over(tmp_path, capsys):
    for folder, ends in (("train", [""]), ("trainannot", ["", "_labelTrainIds", "_color"])):
        (tmp_path / folder).mkdir()
        for end in ends:
            Image.new("L", (8, 6), 3).save(tmp_path / folder / f"a{end}.png")
    assert main(["check", "camvid", str(tmp_path), "--accept", "train"]) == 0
    (tmp_path / "trainannot/a.png").unlink()  # now they are all that there is
    assert main(["check", "camvid", str(tmp_path), "--accept", "train"]) == 1
    assert "missing label" in capsys.readouterr().out


def test_folders_are_classes_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_parameters(
        tmp_path, {"class_sets": {"pets": {"classes": {"cat": 0, "dog": 1}, "task": "classification"}}}
    )
    for domain in ("a", "b"):
        for name in ("cat", "dog"):
            (tmp_path / domain / "images" / name).mkdir(parents=True)
            Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(tmp_path / domain / "images" / name / "1.png")
    assert main(["check", "office31", "."]) == 0
    assert "cat 1, dog 1" in capsys.readouterr().out


def test_the_schema_knows_the_short_forms():
    validator = jsonschema.Draft202012Validator(json_schema())
    short = {"x": {"classes": {"a": 1, "b": [2, 3], "c": {"ids": 4}}}}
    content = parameters_from(with_sets(short), "p").model_dump(mode="json")
    validator.validate(content)
    validator.validate(content | {"class_sets": short})
    assert list(validator.iter_errors(put(content, "class_sets.x.classes.a", "one")))
