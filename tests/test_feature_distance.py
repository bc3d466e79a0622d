"""DAFormer's feature distance, its cells and its refusals; and DAFormer as entries of the methods that stand."""

from dataclasses import replace

import pytest
import tiny
import torch
from test_trainer import caches, config_of, entry, make_trainer  # noqa: F401

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.core.parameters.learning import Poly
from segadapt.labels import CITYSCAPES19, THINGS
from segadapt.methods import Prediction
from segadapt.methods.composition import build_method
from segadapt.methods.mixing.feature_distance import FeatureDistance, distance, thing_cells
from segadapt.models import Architecture, build, initialise, load_tensors, to_input
from segadapt.plan import make_plan
from segadapt.plan.estimate.passes import passes
from segadapt.training.dropout import has_dropout
from segadapt.training.optimiser import AdamW, parameter_groups
from segadapt.training.trainer import Trainer

TRAIN_IDS = [6, 7, *range(11, 19)]
"""DAFormer's: from traffic light to bicycle, without vegetation, terrain and sky."""


def test_things_are_daformers():
    assert [index for index, name in enumerate(CITYSCAPES19.classes) if name in THINGS] == TRAIN_IDS


def cells_one_by_one(label, grid, share, things=TRAIN_IDS):
    """Per cell: a histogram of all its labels, its most frequent one, whether that is a thing and has the share."""
    high, wide = (have // cells for have, cells in zip(label.shape[1:], grid, strict=True))
    found = torch.zeros(len(label), *grid, dtype=torch.bool)
    for index, row, column in torch.cartesian_prod(*map(torch.arange, found.shape)).tolist():
        cell = label[index, row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        counts = torch.bincount(cell.flatten().long(), minlength=256)
        most = int(counts.argmax())
        found[index, row, column] = most in things and counts[most] >= share * cell.numel()
    return found


@pytest.mark.parametrize("share", [0.51, 0.75, 1.0])
@pytest.mark.parametrize(("size", "grid"), [((8, 12), (2, 3)), ((4, 4), (4, 4)), ((12, 6), (3, 1))])
def test_cells_are_those_of_a_histogram_each(size, grid, share):
    generator = torch.Generator().manual_seed(sum(size))
    high, wide = (have // cells for have, cells in zip(size, grid, strict=True))
    ids = torch.tensor([13, 13, 0, 255, 11])[torch.randint(5, (60, *grid), generator=generator)]
    label = ids.repeat_interleave(high, 1).repeat_interleave(wide, 2)
    swapped = torch.rand(label.shape, generator=generator) < torch.rand(60, 1, 1, generator=generator) * 0.6
    label = torch.where(swapped, torch.tensor(13), label).to(torch.uint8)
    wanted = cells_one_by_one(label, grid, share)
    assert torch.equal(thing_cells(label, grid, TRAIN_IDS, share), wanted) and 0 < wanted.float().mean() < 1


def test_a_share_that_is_reached_exactly_counts_and_ignored_pixels_count_against():
    label = torch.full((1, 2, 4), 255, dtype=torch.uint8)
    label[0, :, :2], label[0, 0, 0] = 13, 0
    label[0, :, 2:] = 13
    label[0, 0, 2:] = 255
    assert thing_cells(label, (1, 2), TRAIN_IDS, 0.75).tolist() == [[[True, False]]]


def test_labels_that_do_not_fall_into_cells_are_refused():
    with pytest.raises(UserError, match="labels of 10x8 do not fall into 3x2 cells of features"):
        thing_cells(torch.zeros(1, 8, 10, dtype=torch.uint8), (2, 3), TRAIN_IDS, 0.75)


def test_the_distance_by_hand():
    features = torch.zeros(1, 2, 1, 3, dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([[[[3.0, 100.0, 1.0]], [[4.0, 100.0, 0.0]]]], dtype=torch.float64)
    found = distance(features, reference, torch.tensor([[[True, False, True]]]))
    found.backward()
    assert found.item() == (5 + 1) / 2
    wanted = torch.tensor([[[[-0.3, 0.0, -0.5]], [[-0.4, 0.0, 0.0]]]], dtype=torch.float64)
    torch.testing.assert_close(features.grad, wanted)


@pytest.mark.parametrize("cells", [torch.zeros(1, 2, 2, dtype=torch.bool), torch.ones(1, 2, 2, dtype=torch.bool)])
def test_no_cell_or_no_difference_is_zero_and_no_gradient(cells):
    features = torch.randn(1, 3, 2, 2, requires_grad=True)
    reference = features.detach().clone() if cells.any() else torch.randn(1, 3, 2, 2)
    found = distance(features, reference, cells)
    found.backward()
    assert found.item() == 0 and torch.equal(features.grad, torch.zeros_like(features))


# --- in training ------------------------------------------------------------------------------------

LARGE = [0, 2, 10]
"""Road, building and sky, which alone fill large parts of cells in the toy's small pictures."""
OPTIONS = {
    "alpha": 0.999, "teacher_follows": "before", "classes_of": "batch", "source_denominator": "all", "jitter": 0.2,
    "blur_chance": 0.0, "threshold": 0.08, "feature_weight": 0.5, "thing_share": 0.51,
}  # fmt: skip


def thin(seed: int):
    return initialise(
        build(Architecture("mit_streets", 19, input="imagenet", class_set="cityscapes19")), seed, "kaiming"
    )


def trainer_of(caches, folder, loss="dacs", options=OPTIONS, **loop) -> Trainer:  # noqa: F811
    trainer = make_trainer(caches, folder, entry(), **{"log_steps": 1, **loop})
    model = thin(3)
    config = config_of(entry(loss, lambda_target=1.0, options=options))
    method = build_method(config, model, lambda: thin(4).requires_grad_(False).eval())
    method.distance.things, method.distance.share = LARGE, 0.4
    return replace(
        trainer, model=model, method=method, optimiser=AdamW(parameter_groups(model)), input_convention="imagenet",
        loop=replace(trainer.loop, learning_rate=1e-3, annealing=Poly(power=1, warm_up=2)),
    )  # fmt: skip


@pytest.mark.parametrize("loss", ["dacs", "mic"])
def test_a_killed_run_goes_on_and_its_reference_is_not_saved(caches, tmp_path, loss):  # noqa: F811
    options = OPTIONS | ({"mask_block": 8} if loss == "mic" else {})
    whole = trainer_of(caches, tmp_path / "whole", loss, options)
    assert has_dropout(whole.model)
    history = whole.run("whole")
    column = history.columns.index("loss_features")
    assert any(row[column] > 0 for row in history.rows)
    state = tmp_path / "whole" / "state-000000002.safetensors"
    (tmp_path / "resumed").mkdir()
    (tmp_path / "resumed" / state.name).write_bytes(state.read_bytes())
    resumed = trainer_of(caches, tmp_path / "resumed", loss, options)
    torch.manual_seed(5)
    assert resumed.run("resumed").rows == history.rows
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    saved = load_tensors(state)[0]
    prefixes = {".".join(name.split(".")[:3]) for name in saved if name.startswith("method.")}
    assert prefixes == {"method.teacher.network"}


def test_its_gradient_is_that_of_its_formula(caches, tmp_path):  # noqa: F811
    trainer = trainer_of(caches, tmp_path)
    model, reference = trainer.model.eval(), thin(4).eval()
    batch = trainer.source.batch(0)
    kept = FeatureDistance(reference, 0.5, 0.4)
    assert kept.things == TRAIN_IDS
    kept.things = LARGE

    class Step:
        source = batch

        @staticmethod
        def predict(network, image_BHWC):
            return Prediction(*network(to_input(image_BHWC, "imagenet")))

    found = kept.added_to(trainer.method.labelled("source", batch), Step)
    found.losses(Step.predict(model, batch.image_BHWC))["features"].backward()
    ours = model.backbone.norm4.weight.grad.clone()
    model.zero_grad()
    image = to_input(batch.image_BHWC, "imagenet")
    mine, its = model.backbone(image)[-1], reference.backbone(image)[-1].detach()
    cells, total = cells_one_by_one(batch.label_BHW, its.shape[2:], 0.4, LARGE), 0
    assert cells.any()
    for index, row, column in cells.nonzero().tolist():
        gap = mine[index, :, row, column] - its[index, :, row, column]
        total = total + (gap * gap).sum().sqrt()
    (0.5 * total / cells.sum()).backward()
    torch.testing.assert_close(ours, model.backbone.norm4.weight.grad, rtol=1e-4, atol=1e-6)


# --- the plan ---------------------------------------------------------------------------------------


def plan_with(options=None, edit=None, **changes):
    parameters = tiny.tiny_parameters(("source_only", "dacs"))
    preset = parameters["presets"]["tiny"]
    preset["methods"] = {}
    preset["model"] |= {"backbone": "mit_streets", "initial_weights": "weights.safetensors"}
    options = {"feature_weight": 0.005} | (options or {})
    parameters["methods"]["dacs"] = {
        "title": "DAFormer", "target_loss": "dacs", "lambda_target": 1, "options": options,
    } | changes  # fmt: skip
    if edit:
        edit(parameters, preset)
    return make_plan(parameters_from(parameters, "params.yaml"))


@pytest.mark.parametrize("start", ["source", "initial"])
def test_the_job_reads_the_initial_weights_once_and_passes_through_the_encoder_once_more(start):
    plan = plan_with(start=start)
    (job,) = [each for each in plan.jobs if each.name.endswith("dacs/seed1") and each.stage in ("adapt", "joint")]
    assert [each.path for each in job.read("initial_weights")] == ["weights.safetensors"]
    assert bool(job.read("model")) == (start == "source")
    steps = job.config["training"]["steps"]
    assert sum(passes(job, plan).values()) == 4 * steps
    without = plan_with({"feature_weight": 0.0}, start=start)
    (same,) = [each for each in without.jobs if each.name == job.name]
    assert sum(passes(same, without).values()) == 3 * steps
    assert bool(same.read("initial_weights")) == (start == "initial")


def no_weights(parameters, preset):
    preset["model"]["initial_weights"] = None


def another_network(parameters, preset):
    preset["model"]["backbone"] = "streets"


def no_things(parameters, preset):
    ids = {"road": [7], "building": [11], "sky": [23]}
    parameters["class_sets"] = {
        "stuff": {"classes": ids, "ignored_ids": [each for each in range(35) if each not in (7, 11, 23)]}
    }
    preset["model"]["classes"] = "stuff"


REFUSED = {
    "no weights": ({"edit": no_weights}, "against those of model.initial_weights, which is null; set it to 0"),
    "no features": ({"edit": another_network}, "options.feature_weight: streets gives no features of its last stage"),
    "no things": ({"edit": no_things}, "options.feature_weight: none of stuff is a thing"),
    "a side": (
        {"training": {"crop": "48x32"}},
        "training.crop: sides of 48x32 are no multiples of 32, the cells of mit",
    ),
    "below 0": ({"options": {"feature_weight": -1}}, "options.feature_weight: Input should be greater than or equal"),
    "half": ({"options": {"thing_share": 0.5}}, "options.thing_share: Input should be greater than 0.5"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_features_to_compare_is_refused_before_any_job(changes, words):
    with pytest.raises(UserError, match=words) as caught:
        plan_with(**changes)
    assert "\n" not in str(caught.value)
