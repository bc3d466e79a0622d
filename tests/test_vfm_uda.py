"""VFM-UDA on the one trainer: against plain PyTorch and torchvision, resumed, and the numbers of its authors."""

import copy
import itertools

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from test_trainer import FLOAT32, caches, config_of, entry, equal, weights  # noqa: F401

from segadapt.core.parameters import parameters_from
from segadapt.core.parameters.learning import AdamW as AdamWSettings
from segadapt.core.parameters.learning import Linear
from segadapt.core.parameters.training import Schedule
from segadapt.core.seeding import generator
from segadapt.core.torchvision import torchvision
from segadapt.data.batches.augment import Augmentation, augment
from segadapt.data.batches.colour_jitter import Jitter, colour_jitter
from segadapt.data.batches.loader import BatchSource, within_margins
from segadapt.data.batches.strong_augmentation import StrongAugmentation, gaussian_blur
from segadapt.methods.composition import build_method
from segadapt.methods.mixing.blocks import draw_blocks
from segadapt.methods.mixing.class_mix import draw_scores
from segadapt.methods.mixing.teacher import Teacher
from segadapt.methods.vfm_uda import WEAK, Options
from segadapt.models import Architecture, BatchNormPolicy, build, initialise, load_tensors, to_input
from segadapt.models.compute import set_up_compute
from segadapt.models.networks.vit import BACKBONES, Backbone
from segadapt.plan import make_plan
from segadapt.plan.estimate import passes
from segadapt.training.optimiser import OPTIMISERS, parameter_groups
from segadapt.training.schedule import learning_rate, scaled_rate
from segadapt.training.snapshots import Snapshots
from segadapt.training.state import StateStore
from segadapt.training.trainer import Loop, Trainer

functional = torchvision.transforms.v2.functional
SIZE, SEED, STEPS, RATE = (32, 64), 7, 4, 1e-3
MARGINS = (0.1, 0.25, 0.05, 0.2)
OPTIONS = {"alpha": 0.6, "threshold": 0.07}
CHANGES = ("brightness", "contrast", "saturation", "hue")


# --- colours --------------------------------------------------------------------------------------


def torchvisions(image_3HW: torch.Tensor, jitter: Jitter | None) -> torch.Tensor:
    for name in jitter.order if jitter else ():
        image_3HW = getattr(functional, f"adjust_{name}")(image_3HW, getattr(jitter, name))
    return image_3HW


@pytest.mark.parametrize("strength", [WEAK, (0.2,) * 4, (0.5,) * 4])
def test_the_other_jitter_is_torchvisions(strength):
    """In every order, on noise and on greys and primary colours, whose hue is at an edge."""
    noise = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(1))
    corners = torch.tensor(list(itertools.product((0.0, 0.5, 1.0), repeat=3))).T.reshape(3, 9, 3)
    random = np.random.default_rng(2)
    for order in itertools.permutations(CHANGES):
        brightness, contrast, saturation, hue = (np.array(strength) * random.uniform(-1, 1, 4)).tolist()
        jitter = Jitter(order, 1 + brightness, 1 + contrast, 1 + saturation, hue)
        for image in (noise, corners):
            kept = image.clone()
            found = colour_jitter(image, jitter, "torchvision")
            torch.testing.assert_close(found, torchvisions(image, jitter), rtol=1e-4, atol=2e-5)
            assert torch.equal(image, kept) and found.min() >= 0 and found.max() <= 1
            assert not torch.allclose(found, colour_jitter(image, jitter), atol=1e-3), "the other formulas"


def test_chances_are_of_an_image_and_draws_of_the_key_alone():
    how = StrongAugmentation(WEAK, 0.5, 0.25, "torchvision", by_image=True)
    drawn = [how.draw(4, SEED, "weak", step) for step in range(300)]
    assert drawn == [how.draw(4, SEED, "weak", step) for step in range(300)]
    there = np.array([[[part is not None for part in each] for each in batch] for batch in drawn])
    np.testing.assert_allclose(there.mean((0, 1)), (0.5, 0.25), atol=0.05)
    assert (there[:, :, 0].min(1) < there[:, :, 0].max(1)).mean() > 0.7, "images of a batch differ"
    jitters = [jitter for batch in drawn for jitter, _ in batch if jitter]
    for index, name in enumerate(CHANGES):
        values = np.array([getattr(each, name) for each in jitters]) - (name != "hue")
        assert values.min() >= -WEAK[index] and values.max() <= WEAK[index]
        assert values.max() - values.min() > 1.8 * WEAK[index]


