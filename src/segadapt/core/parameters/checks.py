"""Combinations of parameters that make no sense, each refused with its key's path and the mend."""

from collections.abc import Iterable, Mapping

from segadapt.core.parameters.classification import Classification
from segadapt.core.parameters.methods import MethodEntry
from segadapt.core.parameters.presets import CacheEntry, Preset, Setting
from segadapt.core.parameters.section import width_height
from segadapt.core.parameters.training import ModelSettings, Schedule, TrainingSettings
from segadapt.labels import CLASS_SETS

SELF_TRAINING = "self_training"
"""The target loss that goes with a method's section of the same name."""
ONLY_SOURCE = ("pretrain", "oracle")
CLASSIFIER_STRIDE = 32
"""Pixels of the image each way that a classifier's last map makes one of."""
STAGES = ("pretrain", "adapt", "refine", "joint", "oracle")
_OF_ENSEMBLES = {"title", "origin", "ensemble", "ensemble_average", "paper_row"}
"""The keys of a method's entry that mean something for an ensemble."""
_NOT_FOR_CLASSIFIERS = (
    "guidance",
    "auxiliary",
    "self_training",
    "ensemble",
    "image_weight",
    "aspp_branches",
    "training",
)


def known(name: str, names, where: str) -> None:
    """ValueError, with the names there are, unless ``name`` is one of them."""
    if name not in names:
        raise ValueError(f"{where}: '{name}' is not defined; known are {', '.join(names)}")


def check_method(where: str, method: MethodEntry, methods: Mapping[str, MethodEntry]) -> None:
    """ValueError for a method whose parts contradict each other."""
    adversarial = method.adversarial
    if adversarial is not None and adversarial.lambda_final == adversarial.lambda_low == 0:
        raise ValueError(f"{where}.adversarial: has no effect, for both its lambdas are 0; raise one or drop it")
    if method.ensemble_average != "logits" and not method.ensemble:
        raise ValueError(f"{where}.ensemble_average: has no effect without ensemble; name its members or drop it")
    if method.ensemble:
        _check_ensemble(where, method, methods)
    elif method.target_loss is None:
        for key in ("lambda_target", "image_weight", "guidance", "self_training"):
            if getattr(method, key):
                raise ValueError(f"{where}.{key}: has no effect without target_loss; name a target_loss or drop it")
    elif method.self_training is not None or method.target_loss == SELF_TRAINING:
        _check_self_training(where, method)
    elif method.lambda_target == 0 and method.guidance is not None:
        raise ValueError(f"{where}.guidance: is scaled by lambda_target, which is 0; raise it or drop guidance")


def _check_ensemble(where: str, method: MethodEntry, methods: Mapping[str, MethodEntry]) -> None:
    for key, field in MethodEntry.model_fields.items():
        if key not in _OF_ENSEMBLES and getattr(method, key) != field.get_default(call_default_factory=True):
            raise ValueError(f"{where}.{key}: has no effect, for an ensemble trains nothing; drop it")
    if len(set(method.ensemble)) != len(method.ensemble) or len(method.ensemble) < 2:
        raise ValueError(f"{where}.ensemble: needs at least two different methods")
    for index, member in enumerate(method.ensemble):
        known(member, methods, f"{where}.ensemble[{index}]")
        if methods[member].ensemble:
            raise ValueError(f"{where}.ensemble[{index}]: '{member}' is an ensemble itself; name its members")
        if methods[member].aspp_branches != methods[method.ensemble[0]].aspp_branches:
            raise ValueError(
                f"{where}.ensemble[{index}]: '{member}' has other aspp_branches than '{method.ensemble[0]}'; give all "
                "members of an ensemble the same"
            )


