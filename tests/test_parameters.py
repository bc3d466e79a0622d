"""``params.yaml``: what is read, read alike by every engine, and what is refused and how."""

import copy
import math
import random

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import REPOSITORY, tiny_parameters, write_parameters

from segadapt.core.errors import UserError
from segadapt.core.parameters import in_file, load_parameters, parameters_from, read_parameters
from segadapt.core.parameters.learning import RepeatedSgd
from segadapt.core.parameters.loader import read_mapping

SHIPPED = REPOSITORY / "params.yaml"
SCHEMA = REPOSITORY / "workflow" / "schemas" / "params.schema.json"
# Sections whose keys are names that users give.
FREE_KEYS = {
    "methods",
    "experiments",
    "protocols",
    "presets",
    "settings",
    "datasets",
    "caches",
    "splits",
    "options",
    "domains",
}


PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))


def read_by(read) -> dict:
    """The shipped files as another reader of YAML has them, put together."""
    return read(SHIPPED) | {"presets": {path.stem: read(path) for path in PRESETS}}


CONTENT = read_by(lambda path: load_yaml(str(path)))


def shipped() -> dict:
    """The shipped files as Python values, a fresh copy."""
    return copy.deepcopy(CONTENT)


def put(content: dict, path: str, value) -> dict:
    """A copy of ``content`` with the value at a dotted path replaced."""
    content = copy.deepcopy(content)
    *parents, last = path.split(".")
    section = content
    for key in parents:
        section = section[key]
    section[last] = value
    return content


def refusal(content: dict) -> str:
    """The message with which a mapping is refused."""
    with pytest.raises(UserError) as caught:
        parameters_from(content, "params.yaml")
    return str(caught.value)


def written(folder, content: dict, text: str):
    """``params.yaml`` and presets with that content, ``text`` as it is in the place of MARKER."""
    write_parameters(folder, content)
    for path in (folder / "params.yaml", *(folder / "presets").glob("*.yaml")):
        path.write_text(path.read_text().replace("MARKER", text))
    return folder / "params.yaml"


