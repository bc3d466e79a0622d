"""HRDA: its fusion, losses and windows against naive ones in float64; the originals' counts; killed and refused."""

from dataclasses import replace

import pytest
import tiny
import torch
import torch.nn.functional as F
from test_mit import (
    TINY,
    conv_norm_relu,
    drawn,
    naive_embedded,
    naive_encoder,
    naive_head,
    numbers,
    part,
    picture,
    resized,
)
from test_trainer import config_of, entry, make_trainer, packed

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.core.parameters.learning import Poly
from segadapt.core.workload import NetworkPass
from segadapt.data.batches.batch import Batch
from segadapt.methods import Method, Prediction, Settings
from segadapt.methods.composition import build_method
from segadapt.models import Architecture, build, initialise, save_model
from segadapt.models.compute import set_up_compute
from segadapt.models.counting import pass_work
from segadapt.models.exporting import export_backbone
from segadapt.models.loading import heads_predictor, initial_architecture, load_backbone, network
from segadapt.models.networks import hrda, outline
from segadapt.models.networks.hrda import Hrda
from segadapt.models.sliding import slide
from segadapt.plan import make_plan
from segadapt.plan.requirements import check_requirements
from segadapt.plan.status import Status
from segadapt.training.dropout import drawing, has_dropout
from segadapt.training.optimiser import AdamW, parameter_groups

DETAIL = (32, 48)
CPU = torch.device("cpu")


def model_of(seed: int = 3) -> Hrda:
    """A tiny one whose every tensor counts, in float64; nothing in it draws but the box."""
    return drawn(Hrda(TINY, 5, DETAIL), seed)


