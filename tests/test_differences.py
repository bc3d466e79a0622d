"""What differs from protocol, method, preset and defaults is said, and nothing else."""

import copy
import shlex
from pathlib import Path

import pytest
import tiny
from scored import MADE

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.plan import make_plan
from segadapt.reporting.lineage.differences import differences
from segadapt.reporting.lineage.explain import Explanation
from segadapt.reporting.lineage.text import as_text

SHIPPED = tiny.shipped()


@pytest.fixture
def parameters(tmp_path) -> Path:
    """The shipped ``params.yaml``, which a run is compared with."""
    tiny.write_parameters(tmp_path, SHIPPED)
    return tmp_path / "params.yaml"


def record_of(job) -> dict:
    """As much of a provenance record as an explanation reads."""
    outputs = {role: {"path": path, "sha256": "output"} for role, path in job.outputs.items()}
    return {
        "identity": job.identity(),
        "fingerprint": job.name,
        "outputs": outputs,
        "input_sha256": {each.path: "input" for each in job.inputs},
        **{"commit": "c0ffee", "machine": "a machine", "seconds": 1.0},
    }


def explanation(
    method: str, edit=lambda content: None, key: str | None = None, setting: str | None = None
) -> Explanation:
    """As of a finished run with the edited parameters: a table with one row, its jobs recorded as planned.

    ``key`` and ``setting`` are said of the row in the place of its own.
    """
    content = copy.deepcopy(SHIPPED) | {"seeds": [7], "experiments": {"table2": {"rows": [method], "published": 2}}}
    content["presets"] = {name: content["presets"][name] for name in ("streets", "paper")}
    for preset in content["presets"].values():
        preset |= {"experiments": {}, "tables": None, "report": []}
    edit(content)
    plan = make_plan(parameters_from(content, "edited"))
    records = [record_of(job) for job in plan.jobs]
    by_name = {record["fingerprint"]: record for record in records}
    jobs = [record for record in records if record["identity"]["stage"] in MADE]
    jobs = [record for record in jobs if not record["fingerprint"].startswith("figure")]
    name = "source" if method == "source_only" else method
    end = f"evaluate/{name}/seed7"
    (row,) = by_name["table/table2"]["identity"]["config"]["rows"]
    row |= {"key": key or method, "setting": setting}
    return Explanation(by_name["table/table2"], key or method, method, "mIoU", [0.5], jobs, (end,))


def test_what_is_as_written_has_no_lines_but_the_presets_numbers(parameters):
    lines = differences(explanation("maxsquare_iw_multi"), parameters)
    assert [line for line in lines if not line.startswith(("training.", "model."))] == []
    assert "training.learning_rate: 0.01, not 0.00025 (default)" in lines
    # Numbers that have no default, and those that are the default.
    assert not [line for line in lines if line.startswith(("training.steps", "training.optimiser", "model.backbone"))]


@pytest.mark.parametrize("switch", list(SHIPPED["protocols"]["released"]))
def test_every_switch_that_is_not_the_bundles_is_named(parameters, switch):
    other = SHIPPED["protocols"]["paper"][switch]
    here = SHIPPED["protocols"]["released"][switch]
    if switch == "max_squares_half":
        other = not here
    edit = lambda content: content["protocols"]["released"].update({switch: other})  # noqa: E731
    # Of the discriminators' optimiser only a method that has them knows.
    method = "adaptsegnet" if switch == "adam_epsilon" else "maxsquare_iw_multi"
    lines = differences(explanation(method, edit), parameters)
    assert [line for line in lines if line.startswith("protocol.")] == [
        f"protocol.{switch}: {other}, not {here} (protocols.released)"
    ]


