"""The resolved plan of preset ``paper`` against what the compared methods' authors wrote: no number may drift.

The table below stands for the authors' programs and is compared with the jobs themselves, whatever keys of
``params.yaml`` made them. Repositories, at the commits at which they were read: AdaptSegNet is wasidennis/AdaptSegNet
``fca9ff0``, ADVENT valeoai/ADVENT ``3e58d45``, CRST yzou2/CRST ``f7e4df0``, CBST yzou2/CBST ``24439a5``.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import tiny

from segadapt.core.job import Job
from segadapt.core.parameters import load_parameters
from segadapt.plan import Plan, make_plan
from segadapt.plan.estimate.passes import image_count

GTA5, CITYSCAPES = 24966, 2975
"""Lines of AdaptSegNet ``dataset/gta5_list/train.txt`` and of ADVENT ``advent/dataset/gta5_list/all.txt`` (its
``TRAIN.SET_SOURCE``), and of both's lists of Cityscapes ``train``."""

COMMON = {
    # AdaptSegNet ``train_gta2cityscapes_multi.py``: LEARNING_RATE, POWER, MOMENTUM, WEIGHT_DECAY, BATCH_SIZE, lr_poly,
    # adjust_learning_rate (heads at 10 times the rate), INPUT_SIZE, INPUT_SIZE_TARGET; mirror and scale are parsed but
    # handed to no data set. ADVENT ``advent/domain_adaptation/config.py`` and ``train_UDA.py``: the same numbers.
    "horizon": 250_000, "learning_rate": 2.5e-4, "head_factor": 10, "batch_size": 1, "auxiliary_weight": 0.1,
    "mirror": 0, "blur": 0, "colour": 0, "zoom": 1,
    "crop": None, "annealing": {"name": "poly", "power": 0.9, "warm_up": 0, "warm_up_ratio": 1e-6},
    "optimiser": {"name": "repeated_sgd", "momentum": 0.9, "weight_decay": 5e-4},
}  # fmt: skip
FROZEN = {"batch_statistics": True, "update_running": True, "train_affine": False, "train_stem_affine": False}
"""AdaptSegNet ``model/deeplab_multi.py``, ADVENT ``advent/model/deeplabv2.py``: ``requires_grad = False`` for every
batch norm's weights, while ``model.train()`` leaves the statistics to the batch."""


@dataclass(frozen=True)
class Authors:
    """A row that is trained from the initial weights, as its authors run it."""

    steps: int
    branches: int
    auxiliary: bool
    adversarial: dict[str, Any] | None = None
    entropy: tuple[float, float] | None = None
    training: dict[str, Any] = field(default_factory=lambda: COMMON)


def game(name: str, objective: str, final: float, low: float) -> dict[str, Any]:
    """Discriminators: Adam at LEARNING_RATE_D = 1e-4, 64 channels first (``model/discriminator.py``, ndf = 64)."""
    weights = {"lambda_final": final, "lambda_low": low}
    return {"name": name, "objective": objective, "learning_rate": 1e-4, "width": 64} | weights


FROM_INITIAL_WEIGHTS = {
    # AdaptSegNet: NUM_STEPS 250000, NUM_STEPS_STOP 150000; LAMBDA_ADV_TARGET1 0.0002 and LAMBDA_ADV_TARGET2 0.001;
    # ``Classifier_Module.forward`` returns within its loop, after the second branch.
    "adaptsegnet": Authors(150_000, 2, True, game("adaptsegnet", "vanilla", 0.001, 0.0002)),
    # README.md, "single-level": --lambda-seg 0.0 --lambda-adv-target1 0.0 --lambda-adv-target2 0.001, and "single-level
    # with LS-GAN": 0.01 and --gan LS.
    "adaptsegnet_single": Authors(150_000, 2, False, game("adaptsegnet", "vanilla", 0.001, 0.0)),
    "adaptsegnet_ls": Authors(150_000, 2, False, game("adaptsegnet", "least_squares", 0.01, 0.0)),
    # ADVENT ``config.py``: MAX_ITERS 250000, EARLY_STOP 120000, LAMBDA_ADV_MAIN 0.001, LAMBDA_ADV_AUX 0.0002,
    # LAMBDA_ENT_MAIN 0.001, LAMBDA_ENT_AUX 0.0002, MULTI_LEVEL True; ``deeplabv2.py`` sums all four branches.
    "advent": Authors(120_000, 4, True, game("advent", "vanilla", 0.001, 0.0002)),
    "advent_minent": Authors(120_000, 4, True, None, (0.001, 0.0002)),
}


