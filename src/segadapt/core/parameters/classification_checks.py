"""What must hold between the parts of a classification, each refused with its key's path and the mend."""

from collections.abc import Mapping

from segadapt.core.parameters.checks import check_schedule, known
from segadapt.core.parameters.classification import Classification
from segadapt.core.parameters.methods import MethodEntry
from segadapt.core.parameters.presets import CacheEntry
from segadapt.labels import CLASS_SETS

_NOT_FOR_CLASSIFIERS = (
    "guidance",
    "auxiliary",
    "self_training",
    "ensemble",
    "image_weight",
    "aspp_branches",
    "training",
)


def check_classification(where: str, settings: Classification, caches: Mapping[str, CacheEntry]) -> None:
    """ValueError for domains, classes and schedules that do not fit one another."""
    classes = settings.model.classes
    if CLASS_SETS[classes].task != "classification":
        raise ValueError(f"{where}.model.classes: {classes} are classes of pixels; name classes of whole images")
    for domain, name in settings.domains.items():
        known(name, caches, f"{where}.domains.{domain}")
        if not caches[name].labels:
            raise ValueError(
                f"{where}.domains.{domain}: cache '{name}' needs labels: true, to train on and to be scored"
            )
        if caches[name].classes != classes:
            raise ValueError(
                f"{where}.domains.{domain}: the labels of cache '{name}' are {caches[name].classes} and the model's "
                f"classes {classes}; set classes: {classes} for that cache"
            )
    sizes = {caches[name].size for name in settings.domains.values()}
    if len(sizes) > 1:
        raise ValueError(
            f"{where}.domains: caches of {' and '.join(sorted(sizes))} do not fit in one batch; use one size"
        )
    schedules = {"training": settings.training}
    figure = settings.easy_and_hard
    if figure is not None:
        for key in ("source", "target"):
            known(getattr(figure, key), settings.domains, f"{where}.easy_and_hard.{key}")
        if figure.source == figure.target:
            raise ValueError(f"{where}.easy_and_hard.target: is the source itself; name another domain")
        schedules["easy_and_hard.training"] = figure.training
    for key, schedule in schedules.items():
        check_schedule(f"{where}.{key}", schedule, [caches[name] for name in settings.domains.values()])


def check_classifier_method(where: str, name: str, method: MethodEntry, settings: Classification) -> None:
    """ValueError for a method that does not fit an image classifier."""
    for key in _NOT_FOR_CLASSIFIERS:
        if getattr(method, key):
            raise ValueError(f"{where}: method '{name}' has {key}, which an image classifier has no use for")
    game = method.adversarial
    if game is not None and game.game != "dann":
        raise ValueError(
            f"{where}: method '{name}' has adversarial.game: {game.game}, whose discriminators see output maps; "
            "for classifiers use dann"
        )
    if game is not None and not settings.training.joint_batch:
        raise ValueError(
            f"{where}: method '{name}' needs source and target in one batch; set training.joint_batch: true"
        )
