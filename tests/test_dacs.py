"""DACS in both recipes, MIC and their controls on the one trainer: against plain PyTorch, killed, and refused."""

import copy
import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from test_trainer import caches, config_of, entry, equal, make_trainer, weights  # noqa: F401

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.strong_augmentation import StrongAugmentation, strongly_augmented
from segadapt.methods.composition import build_method
from segadapt.methods.mixing.blocks import draw_blocks
from segadapt.methods.mixing.class_mix import draw_scores
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, load_tensors, to_input
from segadapt.plan import make_plan
from segadapt.plan.estimate import passes
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.schedule import poly_learning_rate
from segadapt.training.trainer import Trainer

SIZE, SEED, STEPS = (32, 64), 7, 4
ORIGINAL = {"alpha": 0.6, "threshold": 0.08}
DAFORMER = ORIGINAL | {
    "teacher_follows": "before", "classes_of": "batch", "share_of": "image", "source_denominator": "all", "jitter": 0.2,
    "margin_top": 3, "margin_bottom": 5,
}  # fmt: skip
MASKS = {"mask_block": 8, "mask_ratio": 0.5, "mask_weight": 0.5}
CASES = {
    "dacs": ("dacs", ORIGINAL),
    "dacs, the other recipe": ("dacs", DAFORMER),
    "mic": ("mic", DAFORMER | MASKS),
    "mixed": ("mixed", {"classes_of": "batch"}),
    "source": ("source_augmented", {"source_denominator": "all"}),
}


def trainer_of(caches, folder: Path, loss: str, options: dict, **loop) -> Trainer:  # noqa: F811
    method = entry(loss, lambda_target=0.7, options=options)
    trainer = make_trainer(caches, folder, method, **{"log_steps": 1, "learning_rate": 1e-3, **loop})
    return trainer if loss != "source_augmented" else replace(trainer, target=None)


def logits_of(network, image_BHWC):
    low = network(to_input(image_BHWC, "caffe").contiguous())[0]
    return F.interpolate(low, SIZE, mode="bilinear", align_corners=True)