@dataclass(frozen=True)
class Rounds:
    """A self-trained row: what each round is, first to last."""

    selection: str
    has_prior: bool
    portions: tuple[float, ...]
    shares: tuple[float, ...]
    rates: tuple[float, ...]
    head_factor: float
    redraw: bool
    train_affine: bool
    branches: int | None


# CRST ``crst_seg.py``: NUM_ROUNDS 4, whose last only tests; LEARNING_RATE 5e-5 with POWER 0.0 and heads at 10 times;
# INIT_TGT_PORT 0.2, TGT_PORT_STEP 0.05; INIT_SRC_PORT 0.03, SRC_PORT_STEP 0.0025, SRC_SAMPLING_POLICY 'r', which draws
# anew; ``deeplab/model.py``: four branches, one head, batch norm frozen, ``model.eval()`` while training.
CRST = {
    "portions": (0.2, 0.25, 0.3), "shares": (0.03, 0.0325, 0.035), "rates": (5e-5, 5e-5, 5e-5), "head_factor": 10,
    "redraw": True, "train_affine": False, "branches": 4,
}  # fmt: skip
# CBST ``README.md``: --num-round 6 --init-tgt-port 0.15 --init-src-port 0.03 --base-lr 1e-4 --source-sample-policy
# cumulative; ``issegm/solve_AO.py``: the rate is divided by the root of 2 each round, portions rise by 0.05 and 0.0025;
# ``issegm/solve_ST.py``: global statistics, and the network's own learning rates of 1 for the heads' weights.
CBST = {
    "portions": (0.15, 0.2, 0.25, 0.3, 0.35, 0.4), "shares": (0.03, 0.0325, 0.035, 0.0375, 0.04, 0.0425),
    "rates": tuple(1e-4 / 2 ** (number / 2) for number in range(6)), "head_factor": 1, "redraw": False,
    "train_affine": True, "branches": None,
}  # fmt: skip
SELF_TRAINED = {
    # The policies of --kc-policy, and --with-prior, which CRST does not have.
    f"{prefix}{row}": Rounds(selection, has_prior, **numbers)
    for prefix, numbers in (("", CRST), ("wide/", CBST))
    for row, selection, has_prior in (
        ("self_training", "global", False), ("cbst", "class_balanced", False), ("cbst_sp", "class_balanced", True),
    )
}  # fmt: skip
CONTROLS = {"source_only", "target_forwarded", "wide/source_only", "wide/target_forwarded"}
"""Rows of the table that are ours."""


@cache
def plan() -> Plan:
    return make_plan(load_parameters(tiny.REPOSITORY / "params.yaml", {"preset": "paper", "seeds": [1]}))


def caches(job: Job) -> dict[str, tuple[str, str, int | None]]:
    """Data set, size and number of images that a job trains on, by domain."""
    found = {role: plan().by_output[job.input(role)].config for role in ("source", "target")}
    return {role: (each["format"], each["size"], image_count(job, role, plan())) for role, each in found.items()}


def test_every_compared_row_stands_in_the_authors_table():
    rows = set(plan().parameters.tables["table2_compared"].keys)
    assert rows == CONTROLS | FROM_INITIAL_WEIGHTS.keys() | SELF_TRAINED.keys() | {"advent_ensemble"}


