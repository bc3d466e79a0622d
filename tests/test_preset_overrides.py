"""What a preset sets otherwise in methods and experiments: only while it is active, and nothing unseen."""

import copy

import pytest
from dvc.utils.serialize import load_yaml
from tiny import REPOSITORY

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from

CONTENT = dict(load_yaml(str(REPOSITORY / "params.yaml")))


def content_with(preset: str, **parts) -> dict:
    """The shipped parameters with parts of a preset replaced, of its experiments those that are named."""
    content = copy.deepcopy(CONTENT)
    if "experiments" in parts:
        parts["experiments"] = content["presets"][preset].get("experiments", {}) | parts["experiments"]
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
    content["preset"] = "paper"
    content["presets"]["paper"]["methods"] = {}
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
    assert (game.lambda_final, game.game, game.lambda_low) == (0.5, "advent", 0.0002)


def test_a_preset_may_leave_a_table_out():
    content = content_with("streets", experiments={"table5": None})
    assert "table5" not in parameters_from(content, "params.yaml").tables
    content["preset"] = "paper"
    assert "table5" in parameters_from(content, "params.yaml").tables
    with pytest.raises(UserError, match=r"presets\.streets\.experiments: 'table9'"):
        parameters_from(content_with("streets", experiments={"table9": None}), "params.yaml")