def plainly(
    trainer: Trainer, loss: str, given: dict
) -> tuple[torch.nn.Module, torch.nn.Module, list[dict[str, float]]]:
    """What the paper's pseudo-code says, image by image and class by class: network, teacher, losses of each step."""
    options = importlib.import_module(f"segadapt.methods.{loss}").Options(**given).model_dump()
    model, teacher = copy.deepcopy(trainer.model), copy.deepcopy(trainer.model)
    optimiser = RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "torch10")
    for network in (model, teacher):
        apply_batchnorm_policy(network, BatchNormPolicy(), training=True)
    strong = StrongAugmentation(options["jitter"], options["jitter_chance"], options["blur_chance"])
    rows = []

    def follow(step):
        kept = min(1 - 1 / (step + 1), options["alpha"])
        for mine, its in zip(teacher.parameters(), model.parameters(), strict=True):
            mine.data = kept * mine.data + (1 - kept) * its.data

    for step in range(STEPS):
        source, row = trainer.source.batch(step), {}
        label, image, weight = source.label_BHW.clone(), source.image_BHWC.clone(), torch.ones(2, *SIZE)
        if loss != "source_augmented":
            target = trainer.target.batch(step)
            guess, of_target = torch.full((2, *SIZE), 255), torch.zeros(2, *SIZE)
            if loss != "mixed":
                if options["teacher_follows"] == "before":
                    follow(step)
                with torch.no_grad():
                    surest, guess = logits_of(teacher, target.image_BHWC).softmax(1).max(1)
                shares = [(each >= options["threshold"]).double().mean().item() for each in surest]
                row["sure_share"] = np.mean(shares)
                for index, share in enumerate(shares):
                    of_target[index] = share if options["share_of"] == "image" else np.mean(shares)
                of_target[:, : options["margin_top"]] = 0
                of_target[:, SIZE[0] - options["margin_bottom"] :] = 0
            for index, scores in enumerate(draw_scores(2, SEED, step)):
                of = source.label_BHW if options["classes_of"] == "batch" else source.label_BHW[index]
                classes = sorted(of.unique().tolist(), key=lambda train_id: scores[train_id])
                left = ~torch.isin(source.label_BHW[index], torch.tensor(classes[: (len(classes) + 1) // 2]))
                image[index][left] = target.image_BHWC[index][left]
                label[index][left] = guess[index][left].to(torch.uint8)
                weight[index][left] = of_target[index][left]
        each = F.cross_entropy(
            logits_of(model, source.image_BHWC), source.label_BHW.long(), ignore_index=255, reduction="none"
        )
        valid = (source.label_BHW != 255).sum()
        parts = {"source": each.sum() / (valid if options["source_denominator"] == "valid" else each.numel())}
        parts["source"].backward()
        image = strongly_augmented(image, strong.draw(2, SEED, "mixed", step))
        each = F.cross_entropy(logits_of(model, image), label.long(), ignore_index=255, reduction="none")
        parts["mixed"] = 0.7 * (each * weight).sum() / each.numel()
        parts["mixed"].backward()
        if loss == "mic":
            image = strongly_augmented(target.image_BHWC, strong.draw(2, SEED, "masked", step))
            kept = draw_blocks(2, SIZE, options["mask_block"], options["mask_ratio"], SEED, "masked", step)
            kept = torch.from_numpy(kept).repeat_interleave(8, 1).repeat_interleave(8, 2)
            seen = to_input(image, "caffe").contiguous() * kept[:, None]
            low = F.interpolate(model(seen)[0], SIZE, mode="bilinear", align_corners=True)
            each = F.cross_entropy(low, guess, reduction="none")
            parts["masked"] = options["mask_weight"] * (each * of_target).sum() / each.numel()
            parts["masked"].backward()
        optimiser.step(poly_learning_rate(step, 1e-3, STEPS))
        optimiser.zero_grad()
        if "alpha" in options and options["teacher_follows"] == "after":
            follow(step)
        rows.append(row | {name: each.item() for name, each in parts.items()})
    return model, teacher, rows


@pytest.mark.parametrize(("loss", "options"), CASES.values(), ids=CASES)
def test_a_run_equals_plain_pytorch(caches, tmp_path, loss, options):  # noqa: F811
    trainer = trainer_of(caches, tmp_path, loss, options)
    model, teacher, rows = plainly(trainer, loss, options)
    history = trainer.run("test")
    names = [column.removeprefix("loss_") for column in history.columns[2:]]
    masked = ["masked"] if loss == "mic" else []
    assert names == ["source", "target", "mixed", *masked, *(["sure_share"] if loss in ("dacs", "mic") else [])]
    for got, wanted in zip(history.rows, rows, strict=True):
        found = dict(zip(names, got[2:], strict=True))
        assert found.pop("target") is None and found == pytest.approx(wanted, rel=2e-3)
    assert "sure_share" not in names or any(0 < row["sure_share"] < 1 for row in rows)
    pairs = [(trainer.model, model)]
    if "sure_share" in names:
        pairs.append((trainer.method.teacher.network, teacher))
    for ours, naive in pairs:
        for name, tensor in ours.state_dict().items():
            torch.testing.assert_close(tensor, naive.state_dict()[name], rtol=4e-3, atol=4e-4, msg=name)


@pytest.mark.parametrize("follows", ["before", "after"])
@pytest.mark.parametrize("saved", [1, 150])
def test_a_run_that_goes_on_from_a_state_ends_as_the_whole_one(caches, tmp_path, follows, saved):  # noqa: F811
    """With few pixels: it is the numbers of the steps that matter."""
    options = ORIGINAL | {"teacher_follows": follows, "alpha": 0.99} | MASKS
    steps, rows = saved + 2, []
    small = Augmentation(0.5, 0.5, crop=(16, 16))

    def made(folder):
        trainer = trainer_of(caches, folder, "mic", options, steps=steps, save_steps=1, horizon=200)
        smaller = {name: replace(getattr(trainer, name), augmentation=small) for name in ("source", "target")}
        return replace(trainer, **smaller)

    whole = made(tmp_path / "whole")
    rows = whole.run("whole").rows
    state = tmp_path / "whole" / f"state-{saved:09d}.safetensors"
    teacher = {name: each for name, each in load_tensors(state)[0].items() if name.startswith("method.teacher.")}
    assert len(teacher) == len(whole.model.state_dict())
    (tmp_path / "resumed").mkdir()
    (tmp_path / "resumed" / state.name).write_bytes(state.read_bytes())
    resumed = made(tmp_path / "resumed")
    assert resumed.run("resumed").rows == rows and len(rows) == steps
    assert equal(weights(resumed), weights(whole))
    assert equal(resumed.method.state_dict(), whole.method.state_dict())


def test_a_teacher_follows_a_network_whose_batch_norm_is_frozen_likewise(caches):  # noqa: F811
    config = config_of(entry("dacs", options=ORIGINAL))
    config["model"] = {"batch_norm": {"batch_statistics": False, "update_running": False}}
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    assert not build_method(config, model).teacher.network[0].training
    del config["model"]
    assert build_method(config, model).teacher.network[0].training


# --- what is refused before anything is trained ----------------------------------------------------


def plan_with(rows=("source_only", "dacs"), edit=None, **changes):
    parameters = tiny.tiny_parameters(rows)
    parameters["presets"]["tiny"]["methods"] = {}
    parameters["methods"]["dacs"] = {"title": "DACS", "target_loss": "dacs", "lambda_target": 1} | changes
    if edit:
        edit(parameters)
    return make_plan(parameters_from(parameters, "params.yaml"))


def other_sizes(parameters):
    parameters["presets"]["tiny"]["caches"]["source_train"]["size"] = "64x36"


def other_classes(parameters):
    parameters["presets"]["tiny"]["caches"]["source_train"]["classes"] = "nthu13"


REFUSED = {
    "alpha of 1": ({"options": {"alpha": 1}}, "methods.dacs.options.alpha: Input should be less than 1"),
    "alpha below 0": ({"options": {"alpha": -0.1}}, "options.alpha: Input should be greater than or equal"),
    "threshold of 0": ({"options": {"threshold": 0}}, "methods.dacs.options.threshold: Input should be greater than 0"),
    "threshold of 1": ({"options": {"threshold": 1}}, "methods.dacs.options.threshold: Input should be less than 1"),
    "a slip": ({"options": {"treshold": 0.9}}, "options.treshold: unknown key.*of dacs: jitter, .*margin_bottom"),
    "a word": ({"options": {"classes_of": "step"}}, "methods.dacs.options.classes_of: "),
    "a margin below 0": ({"options": {"margin_top": -1}}, "methods.dacs.options.margin_top: "),
    "margins": (
        {"options": {"margin_top": 20, "margin_bottom": 12}}, "margin_top and margin_bottom take 32 rows of 32 and",
    ),
    "strong colours": ({"options": {"jitter": 0.6}}, "methods.dacs.options.jitter: "),
    "two sizes": (
        {"edit": other_sizes}, "methods.dacs.training.crop: is missing, and images of 64x36 and 64x32 cannot be mixed",
    ),
    "a crop that is too large": (
        {"training": {"crop": "64x33"}}, "methods.dacs.training.crop: 64x33 does not fit into images of 64x32",
    ),
    "two class sets": ({"edit": other_classes}, "cache 'source_train' are nthu13 and the model's classes"),
    "a block": (
        {"target_loss": "mic", "options": {"mask_block": 33}}, "mask_block: 33 does not fit into images of 64x32",
    ),
    "no block": ({"target_loss": "mic", "options": {"mask_block": 0}}, "methods.dacs.options.mask_block: "),
    "everything masked": ({"target_loss": "mic", "options": {"mask_ratio": 1}}, "methods.dacs.options.mask_ratio: "),
    "guidance": ({"guidance": {}}, "methods.dacs.guidance: has no effect on dacs; drop this key"),
    "discriminators": ({"adversarial": {"name": "advent"}}, "methods.dacs.adversarial: has no effect on dacs"),
    "rounds": ({"self_training": {}}, "methods.dacs.self_training: has no effect on dacs"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_is_refused_before_any_job(changes, words):
    with pytest.raises(UserError, match=words) as caught:
        plan_with(**changes)
    assert "\n" not in str(caught.value)


def test_a_crop_makes_two_sizes_one_and_margins_count_in_it():
    def crop(parameters):
        other_sizes(parameters)
        parameters["presets"]["tiny"]["adapt"]["crop"] = "48x32"

    plan_with(edit=crop)
    with pytest.raises(UserError, match="margin_top and margin_bottom take 25 rows of 24"):
        plan_with(edit=crop, training={"crop": "48x24"}, options={"margin_top": 25})


def test_no_classifier_mixes_pixels():
    import toy_classification

    parameters = toy_classification.parameters()
    parameters["methods"]["dacs"] = {"title": "DACS", "target_loss": "dacs", "lambda_target": 1}
    parameters["experiments"]["table1"]["rows"] = ["source_only", "dacs"]
    with pytest.raises(UserError, match=r"methods\.dacs: mixes pixels, and a classifier's image is of one class"):
        make_plan(parameters_from(parameters, "params.yaml"))


def test_no_classifier_counts_pixels():
    import toy_classification

    parameters = toy_classification.parameters()
    parameters["presets"]["tiny"]["classification"]["training"]["rare_classes"] = {}
    with pytest.raises(UserError, match=r"classification\.training\.rare_classes: counts pixels, of which a class"):
        parameters_from(parameters, "params.yaml")


def test_a_job_reads_and_passes_what_its_method_needs():
    losses = {"source_augmented": 2, "mixed": 2, "dacs": 3, "mic": 4}
    for loss, count in losses.items():
        plan = plan_with(target_loss=loss)
        job = plan.by_name["adapt/dacs/seed1"]
        assert bool(job.read("target")) == (loss != "source_augmented")
        found = passes.passes(job, plan)
        assert sum(found.values()) == 6 * count
        assert sum(times for each, times in found.items() if not each.learns) == (6 if count > 2 else 0)