@pytest.mark.parametrize("row", FROM_INITIAL_WEIGHTS)
def test_what_starts_from_the_initial_weights(row):
    job, authors = plan().by_name[f"joint/{row}/seed1"], FROM_INITIAL_WEIGHTS[row]
    assert {each.role for each in job.inputs} == {"initial_weights", "source", "target"}
    assert caches(job) == {"source": ("gta5", "1280x720", GTA5), "target": ("cityscapes", "1024x512", CITYSCAPES)}
    config = job.config
    assert (config["aspp_branches"], config["auxiliary"]) == (authors.branches, authors.auxiliary)
    assert config["model"]["backbone"] == "resnet101" and config["model"]["batch_norm"] == FROZEN
    settings = {key: config["training"][key] for key in ("steps", *authors.training)}
    assert settings == {"steps": authors.steps} | authors.training
    assert config["training"]["joint_batch"] is False and config["training"]["snapshots"] == 0
    # Repeated entries: 314 for 104 tensors, under PyTorch 0.4 or before, where decay stayed in the gradient.
    assert config["repeated_updates"] == "torch10"
    method = config["method"]
    found = method["adversarial"] and {key: method["adversarial"][key] for key in authors.adversarial or ()}
    assert found == authors.adversarial
    assert config["protocol"].get("adam_epsilon") == ("uncorrected" if authors.adversarial else None)
    if authors.entropy is None:
        assert method["target_loss"] is None
    else:
        final, low = authors.entropy
        assert method["target_loss"] == "advent_entropy" and method["lambda_target"] == final
        assert method["lambda_target"] * method["options"]["low_weight"] == pytest.approx(low)


# lhoyer/DAFormer at e6f6e04 and lhoyer/HRDA at c370b5b, ``configs/_base_`` and ``experiments.py``: AdamW, poly10warm,
# rcs, fdthings, pmB for DAFormer; lhoyer/MIC at 2f932a9, experiment 80.
FAMILY = {
    "steps": 40_000, "horizon": 40_000, "batch_size": 2, "learning_rate": 6e-5, "head_factor": 10, "mirror": 0.5,
    "blur": 0, "colour": 0, "zoom": 1, "crop_largest_share": 0.75, "auxiliary_weight": 0.1,
    "optimiser": {"name": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01},
    "annealing": {"name": "poly", "power": 1, "warm_up": 1500, "warm_up_ratio": 1e-6},
}  # fmt: skip
RECIPE = {
    "jitter": 0.2, "jitter_chance": 0.8, "blur_chance": 0.5, "source_denominator": "all", "classes_of": "batch",
    "share_of": "batch", "alpha": 0.999, "threshold": 0.968, "teacher_follows": "before", "feature_weight": 0.005,
    "thing_share": 0.75,
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "backbone", "crop", "block"),
    [
        ("mit/daformer", "mit_b5", "512x512", None),
        ("mit/daformer_mic", "mit_b5", "512x512", 32),
        ("hrda/daformer", "hrda_mit_b5", "1024x1024", None),
        ("hrda/daformer_mic", "hrda_mit_b5", "1024x1024", 64),
    ],
)
def test_daformer_hrda_and_mic(row, backbone, crop, block):
    job = plan().by_name[f"joint/{row}/seed1"]
    training, options = job.config["training"], job.config["method"]["options"]
    assert job.config["model"]["backbone"] == backbone and training["crop"] == crop
    assert {key: training[key] for key in FAMILY} == FAMILY and {key: options[key] for key in RECIPE} == RECIPE
    assert (options.get("mask_block"), options.get("mask_ratio")) == (block, block and 0.7)
    large = 1 if crop == "512x512" else 2
    assert caches(job) == {
        "source": ("gta5", "1280x704" if large == 1 else "2560x1407", GTA5),
        "target": ("cityscapes", f"{large * 1024}x{large * 512}", CITYSCAPES),
    }
    rare, area = training["rare_classes"], 1280 * 704 if large == 1 else 2560 * 1407
    assert (rare["temperature"], rare["crop_pixels"]) == (0.01, 1500 * large**2)
    assert rare["image_pixels"] == pytest.approx(3000 * area / (1914 * 1052), abs=1)
    rows = {"top": 30 / 1024, "bottom": 240 / 1024, "left": 30 / 2048, "right": 30 / 2048}
    if row == "mit/daformer":
        assert (options["margin_top"], options["margin_bottom"], training["target_margins"]) == (15, 120, None)
    else:
        assert training["target_margins"] == pytest.approx(rows, abs=1e-4)
        assert (options["margin_top"], options["margin_bottom"]) == (0, 0)