# --- a run ----------------------------------------------------------------------------------------


@pytest.fixture
def vit(monkeypatch):
    monkeypatch.setitem(BACKBONES, "tiny_vit", Backbone(16, 2, 2, patch=8, grid=3, enlarged=None, window=None))
    return initialise(build(Architecture("tiny_vit", 19, input="imagenet")), 3, "kaiming")


def trainer_of(caches, folder, model, steps: int = STEPS, **loop) -> Trainer:  # noqa: F811
    method = build_method(config_of(entry("vfm_uda", lambda_target=0.7, options=OPTIONS)), model)
    groups = parameter_groups(model, 10.0)
    sources = {
        name: BatchSource(
            cache, name, 5, 2, Augmentation(0.5, 0.0), with_labels=name == "source",
            margins=MARGINS if name == "target" else None,
        )
        for name, cache in caches.items()
    }  # fmt: skip
    settings = dict(
        steps=steps, horizon=200, learning_rate=RATE, annealing=Linear(warm_up=2), log_steps=1, save_steps=100,
        save_seconds=1e9, loader_threads=0,
    ) | loop  # fmt: skip
    return Trainer(
        model, method, OPTIMISERS["adamw"](groups, AdamWSettings(), "none"), Loop(**settings), sources["source"],
        sources["target"], BatchNormPolicy(), "imagenet", set_up_compute(FLOAT32, 1), StateStore(folder),
        Snapshots(folder, {}),
    )  # fmt: skip


def changed(image_BHWC: torch.Tensor, how: StrongAugmentation, *key) -> torch.Tensor:
    """By torchvision, image by image; floats from 0 to 255."""
    images = []
    for image_HWC, (jitter, sigma) in zip(image_BHWC, how.draw(len(image_BHWC), *key), strict=True):
        image = torchvisions(image_HWC.permute(2, 0, 1).float() / 255, jitter)
        images.append(image if sigma is None else gaussian_blur(image, sigma))
    return torch.stack(images).permute(0, 2, 3, 1) * 255


