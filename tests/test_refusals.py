"""Every refusal in the packages that train is one that params.yaml cannot foresee, or comes before any job too."""

import ast

import pytest
import tiny
from test_impossible_plans import refused, shipped

SOURCE = tiny.REPOSITORY / "src" / "segadapt"
PACKAGES = ("data/batches", "losses", "methods", "models", "selftraining", "training")

FILE = "what a file or a folder holds"
MACHINE = "what the machine can do"
NUMBERS = "what training gave"
TENSORS = "tensors that somebody handed over in Python"
OPTIONS = "options of a method, which its file types"
HEADS = "test_impossible_plans.test_a_head_that_a_network_lacks_is_refused"
CELLS = "test_feature_distance.test_what_has_no_features_to_compare_is_refused_before_any_job"
PATCHES = "test_impossible_plans.test_sides_that_a_network_cannot_divide_are_refused"
UNFORESEEN = {
    "data.batches.rare_classes": FILE,
    "losses.cross_entropy": TENSORS,
    "losses.hard_pseudo_label": OPTIONS,
    "losses.image_weight.check_image_weight": TENSORS,
    "losses.likeliest": TENSORS,
    "losses.scaled_entropy": OPTIONS,
    "losses.upsample": TENSORS,
    "losses.weighting": TENSORS,
    "methods.adversarial": HEADS,
    "methods.composition": OPTIONS,
    "methods.mixing.feature_distance.thing_cells": CELLS,
    "methods.mixing.teacher": TENSORS,
    "methods.multi_level": HEADS,
    "models.architecture.Architecture.from_metadata": FILE,
    "models.claims": FILE,
    "models.compute.Compute.forward_of.forward": MACHINE,
    "models.exporting": FILE,
    "models.features": "a network's own file",
    "models.importing": FILE,
    "models.loading": FILE,
    "models.networks.hrda.Hrda._check": PATCHES,
    "models.networks.vit": PATCHES,
    "models.weights": FILE,
    "selftraining.pseudo_labels": NUMBERS,
    "selftraining.spatial_prior": FILE,
    "selftraining.static_maps": FILE,
    "training.adversary": FILE,
    "training.assembly": FILE,
    "training.graphs": MACHINE,
    "training.history": NUMBERS,
    "training.optimiser.Optimiser.load": FILE,
    "training.replicas": MACHINE,
    "training.trainer": NUMBERS,
}
"""Module, class or function to why, or to the test of what comes first."""

FORESEEN = {
    "losses.domain.domain_loss": ("streets", "methods.advent.adversarial.objective", "hinge"),
    "losses.guidance._check": ("streets", "methods.maxsquare_iw_multi.guidance.threshold", 1.0),
    "losses.image_weight.ImageWeight.__post_init__": ("streets", "protocols.released.image_weight_index", "image"),
    "losses.target_loss.target_loss": ("streets", "protocols.released.normalisation", "classes"),
    "methods.mixing.class_mix.class_mix": ("streets", "presets.streets.methods.dacs.training.crop", None),
    "models.architecture.Architecture.__post_init__": ("streets", "protocols.released.aspp_branches", 3),
    "models.discriminator.Discriminator.forward": ("streets", "presets.streets.adapt.crop", "64x31"),
    "models.initialisation.initialise": ("streets", "presets.streets.model.initialisation", "xavier"),
    "models.input.to_input": ("streets", "presets.streets.model.input", "rgb"),
    "models.networks.outline": ("digits", "presets.digits.classification.model.backbone", "streets_wide"),
    "training.optimiser.RepeatedSGD.__init__": ("streets", "protocols.released.repeated_updates", "twice"),
}  # fmt: skip
"""Function to a preset and a key of params.yaml with a value that would reach it."""


def raised() -> set[str]:
    """Module and function of every place that raises a UserError."""
    found = set()

    def walk(node: ast.AST, name: str) -> None:
        for each in ast.iter_child_nodes(node):
            inner = f"{name}.{each.name}" if isinstance(each, ast.FunctionDef | ast.ClassDef) else name
            if isinstance(each, ast.Raise) and each.exc is not None and "UserError(" in ast.unparse(each.exc):
                found.add(inner)
            walk(each, inner)

    for package in PACKAGES:
        for path in (SOURCE / package).rglob("*.py"):
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            walk(ast.parse(path.read_text()), module.removesuffix(".__init__"))
    return found


def covers(entry: str, place: str) -> bool:
    return place == entry or place.startswith(entry + ".")


def test_every_refusal_is_accounted_for():
    """A new one needs a place in either list: can params.yaml alone lead there, then the plan must say it first."""
    places = raised()
    assert len(places) > 40
    unknown = {place for place in places if not any(covers(each, place) for each in (*UNFORESEEN, *FORESEEN))}
    assert not unknown
    assert not {place for place in FORESEEN if place not in places}


@pytest.mark.parametrize("place", FORESEEN)
def test_what_params_can_lead_to_is_refused_before_any_job(place):
    preset, path, value = FORESEEN[place]
    content = shipped(preset)
    *parents, last = path.split(".")
    section = content
    for key in parents:
        section = section[key]
    section[last] = value
    refused(content)