def _check_self_training(where: str, method: MethodEntry) -> None:
    if method.self_training is None:
        raise ValueError(
            f"{where}.self_training: is missing; say how pseudo-labels are chosen, {{}} for CBST's numbers"
        )
    if method.target_loss != SELF_TRAINING:
        raise ValueError(f"{where}.self_training: has no effect on {method.target_loss}; name that loss or drop this")
    if method.lambda_target == 0:
        raise ValueError(f"{where}.lambda_target: is 0, so that pseudo-labels teach nothing; 1 weighs them like labels")
    if method.auxiliary:
        raise ValueError(f"{where}.auxiliary: has no effect in self-training; drop it")
    if method.start == "initial":
        raise ValueError(f"{where}.start: self-training needs the labels of a source model; drop this key")


def check_preset(where: str, preset: Preset) -> None:
    """ValueError for data sets, caches and stages that do not fit one another."""
    if segmentation_is_missing(preset) and (preset.classification is None or any(_segmentation(preset).values())):
        missing = next(key for key, value in _segmentation(preset).items() if value is None)
        raise ValueError(f"{where}.{missing}: is missing; add it")
    for name, dataset in preset.datasets.items():
        if (dataset.root is None) == (dataset.render is None):
            raise ValueError(f"{where}.datasets.{name}: needs either root (your folder) or render (built-in data)")
        if dataset.render is not None and (dataset.render.domain == "digits") != (dataset.format == "office31"):
            raise ValueError(
                f"{where}.datasets.{name}.format: domain {dataset.render.domain} cannot be drawn as {dataset.format}; "
                "digits have format: office31, street scenes any other"
            )
    for name, cache in preset.caches.items():
        known(cache.dataset, preset.datasets, f"{where}.caches.{name}.dataset")
        render = preset.datasets[cache.dataset].render
        if render is not None:
            known(cache.split, render.splits, f"{where}.caches.{name}.split")
        if cache.native_labels and not cache.labels:
            raise ValueError(f"{where}.caches.{name}.native_labels: needs labels: true")
        if cache.classes is None and preset.model is None:
            raise ValueError(f"{where}.caches.{name}.classes: is missing; name the classes of its labels")
    for stage in STAGES:
        settings = getattr(preset, stage)
        if settings is not None:
            check_stage(f"{where}.{stage}", stage in ONLY_SOURCE, settings, preset.caches)
    for key in ("evaluate_on", "evaluate_refined_on"):
        name = getattr(preset, key)
        if name is not None:
            known(name, preset.caches, f"{where}.{key}")
            if not preset.caches[name].native_labels:
                raise ValueError(f"{where}.{key}: cache '{name}' needs labels and native_labels: true")
    if preset.model is not None:
        _check_segmentation_model(f"{where}.model", preset.model)


def check_lambda_rule(where: str, name: str, presets: Mapping[str, Preset]) -> None:
    """ValueError for a rule of preset ``name`` that no method could be trained by."""
    rule = presets[name].lambda_rule
    if rule is None:
        return
    if segmentation_is_missing(presets[name]):
        raise ValueError(f"{where}: is of segmentation, which this preset has none of; drop this key")
    known(rule.of, presets, f"{where}.of")
    if presets[rule.of].lambda_rule is not None:
        raise ValueError(
            f"{where}.of: preset {rule.of} has a lambda_rule itself; name one whose λ are trained as written"
        )


def _check_same_images(where: str, preset: Preset) -> None:
    ours, theirs = (preset.caches[name] for name in (preset.evaluate_refined_on, preset.evaluate_on))
    if (ours.dataset, ours.split) != (theirs.dataset, theirs.split):
        raise ValueError(
            f"{where}.evaluate_refined_on: holds {ours.dataset} {ours.split}, and evaluate_on {theirs.dataset} "
            f"{theirs.split}; rows are compared image by image, so let both be of one split"
        )


def _check_segmentation_model(where: str, model: ModelSettings) -> None:
    if CLASS_SETS[model.classes].task != "segmentation":
        raise ValueError(f"{where}.classes: {model.classes} are classes of whole images; name classes of pixels")
    if model.bottleneck is not None:
        raise ValueError(f"{where}.bottleneck: is for classifiers; segmentation has none: drop this key")