def test_a_lambda_by_the_presets_rule_is_as_written_and_both_are_shown(parameters):
    found = explanation("maxsquare")
    assert not [line for line in differences(found, parameters) if "lambda" in line]
    shown = as_text(found, parameters)
    (job,) = found.trainings
    weight = job["identity"]["config"]["method"]["lambda_target"]
    for line in (f"method.lambda_target: {weight}", "lambda_rule.of: paper", "lambda_rule.lambda_target: 0.1"):
        assert f"  {line}\n" in shown
    edit = lambda content: content["methods"]["maxsquare"].update(lambda_target=0.7)  # noqa: E731
    assert "method.lambda_target: 0.7, not 0.1 (methods.maxsquare)" in differences(
        explanation("maxsquare", edit), parameters
    )


def test_branches_and_keys_of_a_methods_own_are_named(parameters):
    def edit(content):
        content["presets"]["streets"]["methods"]["maxsquare"] = {"aspp_branches": 4, "training": {"blur": 0.25}}

    lines = differences(explanation("maxsquare", edit), parameters)
    assert "protocol.aspp_branches: 4, not 2 (protocols.released)" in lines
    assert "training.blur: 0.25, not 0.5 (default)" in lines


@pytest.mark.parametrize(
    ("key", "setting"),
    [("maxsquare_iw", None), ("rome/maxsquare_iw", "rome"), ("maxsquare_iw-lambda_target-0.5", None)],
)
def test_a_method_that_its_preset_setting_or_sweep_changed(parameters, key, setting):
    edit = lambda content: content["presets"]["streets"].update(  # noqa: E731
        methods={"maxsquare_iw": {"lambda_target": 0.5, "image_weight": {"alpha": -0.2}}}
    )
    found = explanation("maxsquare_iw", edit, key, setting)
    assert [line for line in differences(found, parameters) if line.startswith("method.")] == [
        "method.lambda_target: 0.5, not 0.1 (methods.maxsquare_iw)",
        "method.image_weight.alpha: -0.2, not 0.2 (methods.maxsquare_iw)",
    ]


def test_a_part_that_the_entry_does_not_have(parameters):
    edit = lambda content: content["methods"]["maxsquare"].update(image_weight={"alpha": 0.2})  # noqa: E731
    lines = differences(explanation("maxsquare", edit), parameters)
    assert "method.image_weight.alpha: 0.2, not set in methods.maxsquare" in lines
    back = differences(
        explanation("maxsquare_iw", lambda content: content["methods"]["maxsquare_iw"].pop("image_weight")), parameters
    )
    assert "method.image_weight: None, not {'alpha': 0.2} (methods.maxsquare_iw)" in back


def test_a_row_in_a_setting_is_compared_with_its_preset(parameters):
    steps = tiny.shipped()["presets"]["streets"]["adapt"]["steps"]
    edit = lambda content: content["presets"]["streets"]["adapt"].update(steps=steps - 1)  # noqa: E731
    found = explanation("maxsquare", edit, "rome/maxsquare", "rome")
    assert [line for line in differences(found, parameters) if line.startswith("training.")] == [
        f"training.steps: {steps - 1}, not {steps} (presets.streets.adapt)"
    ]


def test_an_entry_that_is_gone_and_a_file_that_is_gone(parameters, tmp_path):
    found = explanation("maxsquare")
    content = {each: value for each, value in SHIPPED.items() if each not in ("methods", "protocols")}
    tiny.write_parameters(parameters.parent, content)
    assert not [line for line in differences(found, parameters) if line.startswith(("method.", "protocol."))]
    with pytest.raises(UserError, match="cannot read"):
        differences(found, tmp_path / "none.yaml")
    assert "not compared: cannot read" in as_text(found, tmp_path / "none.yaml")


def test_the_text_names_what_differs_and_a_command_that_a_shell_takes_apart_rightly(parameters):
    shown = as_text(explanation("source_only"), parameters)
    assert "(default)" in shown and "method." not in shown
    words = shlex.split(shown.splitlines()[-1])
    # Targets stand before --config, which takes all that follows.
    assert words[:4] == ["snakemake", "--cores", "2", "work/streets/metrics/source/seed7/metrics.json"]
    assert words[4:] == ["--config", "preset=streets", "protocol=released", "seeds=[7]"]
