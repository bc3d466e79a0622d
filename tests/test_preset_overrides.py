"""What a preset sets otherwise in methods and experiments: only while it is active, and nothing unseen."""

import copy

import pytest
from tiny import shipped

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from

CONTENT = shipped()


def content_with(preset: str, **parts) -> dict:
    """The shipped parameters with parts of a preset replaced."""
    content = copy.deepcopy(CONTENT)
    content["presets"][preset] |= parts
    return content


def test_an_override_counts_while_its_preset_is_active():
    content = content_with("streets", methods={"maxsquare": {"lambda_target": 0.7}})
    active = parameters_from(content, "params.yaml")
    plain = parameters_from(content_with("streets", methods={}), "params.yaml")
    assert active.methods["maxsquare"].lambda_target == 0.7
    assert active.methods["maxsquare"].title == plain.methods["maxsquare"].title
    assert {key: each for key, each in active.methods.items() if key != "maxsquare"} == {
        key: each for key, each in plain.methods.items() if key != "maxsquare"
    }
    content["preset"] = "elsewhere"
    assert parameters_from(content, "params.yaml").methods == plain.methods


def test_a_preset_may_have_its_own_rows():
    content = content_with("streets", experiments={"table2": {"rows": ["source_only", "oracle"]}})
    parameters = parameters_from(content, "params.yaml")
    assert parameters.experiments["table2"].rows == ("source_only", "oracle")
    assert parameters.experiments["table2"].published == 2


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"methods": {"maxsquares": {"lambda_target": 1}}}, "presets.streets.methods: 'maxsquares'"),
        ({"experiments": {"table9": {"rows": ["source_only"]}}}, "presets.streets.experiments: 'table9'"),
        ({"methods": {"maxsquare": {"lambda": 1}}}, "methods.maxsquare.lambda"),
        ({"methods": {"maxsquare": {"lambda_target": -1}}}, "methods.maxsquare.lambda_target"),
        ({"methods": {"maxsquare": 3}}, "presets.streets.methods.maxsquare"),
        ({"methods": ["maxsquare"]}, "presets.streets.methods"),
    ],
)
def test_a_senseless_override_is_refused_with_its_path(parts, expected):
    with pytest.raises(UserError, match=expected.replace(".", r"\.")):
        parameters_from(content_with("streets", **parts), "params.yaml")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"methods": {"maxsquare": {"lambda": 1}}}, r"presets\.paper\.methods\.maxsquare\.lambda"),
        ({"experiments": {"table2": {"row": []}}}, r"presets\.paper\.experiments\.table2\.row"),
    ],
)
def test_a_preset_that_is_not_active_is_checked_too(change, expected):
    with pytest.raises(UserError, match=expected):
        parameters_from(content_with("paper", **change), "params.yaml")


def test_an_override_of_a_section_leaves_its_other_keys():
    section = {"lambda_final": 0.5}
    active = parameters_from(content_with("streets", methods={"advent": {"adversarial": section}}), "params.yaml")
    game = active.methods["advent"].adversarial
    assert (game.lambda_final, game.name, game.lambda_low) == (0.5, "advent", 0.0002)


def test_a_preset_makes_the_tables_that_it_names_in_the_file_s_order():
    listed = ["table5_lambda", "table4", "table1", "table2"]
    found = parameters_from(content_with("streets", tables=listed), "params.yaml")
    assert list(found.tables) == ["table2", "table4", "table5_lambda"] and list(found.classification_tables) == [
        "table1"
    ]
    every = parameters_from(content_with("streets", tables=None), "params.yaml")
    assert {*every.tables, *every.classification_tables} == set(CONTENT["experiments"])
    content = content_with("streets")
    content["experiments"]["mine"] = {"rows": ["maxsquare"]}
    assert "mine" in parameters_from(content, "params.yaml").tables, "no preset names it"
    content["presets"]["paper"]["tables"].append("mine")
    assert "mine" not in parameters_from(content, "params.yaml").tables
    for preset in ("streets", "paper"):
        with pytest.raises(UserError, match=rf"presets\.{preset}\.tables\[1\]: 'table9' is not defined"):
            parameters_from(content_with(preset, tables=["table2", "table9"]), "params.yaml")


def test_settings_of_every_preset_stand_beside_its_own_which_win():
    content = content_with("camvid", settings={"no_half": {"title": "own"}, "more": {}})
    content["preset"] = "camvid"
    found = parameters_from(content, "params.yaml")
    assert [*found.resolved] == [None, "no_half", "more", *(name for name in CONTENT["settings"] if name != "no_half")]
    assert (found.resolved["no_half"].title, found.resolved["no_half"].switches) == ("own", {})
    assert found.resolved["four_branches"].protocol.aspp_branches == 4
    assert (found.place_of("no_half"), found.place_of("bf16")) == ("presets.camvid.settings.no_half", "settings.bf16")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"protocol": {"half": True}}, "settings.no_half.protocol.half: unknown key"),
        ({"protocol": {"evaluation_size": "native"}}, "settings.no_half.protocol.evaluation_size: holds for a whole"),
        ({"adapt": {"steps": 0}}, "settings.no_half.adapt.steps"),
        ({"model": {"classes": "none19"}}, "settings.no_half.model.classes: class set 'none19' is not defined"),
        ({"models": {}}, "settings.no_half.models: unknown key"),
    ],
)
def test_a_senseless_setting_of_every_preset_is_refused_once_with_its_path(setting, expected):
    content = content_with("streets")
    content["settings"]["no_half"] = setting
    with pytest.raises(UserError) as caught:
        parameters_from(content, "params.yaml")
    assert str(caught.value).startswith(f"params.yaml: {expected}") and "\n" not in str(caught.value)


def test_figure_5_is_trained_as_the_tables_but_for_the_keys_that_it_has():
    content = content_with("streets")
    training = content["presets"]["streets"]["classification"]["training"]
    figure = content["presets"]["streets"]["classification"]["easy_and_hard"]
    training |= {"learning_rate": 0.5, "batch_size": 7}
    for own in ({"steps": 90, "horizon": 95, "batch_size": 3}, {"snapshots": 1}, {}):
        figure["training"] = own
        found = parameters_from(content, "params.yaml").active_preset.classification
        assert found.easy_and_hard.training == found.training.model_copy(update=own)
    figure.pop("training")
    assert parameters_from(content, "params.yaml") == parameters_from(content_with_training(content, {}), "params.yaml")
    figure["training"] = {"step": 3}
    with pytest.raises(UserError, match=r"^p: presets\.streets\.classification\.easy_and_hard\.training\.step: unkno"):
        parameters_from(content, "p")


def content_with_training(content: dict, training: dict) -> dict:
    """A copy whose Figure 5 has these keys of its training."""
    content = copy.deepcopy(content)
    content["presets"]["streets"]["classification"]["easy_and_hard"]["training"] = training
    return content