def check_initial_weights(where: str, preset: Preset, setting: Setting) -> None:
    """ValueError for a setting with another network that would start from the weights of the preset's."""
    changes = setting.model
    if preset.model is None or preset.model.initial_weights is None or "initial_weights" in changes:
        return
    if changes.get("backbone", preset.model.backbone) != preset.model.backbone:
        raise ValueError(
            f"{where}.model.initial_weights: is missing, and the preset's are those of {preset.model.backbone}; name "
            f"weights of {changes['backbone']}, or null to start from random ones"
        )


def check_own_data(where: str, method: MethodEntry, in_preset: MethodEntry, setting: Preset, preset: Preset) -> None:
    """ValueError for a method that would read the data of its own in a setting which is made for other data."""
    ours, theirs = getattr(setting, method.schedule), getattr(preset, method.schedule)
    for key in ("source", "target"):
        own, of_setting = method.training.get(key), getattr(ours, key)
        inherited = own is not None and own == in_preset.training.get(key)
        if inherited and of_setting not in (own, getattr(theirs, key)):
            raise ValueError(
                f"{where}.{key}: is missing, and the preset's is {own}, where this setting has {of_setting}; name one"
            )


def segmentation_is_missing(preset: Preset) -> bool:
    """Whether something that every segmentation needs is not there."""
    return None in _segmentation(preset).values()


def _segmentation(preset: Preset) -> dict[str, object]:
    return {key: getattr(preset, key) for key in ("model", "pretrain", "adapt", "refine", "evaluate_on")}


def check_labels(where: str, preset: Preset, stages: Iterable[str], caches: Preset) -> str:
    """The class set that a model is scored on; ValueError if labels that these stages read are not those of the model,
    or what it is scored on is no part of them.

    ``caches`` is the preset as it stands, without a setting: its caches are every setting's.
    """
    wanted, stages = preset.model.classes, list(stages)
    read = {f"{stage}.source": getattr(preset, stage).source for stage in stages}
    scored = "evaluate_refined_on" if "refine" in stages and preset.evaluate_refined_on else "evaluate_on"
    found = caches.classes_of(getattr(preset, scored))
    for key, name in (read | {scored: getattr(preset, scored)}).items():
        classes = caches.classes_of(name)
        is_part = key == scored and set(CLASS_SETS[found].classes) <= set(CLASS_SETS[wanted].classes)
        if classes != wanted and not is_part:
            raise ValueError(
                f"{where}.{key}: the labels of cache '{name}' are {classes} and the model's classes {wanted}; "
                f"add a cache with classes: {wanted}"
            )
    if scored == "evaluate_refined_on":
        _check_same_images(where, preset)
    return found


def check_stage(where: str, only_source: bool, settings: TrainingSettings, caches: Mapping[str, CacheEntry]) -> None:
    """ValueError for a stage that reads caches which it cannot use, or whose schedule makes no sense."""
    known(settings.source, caches, f"{where}.source")
    if not caches[settings.source].labels:
        raise ValueError(f"{where}.source: cache '{settings.source}' has no labels; set labels: true")
    if settings.target is not None:
        known(settings.target, caches, f"{where}.target")
    if only_source and settings.target is not None:
        raise ValueError(f"{where}.target: this stage trains on source alone; drop this key")
    if not only_source and settings.target is None:
        raise ValueError(f"{where}.target: is missing; name the cache of target images")
    for key in ("later", "static"):
        if getattr(settings, key) is not None:
            known(getattr(settings, key), caches, f"{where}.{key}")
    if settings.joint_batch:
        raise ValueError(
            f"{where}.joint_batch: is for classification; segmentation has one pass a domain: drop this key"
        )
    if settings.snapshots and only_source:
        raise ValueError(f"{where}.snapshots: only adapt, refine and joint keep snapshots; drop this key")
    check_schedule(where, settings, [caches[name] for name in (settings.source, settings.target) if name])