def test_the_ensemble_is_of_both_models_of_advent():
    """ADVENT ``advent/scripts/configs/advent+minent_pretrained.yml``."""
    scored = plan().by_name["evaluate/advent_ensemble/seed1"]
    assert [each.path.split("/")[3] for each in scored.read("model")] == ["advent", "advent_minent"]
    assert scored.config["aspp_branches"] == 4


@pytest.mark.parametrize("row", SELF_TRAINED)
def test_every_round_of_self_training(row):
    authors, jobs = SELF_TRAINED[row], plan().by_name
    rounds = [name for name in jobs if name.startswith(f"self_train/{row}-round")]
    assert len(rounds) == len(authors.rates)
    before = None
    for number, rate in enumerate(authors.rates, 1):
        label, train = (jobs[f"{stage}/{row}-round{number}/seed1"] for stage in ("pseudo_label", "self_train"))
        assert caches(train) == {"source": ("gta5", "1280x720", GTA5), "target": ("cityscapes", "1024x512", CITYSCAPES)}
        assert label.input("model") == train.input("model") == (before or train.input("model"))
        before = train.outputs["model"]
        assert label.config["flip"] is True and bool(label.read("prior")) is authors.has_prior
        assert label.config["selection"] == {
            "selection": authors.selection, "portion": authors.portions[number - 1], "stride": 4,
        }  # fmt: skip
        more = {"source_redraw": True} if authors.redraw else {}
        share = authors.shares[number - 1]
        assert train.config["round"] == {"number": number, "source_share": share, "mining": 0.8} | more
        training = train.config["training"]
        assert training["learning_rate"] == pytest.approx(rate, rel=1e-12) and training["annealing"] == {
            "name": "constant"
        }
        assert (training["head_factor"], training["optimiser"]) == (authors.head_factor, COMMON["optimiser"])
        assert (training["mirror"], training["blur"], training["colour"]) == (0.5, 0, 0)
        # Two epochs of the target's images; an image of each domain in a step, where they mix them in batches of two.
        assert training["steps"] == 2 * CITYSCAPES and training["batch_size"] == 1
        norm = train.config["model"]["batch_norm"]
        assert not norm["batch_statistics"] and not norm["update_running"]
        assert norm["train_affine"] is authors.train_affine
        assert train.config["method"]["lambda_target"] == 1 and train.config["auxiliary"] is False
        if authors.branches is not None:
            assert train.config["aspp_branches"] == label.config["aspp_branches"] == authors.branches


def test_the_source_models_that_self_training_starts_from():
    """Each is of the very network that goes on; the wide one starts from random weights, as params.yaml says."""
    for row, backbone, branches, weights in (
        ("cbst", "resnet101", 4, True), ("wide/cbst", "wide_resnet38", 2, False), ("maxsquare", "resnet101", 2, True),
    ):  # fmt: skip
        stage, ending = ("adapt", "") if row == "maxsquare" else ("self_train", "-round1")
        source = plan().by_output[plan().by_name[f"{stage}/{row}{ending}/seed1"].input("model")]
        assert source.stage == "pretrain" and source.config["model"]["backbone"] == backbone
        assert source.config["aspp_branches"] == branches and bool(source.read("initial_weights")) is weights