def plainly(trainer: Trainer):
    options = Options(**OPTIONS)
    strong = StrongAugmentation(options.jitter, options.jitter_chance, options.blur_chance, by_image=True)
    weak = StrongAugmentation(WEAK, options.weak_chance, 0.0, by_image=True)
    model, teacher = copy.deepcopy(trainer.model), copy.deepcopy(trainer.model)
    heads = [each for name, each in model.named_parameters() if name.startswith(("upscale.", "out."))]
    others = [each for name, each in model.named_parameters() if name.startswith("encoder.")]
    optimiser = torch.optim.AdamW([{"params": others}, {"params": heads}], weight_decay=0.01, foreach=False)
    rows = []

    def logits(network, image_BHWC, **more):
        return network(to_input(image_BHWC, "imagenet").contiguous(), **more)[0]

    for step in range(STEPS):
        source, target = trainer.source.batch(step), trainer.target.batch(step)
        with torch.no_grad():
            straight = logits(teacher, target.image_BHWC).softmax(1)
            mirrored = logits(teacher, target.image_BHWC.flip(2)).softmax(1).flip(3)
            surest, guess = ((straight + mirrored) / 2).max(1)
        share = (surest >= options.threshold).double().mean().item()
        of_target = torch.full((2, *SIZE), share).masked_fill(target.label_BHW == 255, 0)
        image = changed(target.image_BHWC, weak, SEED, "weak target", step)
        label, weight = guess.to(torch.uint8), of_target.clone()
        for index, scores in enumerate(draw_scores(2, SEED, step)):
            classes = sorted(source.label_BHW.unique().tolist(), key=lambda train_id: scores[train_id])
            pasted = torch.isin(source.label_BHW[index], torch.tensor(classes[: (len(classes) + 1) // 2]))
            image[index][pasted] = source.image_BHWC[index][pasted].float()
            label[index][pasted] = source.label_BHW[index][pasted]
            weight[index][pasted] = 1
        seen = logits(model, changed(source.image_BHWC, weak, SEED, "weak source", step))
        parts = {"source": F.cross_entropy(seen, source.label_BHW.long(), ignore_index=255)}
        seen = logits(model, changed(image, strong, SEED, "mixed", step))
        each = F.cross_entropy(seen, label.long(), ignore_index=255, reduction="none")
        parts["mixed"] = 0.7 * (each * weight).mean()
        hidden = torch.from_numpy(draw_blocks(2, (4, 8), 1, options.token_ratio, SEED, "tokens", step)) == 0
        seen = logits(model, changed(target.image_BHWC, strong, SEED, "masked", step), hidden_Bhw=hidden)
        parts["masked"] = (F.cross_entropy(seen, guess, reduction="none") * of_target).mean()
        sum(parts.values()).backward()
        rate = RATE * (1e-3 + (1 - 1e-3) * step / 2 if step < 2 else (200 - step) / 198)
        for group, factor in zip(optimiser.param_groups, (1, 10), strict=True):
            group["lr"] = rate * factor
        optimiser.step()
        optimiser.zero_grad()
        kept = min(1 - 1 / (step + 2), options.alpha)
        for mine, its in zip(teacher.parameters(), model.parameters(), strict=True):
            mine.data = kept * mine.data + (1 - kept) * its.data
        rows.append({name: each.item() for name, each in parts.items()} | {"sure_share": share})
    return model, teacher, rows


def test_a_run_equals_plain_pytorch(caches, tmp_path, vit):  # noqa: F811
    trainer = trainer_of(caches, tmp_path, vit)
    model, teacher, rows = plainly(trainer)
    history = trainer.run("test")
    names = [column.removeprefix("loss_") for column in history.columns[2:]]
    assert names == ["source", "target", "mixed", "masked", "sure_share"]
    for got, wanted in zip(history.rows, rows, strict=True):
        found = dict(zip(names, got[2:], strict=True))
        assert found.pop("target") is None and found == pytest.approx(wanted, rel=2e-3, abs=1e-6)
    assert any(0 < row["sure_share"] < 1 for row in rows)
    for ours, naive in ((trainer.model, model), (trainer.method.teacher.network, teacher)):
        for name, tensor in ours.state_dict().items():
            torch.testing.assert_close(tensor, naive.state_dict()[name], rtol=4e-3, atol=4e-4, msg=name)
    assert trainer.model.encoder.mask_token.any(), "it learns, from zeros"


@pytest.mark.parametrize("saved", [1, 3])
def test_a_run_that_goes_on_from_a_state_ends_as_the_whole_one(caches, tmp_path, vit, saved):  # noqa: F811
    whole = trainer_of(caches, tmp_path / "whole", copy.deepcopy(vit), steps=saved + 2, save_steps=1)
    rows = whole.run("whole").rows
    state = tmp_path / "whole" / f"state-{saved:09d}.safetensors"
    assert any(name.startswith("method.teacher.") for name in load_tensors(state)[0])
    (tmp_path / "resumed").mkdir()
    (tmp_path / "resumed" / state.name).write_bytes(state.read_bytes())
    resumed = trainer_of(caches, tmp_path / "resumed", copy.deepcopy(vit), steps=saved + 2, save_steps=1)
    assert resumed.run("resumed").rows == rows
    assert equal(weights(resumed), weights(whole))
    assert equal(resumed.method.state_dict(), whole.method.state_dict())


@pytest.mark.parametrize("of_buffers", [False, True])
def test_a_teacher_may_average_buffers(of_buffers):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    teacher = Teacher(model, 0.9, BatchNormPolicy(), of_buffers)
    model[1].running_mean.fill_(2.0), model[1].num_batches_tracked.fill_(8)
    teacher.follow(model, 1)
    assert (teacher.network[1].running_mean == (1.0 if of_buffers else 0.0)).all()
    assert teacher.network[1].num_batches_tracked == 0


# --- margins, rates, plans ------------------------------------------------------------------------


def test_margins_are_shares_of_the_image_rounded_down():
    label = within_margins((1024, 2048), (0.03, 0.25, 0.03, 0.03))
    assert (label == 0).sum() == (1024 - 30 - 256) * (2048 - 61 - 61)
    assert label[29].min() == 255 and label[30, 61] == 0 and label[30, 60] == 255
    assert label[767, 1986] == 0 and label[768].min() == 255 and label[767, 1987] == 255
    assert not within_margins((5, 7), (0, 0, 0, 0)).any()


def test_margins_move_with_the_image(caches):  # noqa: F811
    how = Augmentation(0.5, 0.0, crop=(24, 16))
    source = BatchSource(caches["target"], "target", 5, 2, how, with_labels=False, margins=MARGINS)
    places = np.arange(32 * 64, dtype=np.uint16).reshape(32, 64)
    bytes_HWC = np.stack([places >> 8, places & 255, places * 0], axis=2).astype(np.uint8)
    whole, seen = within_margins((32, 64), MARGINS), set()
    for position in range(12):
        batch = source.batch(position // 2)
        moved, _ = augment(bytes_HWC, None, generator(5, "target", "augment", position), how)
        rows, columns = np.divmod(moved[..., 0].astype(int) * 256 + moved[..., 1], 64)
        np.testing.assert_array_equal(batch.label_BHW[position % 2].numpy(), whole[rows, columns])
        seen.add(rows.tobytes() + columns.tobytes())
    assert len(seen) > 6 and batch.label_BHW.dtype == torch.uint8


def test_the_rate_grows_with_the_root_of_the_batch():
    """The authors': 5e-5 √8 = 1.414e-4 for the head, a tenth for the encoder, warmed up from a thousandth."""
    how = Schedule(steps=40000, horizon=40000, batch_size=8, learning_rate=5e-6, rate_of_image=True)
    assert scaled_rate(how) * how.head_factor == pytest.approx(1.4142e-4, rel=1e-4)
    assert scaled_rate(Schedule(steps=1, horizon=1, batch_size=8, learning_rate=5e-6)) == 5e-6
    annealing = Linear(warm_up=1500)
    for step, factor in ((0, 1e-3), (750, 0.5005), (1500, 1.0), (20750, 0.5), (40000, 0.0)):
        assert learning_rate(step, scaled_rate(how), 40000, annealing) == pytest.approx(factor * 1.4142136e-5, rel=1e-6)


def test_a_plan_counts_both_looks_of_the_teacher():
    parameters = tiny.tiny_parameters(("source_only", "vfm_uda"))
    parameters["presets"]["tiny"]["model"]["backbone"] = "streets_vit"
    plan = make_plan(parameters_from(parameters, "params.yaml"))
    job = plan.by_name["adapt/vfm_uda/seed1"]
    found, steps = passes.passes(job, plan), job.config["training"]["steps"]
    assert sum(found.values()) == 5 * steps
    assert sum(times for each, times in found.items() if not each.learns) == 2 * steps


def test_the_row_of_the_paper_has_the_authors_numbers():
    """tue-mps/vfm-uda at 598fdbc: ``uda_vit_vanilla.yaml`` and the defaults of what it names."""
    plan = make_plan(parameters_from(tiny.shipped() | {"preset": "paper", "seeds": [1]}, "params.yaml"))
    job, source = plan.by_name["joint/vit/vfm_uda/seed1"], plan.by_name["pretrain/vit/source/seed1"]
    assert {each.role for each in job.inputs} == {"initial_weights", "source", "target"}
    sizes = {role: plan.by_output[job.input(role)].config["size"] for role in ("source", "target")}
    assert sizes == {"source": "2620x1440", "target": "2048x1024"}
    training = job.config["training"]
    assert training["optimiser"] == {
        "name": "adamw",
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 0.01,
    }
    assert training["annealing"] == {"name": "linear", "warm_up": 1500, "warm_up_ratio": 1e-3}
    numbers = {key: training[key] for key in ("steps", "horizon", "batch_size", "crop", "mirror", "crop_largest_share")}
    assert list(numbers.values()) == [40000, 40000, 8, "1024x1024", 0.5, 0.75]
    assert scaled_rate(Schedule(**training)) * training["head_factor"] == pytest.approx(5e-5 * 8**0.5)
    assert training["target_margins"] == {"top": 0.03, "bottom": 0.25, "left": 0.03, "right": 0.03}
    # 3,000 pixels of 1914x1052, counted at 2620x1440.
    assert training["rare_classes"]["image_pixels"] == pytest.approx(3000 * (1440 / 1052) ** 2, rel=1e-3)
    assert (training["rare_classes"]["temperature"], training["rare_classes"]["crop_pixels"]) == (0.05, 6000)
    options = job.config["method"]["options"]
    wanted = {"alpha": 0.999, "threshold": 0.968, "jitter": 0.2, "jitter_chance": 0.8, "blur_chance": 0.5}
    wanted |= {"weak_chance": 0.9, "token_ratio": 0.7, "mask_weight": 1.0, "teacher_follows": "after"}
    wanted |= {"classes_of": "batch", "share_of": "batch", "source_denominator": "valid"}
    assert wanted.items() <= options.items() and job.config["method"]["lambda_target"] == 1
    same = {key for key in training if training[key] == source.config["training"][key]}
    assert set(training) - same == {"target_margins"}
