"""Parameters: what they say, and what is refused and how."""

import copy
import math

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from tiny import REPOSITORY

from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.core.parameters.learning import RepeatedSgd

SHIPPED = REPOSITORY / "params.yaml"
FREE_KEYS = {"methods", "experiments", "protocols", "presets", "settings", "datasets", "caches", "splits", "options",
             "domains"}  # fmt: skip
"""Sections whose keys are names that users give."""
CONTENT = tiny.shipped()


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


def test_the_shipped_file_says_the_papers_numbers():
    parameters = load_parameters(SHIPPED)
    paper = parameters.presets["paper"]
    assert parameters.methods["maxsquare"].lambda_target == 0.1
    assert parameters.methods["maxsquare_iw_multi"].guidance.threshold == 0.95
    assert (paper.adapt.learning_rate, paper.adapt.optimiser) == (2.5e-4, RepeatedSgd(momentum=0.9, weight_decay=5e-4))
    assert (paper.caches["source_train"].size, paper.caches["target_val"].size) == ("1280x720", "1024x512")
    assert parameters.active_preset is parameters.presets[parameters.preset]
    assert parameters.active_protocol is parameters.protocols[parameters.protocol]


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


def test_a_misspelt_key_within_a_methods_schedule_is_refused_in_presets_that_are_not_active_too():
    message = refusal(put(shipped(), "presets.camvid.methods.mic_dacs.training.annealing.warmup", 3))
    assert "presets.camvid.methods.mic_dacs.training: annealing.warmup: unknown key" in message and "warm_up" in message


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
    ("presets.paper.adapt.optimiser", "rmsprop"),
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


COMBINATIONS = [
    ("preset", "huge", "preset: 'huge' is not defined; known are camvid, digits, elsewhere, paper, streets"),
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