def file_refusal(tmp_path, text: str) -> str:
    """The message with which a file's text is refused."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_parameters(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_the_shipped_file_says_the_papers_numbers():
    parameters = load_parameters(SHIPPED)
    paper = parameters.presets["paper"]
    assert parameters.methods["maxsquare"].lambda_target == 0.1
    assert parameters.methods["maxsquare_iw_multi"].guidance.threshold == 0.95
    assert (paper.adapt.learning_rate, paper.adapt.optimiser) == (2.5e-4, RepeatedSgd(momentum=0.9, weight_decay=5e-4))
    assert (paper.caches["source_train"].size, paper.caches["target_val"].size) == ("1280x720", "1024x512")
    assert parameters.active_preset is parameters.presets[parameters.preset]
    assert parameters.active_protocol is parameters.protocols[parameters.protocol]


def test_three_readers_of_the_shipped_files_give_the_same_values():
    ours = load_parameters(SHIPPED)
    assert parameters_from(CONTENT, "dvc") == ours  # YAML 1.2
    assert parameters_from(read_by(lambda path: yaml.safe_load(path.read_text())), "snakemake") == ours  # YAML 1.1


def test_the_file_that_a_user_opens_first_fits_two_screens():
    assert len(SHIPPED.read_text().splitlines()) <= 130
    assert [path.stem for path in PRESETS] == ["camvid", "digits", "paper", "streets"]


def test_no_section_is_shared_by_an_alias():
    """``dvc exp run -S`` writes into the section: into all that are it. Text may be shared, for it is replaced."""
    for path in (SHIPPED, *PRESETS):
        shared = [anchor for anchor, kind in anchors(path.read_text()) if kind is not yaml.ScalarEvent]
        assert shared == [], path


def anchors(text: str) -> list:
    """Name and kind of everything that an alias can stand for."""
    return [(event.anchor, type(event)) for event in yaml.parse(text)
            if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent)]  # fmt: skip


@pytest.mark.parametrize("file", [SHIPPED, *PRESETS], ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(3))
def test_what_dvc_sets_is_that_key_alone(tmp_path, file, seed):
    """``dvc exp run -S FILE:key=value`` reaches every key of every file: some, drawn."""
    place = random.Random(seed).choice([path for path, value in leaves(load_yaml(str(file))) if value is not None])
    copied = tmp_path / "params.yaml"
    copied.write_text(file.read_text())
    apply_overrides(str(copied), [f"{'.'.join(place)}=0.123"])
    expected = load_yaml(str(file))
    section = expected
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = 0.123
    assert load_yaml(str(copied)) == expected == read_mapping(copied)


def leaves(content: dict, prefix: tuple = ()) -> list[tuple[tuple, object]]:
    """Path and value of everything that is no section."""
    found = []
    for key, value in content.items():
        found += leaves(value, (*prefix, key)) if isinstance(value, dict) else [((*prefix, key), value)]
    return found


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", "1.e-4", "0.0001", ".0001", "+1e-4", "10e-5"])
def test_a_small_number_is_read_alike_however_it_is_written(tmp_path, text):
    path = written(tmp_path, put(shipped(), "presets.paper.adapt.learning_rate", "MARKER"), text)
    ours = load_parameters(path)
    assert ours.presets["paper"].adapt.learning_rate == 1e-4
    assert isinstance(ours.presets["paper"].adapt.learning_rate, float)
    preset = path.with_name("presets") / "paper.yaml"
    for read in (lambda: load_yaml(str(preset)), lambda: yaml.safe_load(preset.read_text())):  # YAML 1.2, 1.1
        assert parameters_from(shipped() | {"presets": CONTENT["presets"] | {"paper": read()}}, "engine") == ours


@settings(max_examples=30)
@given(st.floats(1e-12, 1e12), st.sampled_from(["r", "e", "g"]))
def test_any_learning_rate_survives_the_file(tmp_path_factory, value, form):
    text = repr(value) if form == "r" else f"{value:.17{form}}"
    content = put(shipped(), "presets.paper.adapt.learning_rate", "MARKER")
    path = written(tmp_path_factory.mktemp("any"), content, text)
    assert load_parameters(path).presets["paper"].adapt.learning_rate == value


def test_words_and_octals_keep_the_meaning_of_yaml_1_2(tmp_path):
    content = put(tiny_parameters(), "methods.maxsquare.title", "MARKER")
    for text in ("off", "12:30", "2020-01-01", "1_000", "0x10", "<<", "="):
        assert load_parameters(written(tmp_path, content, text)).methods["maxsquare"].title == text
    content = put(tiny_parameters(), "presets.tiny.adapt.steps", "MARKER")
    assert load_parameters(written(tmp_path, content, "0006")).active_preset.adapt.steps == 6


def test_overrides_from_a_command_line_may_be_text():
    """Snakemake keeps the scalars of ``--config`` as text where they are nested."""
    adapt = {"steps": "50", "learning_rate": "1e-3"}
    overrides = {"seeds": ["7", "8"], "preset": "streets", "presets": {"streets": {"adapt": adapt}}}
    found = load_parameters(REPOSITORY / "params.yaml", overrides)
    assert found.seeds == (7, 8) and found.preset == "streets"
    assert (found.active_preset.adapt.steps, found.active_preset.adapt.learning_rate) == (50, 1e-3)
    with pytest.raises(UserError, match=r"seeds\[0\]"):
        load_parameters(REPOSITORY / "params.yaml", {"seeds": ["seven"]})


def test_overrides_are_laid_over_nested_sections():
    over = {"seeds": [7], "presets": {"streets": {"adapt": {"steps": 3}}}}
    changed, plain = load_parameters(SHIPPED, over), load_parameters(SHIPPED)
    assert changed.seeds == (7,)
    assert changed.presets["streets"].adapt.steps == 3
    assert changed.presets["streets"].adapt.learning_rate == plain.presets["streets"].adapt.learning_rate
    assert changed.presets["paper"] == plain.presets["paper"]
    with pytest.raises(UserError, match=r"presets/streets\.yaml: adapt\.stepz: unknown key"):
        load_parameters(SHIPPED, {"presets": {"streets": {"adapt": {"stepz": 3}}}})


UNKNOWN_KEYS = [
    "protocl",
    "methods.minent.lambda_taget",
    "methods.maxsquare_iw.image_weight.alfa",
    "methods.maxsquare_iw_multi.guidance.treshold",
    "experiments.table2.row",
    "protocols.paper.normalization",
    "presets.paper.adapt.learning_rte",
    "presets.paper.datasets.gta5.rot",
    "presets.streets.datasets.game.render.sead",
    "presets.paper.caches.target_val.label",
    "presets.paper.model.batch_norm",
    "presets.paper.precision.fp16",
    "presets.streets.run.threads",
]


@pytest.mark.parametrize("path", UNKNOWN_KEYS)
def test_an_unknown_key_is_refused_with_its_path(path):
    if path.endswith("batch_norm"):
        message, path = refusal(put(shipped(), path, {"frozen": True})), path + ".frozen"
    else:
        message = refusal(put(shipped(), path, 1))
    assert f"params.yaml: {path}: unknown key" in message and "\n" not in message


def key_paths(section, prefix: tuple = ()) -> list[tuple]:
    """Paths of all keys that the models name (not of what users name themselves)."""
    found = []
    for key, value in section.items():
        if not (prefix and prefix[-1] in FREE_KEYS):
            found.append((*prefix, key))
        if isinstance(value, dict):
            found += key_paths(value, (*prefix, key))
    return found


@given(st.data())
def test_no_misspelt_key_ever_passes(data):
    content = shipped()
    *parents, last = data.draw(st.sampled_from(key_paths(content)))
    section = content
    for key in parents:
        section = section[key]
    where = data.draw(st.integers(0, len(last)))
    typo = last[:where] + data.draw(st.sampled_from("abcxyz_1 -.A")) + last[where + data.draw(st.integers(0, 1)) :]
    if typo in section:
        return
    section[typo] = section.pop(last)
    assert typo in refusal(content)


WRONG_TYPES = [
    ("seeds", 1),
    ("seeds", ["one"]),
    ("seeds", [True]),
    ("seeds", [1.5]),
    ("seeds", [-1]),
    ("preset", 3),
    ("preset", ["paper"]),
    ("methods", []),
    ("methods.minent", "entropy"),
    ("methods.minent.lambda_target", "much"),
    ("methods.minent.lambda_target", [0.1]),
    ("methods.minent.lambda_target", True),
    ("methods.minent.lambda_target", None),
    ("methods.minent.title", 5),
    ("methods.minent.target_loss", "../entropy"),
    ("methods.maxsquare_iw.image_weight.alpha", False),
    ("methods.maxsquare_iw.image_weight.alpha", 1.5),
    ("methods.maxsquare_iw_multi.guidance.threshold", 1.0),
    ("presets.paper.adapt.steps", 1.5),
    ("presets.paper.adapt.steps", True),
    ("presets.paper.adapt.steps", 0),
    ("presets.paper.adapt.steps", "many"),
    ("presets.paper.adapt.steps", "600"),
    ("presets.paper.adapt.mirror", 1.01),
    ("presets.paper.adapt.optimiser", "adam"),
    ("presets.paper.adapt.optimiser", {"momentum": 0.8}),
    ("presets.paper.adapt.optimiser", {"name": "sgd", "momentum": 1.0}),
    ("presets.paper.adapt.optimiser", {"name": "adamw", "momentum": 0.9}),
    ("presets.paper.adapt.annealing", {"name": "poly", "power": 0}),
    ("presets.paper.adapt.annealing", {"name": "linear", "warm_up": 29760}),
    ("presets.paper.caches.target_val.size", "1024*512"),
    ("presets.paper.caches.target_val.size", "0x512"),
    ("presets.paper.caches.target_val.size", "1024x512\n"),
    ("presets.paper.caches.target_val.size", [1024, 512]),
    ("presets.paper.caches.target_val.labels", "perhaps"),
    ("presets.paper.model.classes", "cityscapes20"),
    ("presets.paper.precision.compile", "inductor"),
    ("presets.paper.precision.cuda_graphs", 2),
    ("presets.streets.datasets.game.render.domain", "rain"),
    ("presets.streets.datasets.game.render.splits", {}),
    ("presets.streets.datasets.game.render.splits", {"train": 0}),
    ("protocols.paper.aspp_branches", 3),
    ("protocols.paper.normalisation", "both"),
    ("experiments.table2.published", 1),
]


@pytest.mark.parametrize(("path", "value"), WRONG_TYPES, ids=[f"{path}={value!r}" for path, value in WRONG_TYPES])
def test_a_wrong_type_or_range_is_refused_with_its_path(path, value):
    assert f"params.yaml: {path}" in refusal(put(shipped(), path, value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "path", ["methods.minent.lambda_target", "presets.paper.adapt.learning_rate", "presets.streets.run.save_seconds"]
)
def test_numbers_are_finite(path, value):
    assert f"params.yaml: {path}" in refusal(put(shipped(), path, value))


def test_numbers_in_a_file_are_finite(tmp_path):
    for text in (".nan", ".inf", "-.inf", "1e999"):
        path = written(tmp_path, put(shipped(), "methods.minent.lambda_target", "MARKER"), text)
        with pytest.raises(UserError, match=rf"{path}: methods\.minent\.lambda_target"):
            load_parameters(path)


COMBINATIONS = [
    ("preset", "huge", "preset: 'huge' is not defined; known are camvid, digits, paper, streets"),
    ("protocol", "sketch", "protocol: 'sketch' is not defined; known are released, paper, submission"),
    ("seeds", [], "seeds"),
    ("seeds", [1, 2, 1], "seeds: [1, 2, 1] names a seed twice"),
    ("experiments.table2.rows", [], "experiments.table2.rows"),
    ("experiments.table2.rows", ["minent", "minents"], "experiments.table2.rows[1]: 'minents' is not defined"),
    ("experiments.table2.rows", ["minent", "minent"], "experiments.table2.rows: a row stands there twice"),
    ("experiments.table2_protocols", {"rows": ["minent"]}, "experiments.table2_protocols: this ending is taken"),
    ("experiments.table2_ranking", {"rows": ["minent"]}, "experiments.table2_ranking: this ending is taken"),
    ("experiments.table2_measures", {"rows": ["minent"]}, "experiments.table2_measures: this ending is taken"),
    ("experiments.table2_statistics", {"rows": ["minent"]}, "experiments.table2_statistics: this ending is taken"),
    ("presets.streets.evaluation.flip", "often", "presets.streets.evaluation.flip"),
    ("presets.streets.evaluation.label_free_images", 0, "presets.streets.evaluation.label_free_images"),
    ("methods.source", {"title": "x", "target_loss": None}, "methods.source: this name is taken"),
    ("methods.source_only", {"title": "x", "target_loss": None}, "methods.source_only: this name is taken"),
    ("methods.minent.lambda_target", -0.1, "methods.minent.lambda_target"),
    ("methods.source_continued.lambda_target", 0.1, "methods.source_continued.lambda_target: has no effect"),
    ("methods.source_continued.image_weight", {"alpha": 0.2}, "methods.source_continued.image_weight: has no effect"),
    ("methods.source_continued.guidance", {}, "methods.source_continued.guidance: has no effect"),
    ("methods.maxsquare_iw_multi.lambda_target", 0, "methods.maxsquare_iw_multi.guidance: is scaled by lambda_target"),
    ("presets.paper.pretrain.target", "target_train", "presets.paper.pretrain.target: "),
    ("presets.paper.adapt.target", None, "presets.paper.adapt.target: is missing"),
    ("presets.paper.adapt.target", "nowhere", "presets.paper.adapt.target: 'nowhere' is not defined"),
    ("presets.paper.adapt.source", "target_train", "presets.paper.adapt.source: cache 'target_train' has no labels"),
    ("presets.paper.refine.horizon", 29749, "presets.paper.refine.horizon: must be at least steps (29750)"),
    ("presets.paper.caches.target_train.native_labels", True, "caches.target_train.native_labels: needs labels"),
    ("presets.paper.caches.source_train.dataset", "gta6", "caches.source_train.dataset: 'gta6' is not defined"),
    ("presets.streets.caches.target_val.split", "tset", "caches.target_val.split: 'tset' is not defined"),
    ("presets.streets.datasets.game.root", "somewhere", "datasets.game: needs either root"),
    ("presets.streets.datasets.game.render", None, "datasets.game: needs either root"),
    ("presets.paper.evaluate_on", "target_train", "presets.paper.evaluate_on: cache 'target_train' needs labels"),
    ("presets.paper.evaluate_refined_on", "source_train", "presets.paper.evaluate_refined_on: cache 'source_train'"),
    ("presets.paper.evaluate_on", "nowhere", "presets.paper.evaluate_on: 'nowhere' is not defined"),
]


@pytest.mark.parametrize(("path", "value", "expected"), COMBINATIONS, ids=[each[2][:50] for each in COMBINATIONS])
def test_a_combination_without_sense_is_refused_and_named(path, value, expected):
    assert expected in refusal(put(shipped(), path, value))


@pytest.mark.parametrize("key", ["preset", "seeds", "methods", "experiments", "protocols", "presets"])
def test_a_missing_key_is_refused_with_its_name(key):
    content = shipped()
    del content[key]
    assert refusal(content) == f"params.yaml: {key}: is missing; add it"


def test_every_offending_key_is_listed_at_once():
    content = put(put(shipped(), "methods.minent.lamda", 1), "presets.paper.adapt.steps", "many")
    assert len(refusal(content).splitlines()) == 2


def test_a_preset_is_a_file_and_what_is_wrong_in_it_is_said_of_it(tmp_path):
    path = written(tmp_path, put(shipped(), "presets.paper.adapt.steps", "MARKER"), "many")
    (tmp_path / "presets/.paper.yaml").write_text("left by an editor\n")
    (tmp_path / "presets/notes.txt").write_text("no preset\n")
    with pytest.raises(UserError) as caught:
        load_parameters(path)
    assert str(caught.value).startswith(f"{tmp_path}/presets/paper.yaml: adapt.steps: Input should be a valid integer")
    for text in ("a: [1\n", "- a\n", "a: 1\na: 2\n", "\n"):
        (tmp_path / "presets/paper.yaml").write_text(text)
        with pytest.raises(UserError, match=rf"^{tmp_path}/presets/paper\.yaml: "):
            load_parameters(path)
    (tmp_path / "presets/paper.yaml").rename(tmp_path / "presets/Paper 2.yaml")
    (tmp_path / "presets/Paper 2.yaml").write_text((REPOSITORY / "presets/paper.yaml").read_text())
    with pytest.raises(UserError, match=r"Paper 2"):
        load_parameters(path)


def test_presets_stand_where_dvc_looks_for_them(tmp_path):
    path = written(tmp_path, shipped(), "")
    path.write_text(path.read_text() + "presets: {streets: {seeds: 1}}\n")
    with pytest.raises(UserError, match=r"params\.yaml: presets: .*move presets\.NAME to .*/presets/NAME\.yaml"):
        load_parameters(path)
    path.write_text(SHIPPED.read_text())
    assert read_parameters(path) == read_parameters(SHIPPED)
    for preset in (tmp_path / "presets").iterdir():
        preset.unlink()
    with pytest.raises(UserError, match=r"presets: holds no preset"):
        load_parameters(path)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("presets.paper.adapt.steps: is wrong", "a/presets/paper.yaml: adapt.steps: is wrong"),
        ("presets.paper: is wrong; see methods.x", "a/presets/paper.yaml: is wrong; see methods.x"),
        ("presets.a.b: c.d: e", "a/presets/a.yaml: b: c.d: e"),
        ("presets: is missing", "a/params.yaml: presets: is missing"),
        ("methods.presets.a.b: no", "a/params.yaml: methods.presets.a.b: no"),
        ("preset: 'x' is not defined", "a/params.yaml: preset: 'x' is not defined"),
    ],
)
def test_a_key_is_told_with_the_file_that_it_stands_in(key, place):
    assert in_file(key, "a/params.yaml") == place


def test_duplicate_keys_are_refused_wherever_they_stand(tmp_path):
    text = SHIPPED.read_text()
    for line in ("preset: paper\n", "methods: {}\n"):
        assert "stands twice" in file_refusal(tmp_path, text + line)
    nested = text.replace("{title: MinEnt,", "{title: MinEnt, title: MaxEnt,")
    assert nested != text and "'title' stands twice" in file_refusal(tmp_path, nested)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "- preset\n",
        "preset\n",
        "42\n",
        "preset: a\n---\npreset: b\n",
        "a: [1\n",
        "a:\n\t- b\n",
        "? [a]\n: b\n",
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, text):
    assert "\n" not in file_refusal(tmp_path, text)


def test_a_missing_or_unreadable_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.yaml"):
        load_parameters(tmp_path / "nowhere.yaml")
    with pytest.raises(UserError, match="cannot read"):
        load_parameters(tmp_path)
    binary = tmp_path / "params.yaml"
    binary.write_bytes(b"preset: \xff\xfe\n")
    with pytest.raises(UserError, match=r"params\.yaml"):
        load_parameters(binary)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['touch {0}']", "!!python/object/apply:pathlib.Path.touch ['{0}']",
            "!!python/name:os.system", "!!python/module:os"],
)  # fmt: skip
def test_python_tags_are_refused_and_not_run(tmp_path, tag):
    trap = tmp_path / "trap"
    assert "python/" in file_refusal(tmp_path, f"preset: {tag.format(trap)}\n")
    assert not trap.exists()


def test_aliases_of_aliases_are_counted_before_they_are_written_out(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"aliases .* stand for 1e\+10 values"):
        load_parameters(path)