def check_schedule(where: str, settings: Schedule, caches: Iterable[CacheEntry]) -> None:
    """ValueError for a schedule that contradicts itself, or whose window is larger than the images."""
    caches = list(caches)
    for cache in caches:
        _check_crop(f"{where}.crop", settings.crop, cache.size)
    _check_windows(where, settings, [width_height(settings.crop or cache.size) for cache in caches])
    if settings.snapshots >= settings.steps:
        raise ValueError(f"{where}.snapshots: must be fewer than steps ({settings.steps})")
    if settings.horizon < settings.steps:
        raise ValueError(f"{where}.horizon: must be at least steps ({settings.steps})")
    if settings.steps % settings.accumulate:
        raise ValueError(f"{where}.accumulate: {settings.accumulate} must divide steps ({settings.steps})")
    if settings.batch_size % settings.processes:
        raise ValueError(f"{where}.processes: {settings.processes} must divide batch_size ({settings.batch_size})")
    if getattr(settings.annealing, "warm_up", 0) >= settings.horizon:
        raise ValueError(f"{where}.annealing.warm_up: must be fewer than horizon ({settings.horizon})")


def _check_windows(where: str, settings: Schedule, windows: list[tuple[int, int]]) -> None:
    ruled = {"crop_largest_share": settings.crop_largest_share < 1, "rare_classes": settings.rare_classes is not None}
    if settings.crop is None:
        for key in ("crop_largest_share", "synchronised_crop"):
            if ruled.get(key, settings.synchronised_crop):
                raise ValueError(f"{where}.{key}: has no effect without crop; set one, or drop this key")
    for key, rules in ruled.items():
        if rules and settings.synchronised_crop:
            raise ValueError(
                f"{where}.{key}: chooses the source's window by its labels, which synchronised_crop would put onto the "
                "target's; drop one of the two"
            )
    if settings.rare_classes is not None:
        smallest = min(width * height for width, height in windows)
        if settings.rare_classes.crop_pixels >= smallest:
            raise ValueError(
                f"{where}.rare_classes.crop_pixels: a window has {smallest} pixels, and none can have more than "
                f"{settings.rare_classes.crop_pixels} of a class; lower it"
            )


def _check_crop(where: str, crop: str | None, size: str) -> None:
    pairs = zip(width_height(crop or size), width_height(size), strict=True)
    if any(wanted > there for wanted, there in pairs):
        raise ValueError(f"{where}: {crop} does not fit into images of {size}; choose a smaller window")


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
    if settings.training.rare_classes is not None:
        raise ValueError(f"{where}.training.rare_classes: counts pixels, of which a class here has none; drop this key")
    schedules = {"training": settings.training}
    figure = settings.easy_and_hard
    if figure is not None:
        for key in ("source", "target"):
            known(getattr(figure, key), settings.domains, f"{where}.easy_and_hard.{key}")
        if figure.source == figure.target:
            raise ValueError(f"{where}.easy_and_hard.target: is the source itself; name another domain")
        schedules["easy_and_hard.training"] = figure.training
    (size,) = sizes
    for key, schedule in schedules.items():
        check_schedule(f"{where}.{key}", schedule, [caches[name] for name in settings.domains.values()])
        is_one_pixel = settings.model.bottleneck or max(width_height(schedule.crop or size)) <= CLASSIFIER_STRIDE
        if is_one_pixel and schedule.batch_size == 1 and settings.model.batch_norm.batch_statistics:
            raise ValueError(
                f"{where}.{key}.batch_size: 1 leaves batch norm a single value a channel to normalise by; use 2 or more"
            )


def check_classifier_method(where: str, name: str, method: MethodEntry, settings: Classification) -> None:
    """ValueError for a method that does not fit an image classifier."""
    for key in _NOT_FOR_CLASSIFIERS:
        if getattr(method, key):
            raise ValueError(f"{where}: method '{name}' has {key}, which an image classifier has no use for")
    adversarial = method.adversarial
    if adversarial is not None and adversarial.name != "dann":
        raise ValueError(
            f"{where}: method '{name}' has adversarial.name: {adversarial.name}, whose discriminators see output maps; "
            "for classifiers use dann"
        )
    if adversarial is not None and not settings.training.joint_batch:
        raise ValueError(
            f"{where}: method '{name}' needs source and target in one batch; set training.joint_batch: true"
        )
