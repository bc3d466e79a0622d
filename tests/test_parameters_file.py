"""The files of parameters, and the schema: read alike by every engine, one a preset, refused where they are neither."""

import json
import random

import jsonschema
import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_parameters import CONTENT, SHIPPED, put, shipped
from tiny import REPOSITORY, tiny_parameters, write_parameters

from segadapt.core.errors import UserError
from segadapt.core.parameters import in_file, load_parameters, parameters_from, read_parameters
from segadapt.core.parameters.loader import json_schema, read_mapping

SCHEMA = REPOSITORY / "workflow" / "schemas" / "params.schema.json"
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))


def read_by(read) -> dict:
    """The shipped files as another reader of YAML has them, put together."""
    return read(SHIPPED) | {"presets": {path.stem: read(path) for path in PRESETS}}


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


def test_three_readers_of_the_shipped_files_give_the_same_values():
    ours = load_parameters(SHIPPED)
    assert parameters_from(read_by(lambda path: load_yaml(str(path))), "dvc") == ours  # YAML 1.2
    assert parameters_from(read_by(lambda path: yaml.safe_load(path.read_text())), "snakemake") == ours  # YAML 1.1


def test_the_file_that_a_user_opens_first_fits_two_screens():
    assert len(SHIPPED.read_text().splitlines()) <= 150
    assert [path.stem for path in PRESETS] == ["camvid", "digits", "elsewhere", "paper", "streets"]


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


def test_numbers_in_a_file_are_finite(tmp_path):
    for text in (".nan", ".inf", "-.inf", "1e999"):
        path = written(tmp_path, put(shipped(), "methods.minent.lambda_target", "MARKER"), text)
        with pytest.raises(UserError, match=rf"{path}: methods\.minent\.lambda_target"):
            load_parameters(path)


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


# --- the schema -----------------------------------------------------------------------------------


def test_the_schema_that_is_shipped_is_the_models_own():
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema()))


def test_the_shipped_file_satisfies_its_schema_and_a_typo_does_not():
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(validator.schema)
    validator.validate(shipped())
    validator.validate(load_parameters(SHIPPED).model_dump(mode="json"))
    assert list(validator.iter_errors(put(shipped(), "methods.minent.lamda", 1)))
    assert list(validator.iter_errors(put(shipped(), "presets.paper.adapt.steps", "many")))


def test_values_never_change_after_reading():
    parameters = load_parameters(SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        parameters.methods["minent"].lambda_target = 1.0


def test_the_toy_parameters_of_the_tests_are_valid():
    assert parameters_from(tiny_parameters(), "tiny").active_preset.adapt.steps == 6