def naive_context(model, image):
    """Logits and attention of an image at half its size."""
    half = resized(image, (image.shape[2] // 2, image.shape[3] // 2))
    maps = naive_encoder(part(model, "backbone"), half, TINY.depths)
    state = part(model, "decode_head.scale_attention")
    fused = conv_norm_relu(naive_embedded(state, maps), state, "fuse_layer")
    attention = F.conv2d(fused, state["conv_seg.weight"], state["conv_seg.bias"])
    return naive_head(part(model, "decode_head.head"), maps), 1 / (1 + (-attention).exp()), maps[-1]


def naive_detail(model, image):
    return naive_head(part(model, "decode_head.head"), naive_encoder(part(model, "backbone"), image, TINY.depths))


def naive_windows(side, window, stride):
    return sorted({min(start, side - window) for start in range(0, side - window + stride, stride)})


def naive_nested(model, image):
    """Details one by one, a sum and a count; then the fusion."""
    size = (image.shape[2] // 4, image.shape[3] // 4)
    logits, attention, _ = naive_context(model, image)
    total, count = torch.zeros(len(image), 5, *size, dtype=image.dtype), torch.zeros(size, dtype=image.dtype)
    high, wide = DETAIL
    for top in naive_windows(image.shape[2], high, high // 2):
        for left in naive_windows(image.shape[3], wide, wide // 2):
            inside = slice(top // 4, (top + high) // 4), slice(left // 4, (left + wide) // 4)
            total[:, :, *inside] += naive_detail(model, image[:, :, top : top + high, left : left + wide])
            count[inside] += 1
    fused = resized(attention, size) * total / count + resized((1 - attention) * logits, size)
    return resized(fused, image.shape[2:])


# --- forward passes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", range(3))
def test_a_pass_of_training_equals_the_naive_one(key):
    model, image = model_of(), picture(64, 96)
    with drawing(CPU, 7, "source", key):
        logits, low, features, detail, box = model(image)
    (rows, columns) = box
    assert (rows.stop - rows.start, columns.stop - columns.start) == DETAIL and low is None
    context, attention, wanted_features = naive_context(model, image)
    inside = torch.zeros_like(attention)
    inside[:, :, rows.start // 8 : rows.stop // 8, columns.start // 8 : columns.stop // 8] = 1
    attention = attention * inside
    seen = naive_detail(model, image[:, :, rows, columns])
    placed = torch.zeros(2, 5, 16, 24, dtype=torch.float64)
    placed[:, :, rows.start // 4 : rows.stop // 4, columns.start // 4 : columns.stop // 4] = seen
    fused = resized(attention, (16, 24)) * placed + resized((1 - attention) * context, (16, 24))
    torch.testing.assert_close(logits, resized(fused, (64, 96)), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(detail, resized(seen, DETAIL), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(features, wanted_features, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(model.features(image), features)


def test_boxes_are_those_of_the_key_and_never_at_the_far_edges():
    model, image = model_of(), picture(64, 96).float()
    model.float()
    model._context = lambda image: (torch.zeros(1, 5, 8, 12), torch.zeros(1, 5, 8, 12), None)
    model._detailed = lambda image: torch.zeros(1, 5, 8, 12)

    def box(*key):
        with drawing(CPU, *key):
            return tuple(side.start for side in model(image)[4])

    found = [box(7, name, step) for name in ("source", "mixed") for step in range(100)]
    assert found == [box(7, name, step) for name in ("source", "mixed") for step in range(100)]
    tops, lefts = map(set, zip(*found, strict=True))
    assert (tops, lefts) == ({0, 8, 16, 24}, {0, 8, 16, 24, 32, 40}), (
        "32 from the top and 48 from the left are never drawn"
    )
    assert len({box(seed, name, step) for seed in (1, 2) for name in ("a", "b") for step in (0, 1)}) > 2


def test_without_attention_the_whole_is_the_context_and_with_it_alone_the_detail():
    model, image = model_of(), picture(64, 96)
    bias = model.decode_head.scale_attention.conv_seg
    with torch.no_grad():
        bias.weight.zero_()
        bias.bias.fill_(-1e4)
        context, _, _ = naive_context(model, image)
        wanted = resized(resized(context, (16, 24)), (64, 96))
        torch.testing.assert_close(model.whole(image)[0], wanted)
        with drawing(CPU, 1):
            torch.testing.assert_close(model(image)[0], wanted)
        bias.bias.fill_(1e4)
        detail = slide(image, DETAIL, (16, 24), lambda window: naive_detail(model, window), 4)
        torch.testing.assert_close(model.whole(image)[0], resized(detail, (64, 96)), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("size", [(64, 96), (64, 80), (64, 64)])
def test_a_window_is_the_mean_of_its_details_fused(size):
    model, image = model_of(), picture(*size)
    torch.testing.assert_close(model.whole(image)[0], naive_nested(model, image), rtol=1e-8, atol=1e-8)


def test_a_large_image_is_the_mean_of_its_windows():
    model, image = model_of(), picture(80, 144)
    total, count = torch.zeros(2, 5, 80, 144, dtype=torch.float64), torch.zeros(80, 144, dtype=torch.float64)
    for top in naive_windows(80, 64, 32):
        for left in naive_windows(144, 96, 48):
            total[:, :, top : top + 64, left : left + 96] += naive_nested(
                model, image[:, :, top : top + 64, left : left + 96]
            )
            count[top : top + 64, left : left + 96] += 1
    torch.testing.assert_close(model.whole(image)[0], total / count, rtol=1e-8, atol=1e-8)


def test_scoring_and_teachers_see_the_whole():
    model = build(Architecture("hrda_mit_streets", 5, input="imagenet"))
    compute = set_up_compute({"bf16": False, "tf32": False, "channels_last": False}, 1)
    image = torch.randint(256, (128, 256, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    final, low = heads_predictor(model, compute)(image)
    assert low is None and final.shape == (1, 5, 128, 256)
    assert torch.equal(final, heads_predictor(model, compute)(image)[0]), "nothing is drawn"


@pytest.mark.parametrize("size", [(64, 100), (16, 96), (64, 32)])
def test_images_that_do_not_go_through_are_refused(size):
    for seen in (model_of(), model_of().whole):
        with pytest.raises(UserError, match="sides are multiples of 16 and no smaller than a detail's 48x32"):
            seen(picture(*size))


# --- losses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("denominator", ["all", "valid"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_detail_takes_a_share_of_the_loss(denominator, weighted):
    generator = torch.Generator().manual_seed(2)
    final = torch.randn(2, 5, 16, 24, generator=generator, dtype=torch.float64)
    detail = torch.randn(2, 5, 8, 8, generator=generator, dtype=torch.float64)
    label = torch.randint(5, (2, 16, 24), generator=generator).to(torch.uint8)
    label[:, ::3, ::2] = 255
    weight = torch.rand(2, 16, 24, generator=generator, dtype=torch.float64) if weighted else None
    box = (slice(8, 16), slice(8, 16))
    method = Method(Settings(auxiliary_weight=0.3), torch.nn.Module())
    batch = Batch(torch.zeros(2, 16, 24, 3, dtype=torch.uint8), label)
    each = method.labelled("mixed", batch, weight, denominator, 0.5)
    found = each.losses(Prediction(final, None, None, detail, box))["mixed"]

    def mean(logits, label, weight):
        value = F.cross_entropy(logits, label.long(), ignore_index=255, reduction="none")
        value = value if weight is None else value * weight
        return value.sum() / ((label != 255).sum() if denominator == "valid" else label.numel())

    inside = (slice(None), *box)
    wanted = 0.7 * mean(final, label, weight) + 0.3 * mean(
        detail, label[inside], None if weight is None else weight[inside]
    )
    assert found.item() == pytest.approx(0.5 * wanted.item(), rel=1e-9)


# --- counts, groups, weights ------------------------------------------------------------------------------


def test_counts_and_groups_are_the_originals():
    model = outline(Architecture("hrda_mit_b5", 19))
    attention = model.decode_head.scale_attention
    assert (numbers(attention), len(attention.state_dict())) == (530_707, 16)
    assert (numbers(model), len(model.state_dict())) == (85_685_990, 1126)
    counts = {(each.lr_factor, each.decays): len(each.parameters) for each in parameter_groups(model, 10.0)}
    assert counts == {(1.0, False): 322, (1.0, True): 730, (10.0, True): 47}
    names = {name for name in model.state_dict() if name.startswith("decode_head.scale_attention.fuse_layer")}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert {name.rpartition("fuse_layer.")[2] for name in names} == {"conv.weight", *(f"bn.{each}" for each in norm)}
    assert "decode_head.head.fuse_layer.aspp_modules.3.pointwise_conv.bn.weight" in model.state_dict()
    assert model.detail == (512, 512)


def test_it_starts_from_the_weights_of_its_encoder(tmp_path):
    save_model(
        tmp_path / "mit.safetensors",
        initialise(build(Architecture("mit_streets", 19, input="imagenet")), 5, "kaiming"),
        {},
    )
    export_backbone(tmp_path / "mit.safetensors", tmp_path / "initial.safetensors")
    settings = {"classes": "cityscapes19", "input": None, "bottleneck": None}
    config = {"model": settings | {"backbone": "hrda_mit_streets"}, "aspp_branches": 2, "auxiliary": False}
    initial = initial_architecture(tmp_path / "initial.safetensors")
    model = network(config, initial)
    assert model.architecture.backbone == "hrda_mit_streets" and model.architecture.input == "imagenet"
    assert 0 < load_backbone(tmp_path / "initial.safetensors", model) < 1
    with pytest.raises(UserError, match="backbone mit_streets"):
        network({"model": settings | {"backbone": "hrda_mit_b5"}, "aspp_branches": 2, "auxiliary": False}, initial)


def test_what_scoring_costs_is_counted_in_windows():
    step = pass_work(NetworkPass("hrda_mit_streets", 19, (256, 128), learns=False, batch_statistics=False)).flops
    plain = pass_work(NetworkPass("mit_streets", 19, (256, 128), learns=False)).flops
    assert step > 2 * plain, "nine details of a quarter each, and the context"


def plan_of(size, edit=None):
    parameters = tiny.tiny_parameters(("source_only", "dacs"))
    preset = parameters["presets"]["tiny"]
    preset["methods"] = {}
    preset["model"] |= {"backbone": "hrda_mit_streets", "initial_weights": "weights.safetensors"}
    for cache in preset["caches"].values():
        cache["size"] = size
    parameters["methods"]["dacs"] = {
        "title": "HRDA", "target_loss": "dacs", "lambda_target": 1, "options": {"feature_weight": 0.005},
    }  # fmt: skip
    if edit:
        edit(preset)
    return make_plan(parameters_from(parameters, "params.yaml"))


def test_images_smaller_than_a_detail_are_refused_before_any_job():
    plan_of("256x128")
    with pytest.raises(UserError, match="source images of 64x128, and it needs 128x64 at least: choose a larger cache"):
        plan_of("64x128")
    with pytest.raises(UserError, match="pretrain/source/seed1 gives hrda_mit_streets source images of 192x48"):
        plan_of("256x128", lambda preset: preset["pretrain"].update(crop="192x48"))
    with pytest.raises(UserError, match="sides of 192x96 are no multiples of 64, the cells of hrda_mit_streets's"):
        plan_of("256x128", lambda preset: preset["adapt"].update(crop="192x96"))


def test_weights_of_another_encoder_are_refused_before_any_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    due = [Status(job, "missing", {}) for job in plan_of("256x128").jobs if job.name == "pretrain/source/seed1"]
    for backbone in ("mit_streets", "hrda_mit_streets"):
        save_model("weights.safetensors", build(Architecture(backbone, 19)), {})
        check_requirements(due)
    save_model("weights.safetensors", build(Architecture("streets", 19)), {})
    with pytest.raises(UserError, match=r"weights\.safetensors are those of streets, and pretrain/source/seed1"):
        check_requirements(due)


# --- in training ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """As large as the encoder needs them at half their size."""
    return packed(tmp_path_factory.mktemp("caches"), (128, 64))


def trainer_of(caches, folder, monkeypatch):
    monkeypatch.setitem(hrda.LEAST_SIZES, "hrda_mit_streets", (32, 64))
    options = {
        "teacher_follows": "before", "source_denominator": "all", "blur_chance": 0.0, "threshold": 0.08,
        "mask_block": 16,
        "feature_weight": 0.5, "thing_share": 0.51,
    }  # fmt: skip
    trainer = make_trainer(caches, folder, entry(), log_steps=1)
    architecture = Architecture("hrda_mit_streets", 19, input="imagenet", class_set="cityscapes19")
    model = initialise(build(architecture), 3, "kaiming")
    initial = initialise(build(architecture), 4, "kaiming").requires_grad_(False).eval()
    config = config_of(entry("mic", lambda_target=1.0, options=options))
    method = build_method(config, model, lambda: initial)
    return replace(
        trainer, model=model, method=method, optimiser=AdamW(parameter_groups(model)), input_convention="imagenet",
        loop=replace(trainer.loop, learning_rate=1e-3, annealing=Poly(power=1, warm_up=2)),
    )  # fmt: skip


def test_a_killed_run_of_hrda_with_masks_goes_on(caches, tmp_path, monkeypatch):
    whole = trainer_of(caches, tmp_path / "whole", monkeypatch)
    assert has_dropout(whole.model)
    with monkeypatch.context() as patched:
        patched.setattr(
            "segadapt.methods.mixing.feature_distance.thing_cells",
            lambda label, grid, *_: torch.ones(len(label), *grid, dtype=torch.bool),
        )
        rows = whole.run("whole").rows
        state = tmp_path / "whole" / "state-000000002.safetensors"
        (tmp_path / "resumed").mkdir()
        (tmp_path / "resumed" / state.name).write_bytes(state.read_bytes())
        resumed = trainer_of(caches, tmp_path / "resumed", monkeypatch)
        torch.manual_seed(11)
        assert resumed.run("resumed").rows == rows
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert all(row[-2] > 0 for row in rows)
