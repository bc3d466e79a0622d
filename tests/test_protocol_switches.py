"""Every switch of the protocols: what it changes, and that it changes nothing else."""

import copy
import math

import pytest
import torch
from test_trainer import on_target
from tiny import tiny_parameters

from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.methods import Prediction
from segadapt.plan import make_plan

C, SIZE = 7, (17, 33)
METHODS = ("minent", "minent_iw", "maxsquare", "maxsquare_iw", "maxsquare_multi", "maxsquare_iw_multi")
RELEASED = load_parameters().protocols["released"].model_dump()
OTHERS = {
    "normalisation": "paper",
    "max_squares_half": False,
    "image_weight_half": True,
    "image_weight_index": "class",
    "guidance_mask": "winner",
    "aspp_branches": 4,
    "repeated_updates": "none",
    "adam_epsilon": "corrected",
    "evaluation_size": "native",
}


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    """Logits (2, C, 5, 9) in float64, sharp enough for guidance to keep pixels of either head."""
    generator = torch.Generator().manual_seed(3)
    final, low = (6 * torch.randn(2, C, 5, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    return Prediction(final, low)


def losses(prediction: Prediction, **switches) -> dict[str, float]:
    """The target loss of every method under the released protocol with some switches turned."""
    entries, protocol = load_parameters().methods, RELEASED | switches
    entries = {name: entries[name].model_dump() | {"lambda_target": 1.0} for name in METHODS}
    return {name: float(on_target(entry, prediction, SIZE, protocol)) for name, entry in entries.items()}


def ratios(prediction: Prediction, switch: str) -> dict[str, float]:
    """The loss with the switch turned over the released one, of the methods for which they differ."""
    before, after = losses(prediction), losses(prediction, **{switch: OTHERS[switch]})
    return {name: after[name] / before[name] for name in METHODS if after[name] != before[name]}


def test_there_is_another_value_for_every_switch():
    assert OTHERS.keys() == RELEASED.keys()
    assert all(OTHERS[name] != value for name, value in RELEASED.items())


def test_the_normalisation_scales_every_pixelwise_loss_by_the_classes(prediction):
    found = ratios(prediction, "normalisation")
    assert found.keys() == set(METHODS)
    assert [found[name] for name in METHODS[:4]] == pytest.approx([C] * 4, rel=1e-12)
    # The low head's cross-entropy is a mean over the kept pixels in both.
    before, after = losses(prediction), losses(prediction, normalisation="paper")
    for name in ("maxsquare", "maxsquare_iw"):
        guidance = before[f"{name}_multi"] - before[name]
        assert after[f"{name}_multi"] - after[name] == pytest.approx(guidance, rel=1e-9)


def test_the_half_of_max_squares_is_not_that_of_image_weights(prediction):
    found = ratios(prediction, "max_squares_half")
    assert found.keys() == {"maxsquare", "maxsquare_multi"} and found["maxsquare"] == pytest.approx(2, rel=1e-12)
    found = ratios(prediction, "image_weight_half")
    weighted = {name: ratio for name, ratio in found.items() if name == "maxsquare_iw"}
    assert weighted == {"maxsquare_iw": pytest.approx(0.5, rel=1e-12)}
    assert found.keys() <= {"minent_iw", "maxsquare_iw", "maxsquare_iw_multi"}


def test_the_index_of_the_image_weight_concerns_weighted_losses(prediction):
    assert ratios(prediction, "image_weight_index").keys() == {"minent_iw", "maxsquare_iw", "maxsquare_iw_multi"}


def test_the_mask_of_guidance_concerns_pixels_whose_maps_almost_equally_surely_disagree(prediction):
    # One map is surer than 0.95 of a class, the ensemble follows the other map, and that one is less sure: nothing else
    # tells Eq. 15 from the code. Such pixels are rare; in noise there is none.
    assert ratios(prediction, "guidance_mask") == {}
    final_C, low_C = torch.full((C,), 1e-4), torch.full((C,), 1e-2)
    final_C[:2], low_C[:2] = torch.tensor([0.951, 0.0485]), torch.tensor([1e-3, 0.949])
    disagreeing = Prediction(
        *(each_C.double().log().view(1, C, 1, 1).expand(1, C, 5, 9) for each_C in (final_C, low_C))
    )
    own, winner = losses(disagreeing), losses(disagreeing, guidance_mask="winner")
    changed = {name for name in METHODS if own[name] != winner[name]}
    assert changed == {"maxsquare_multi", "maxsquare_iw_multi"}


@pytest.mark.parametrize("switch", ["aspp_branches", "repeated_updates", "adam_epsilon", "evaluation_size"])
def test_what_is_no_part_of_a_loss_changes_none(switch, prediction):
    assert ratios(prediction, switch) == {}
    assert all(math.isfinite(value) for value in losses(prediction).values())


JOBS = {
    "normalisation": {"adapt", "refine"},
    "max_squares_half": {"adapt", "refine"},
    "image_weight_half": {"adapt", "refine"},
    "image_weight_index": {"adapt", "refine"},
    "guidance_mask": {"adapt", "refine"},
    "aspp_branches": {"pretrain", "adapt", "refine", "evaluate", "qualitative", "gallery", "confidence"},
    "repeated_updates": {"pretrain", "adapt", "refine"},
    "adam_epsilon": {"refine"},
    "evaluation_size": {
        "table",
        "scoring",
        "statistics",
        "measures",
        "bars",
        "curves",
        "gallery",
        "frequency",
        "report",
    },
}


@pytest.mark.parametrize("switch", RELEASED)
def test_a_switch_reaches_the_jobs_that_read_it_and_no_data(switch):
    before = tiny_parameters(("source_only", "target_forwarded", "maxsquare", "maxsquare_iw_multi", "adaptsegnet"))
    after = copy.deepcopy(before)
    after["protocols"]["released"][switch] = OTHERS[switch]
    one, other = (make_plan(parameters_from(each, "tiny")).by_name for each in (before, after))
    altered = {job.stage for name, job in one.items() if other[name].identity() != job.identity()}
    assert altered <= JOBS[switch] | {"costs"} and JOBS[switch] - altered <= {"measures"}
