"""What a method's file says of itself, read from its text: the file itself imports torch, which costs seconds.

A file of ``segadapt/methods`` holds a class of its own name. ``TAKES`` names the sections of an entry that the class
reads beside ``lambda_target``; ``TARGET_PASSES`` is what an estimate counts; ``BY_LOSS_TIME`` says that a preset's
``lambda_rule`` holds for its λ; ``SEES_TARGET`` is False for a method that needs no target images, ``MIXES`` True for
one that puts pixels of both domains into one image, ``HIDES_TOKENS`` for one that hides tokens of its network, and
``OWN_GRADIENTS`` for one that takes gradients of the network by itself, which processes cannot add up. The
fields of its class ``Options`` are of types that this module can read: those in ``TYPES``, ``Literal`` of plain
values, and ``Annotated`` of a type with one ``Field`` of numbers; ``class Options(dacs.Options)`` adds to those of
another file. Three types say what an option must fit:
``Rows`` of an image, of which all together must leave some; a ``Side``, which must fit into it; and ``FeatureWeight``,
how much the distance of features weighs, for which the network must have some.
"""

import ast
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, create_model

from segadapt.core.chosen import class_name
from segadapt.core.errors import UserError
from segadapt.core.parameters import MethodEntry, ModelSettings, Schedule, width_height
from segadapt.core.parameters.section import (
    FEATURES,
    ROWS,
    SIDE,
    Count,
    FeatureWeight,
    Fraction,
    Rows,
    Section,
    Side,
    sentence,
)
from segadapt.labels import CLASS_SETS, THINGS
from segadapt.plan.code import constant_of, module_body, require_file
from segadapt.plan.networks import feature_cell

TYPES = {
    "float": float, "int": int, "bool": bool, "str": str, "Fraction": Fraction, "Count": Count, "Rows": Rows,
    "Side": Side, "FeatureWeight": FeatureWeight,
}  # fmt: skip
SECTIONS = ("image_weight", "guidance", "adversarial")
"""Sections of an entry that not every method can be combined with."""


def checked_options(name: str, method: MethodEntry) -> dict[str, Any]:
    """All options of a method's entry, defaults filled in.

    UserError if its loss has no file, or if the entry has options or sections that the file does not know.
    """
    loss, where = method.target_loss, f"methods.{name}"
    if loss is None:
        if method.options:
            raise UserError(f"params.yaml: {where}.options: has no effect without target_loss; drop this key")
        return {}
    require_file("segadapt.methods", loss, f"{where}.target_loss", defines=class_name)
    for section in SECTIONS:
        if getattr(method, section) and section not in takes(loss):
            raise UserError(
                f"params.yaml: {where}.{section}: has no effect on {loss}; drop this key, or name it in TAKES of "
                f"segadapt/methods/{loss}.py"
            )
    try:
        return options_of(loss)(**method.options).model_dump()
    except ValidationError as error:
        told = "; ".join(sentence(each) for each in error.errors())
        has = ", ".join(options_of(loss).model_fields) or "none"
        raise UserError(f"params.yaml: {where}.options.{told} (options of {loss}: {has})") from error


@cache
def options_of(loss: str) -> type[Section]:
    """The ``Options`` of a file of ``segadapt/methods``, without options if it has no such class; UserError for a field
    that cannot be read."""
    fields: dict[str, Any] = {}
    base: type[Section] = Section
    for node in module_body(f"segadapt.methods.{loss}"):
        is_options = isinstance(node, ast.ClassDef) and node.name == "Options"
        if is_options and isinstance(node.bases[0], ast.Attribute):  # mixed.Options
            base = options_of(ast.unparse(node.bases[0].value))
        for field in node.body if is_options else ():
            if isinstance(field, ast.AnnAssign):
                try:
                    fields[field.target.id] = _type(field.annotation), ast.literal_eval(field.value)
                except (ValueError, TypeError, AttributeError) as error:
                    raise UserError(
                        f"segadapt/methods/{loss}.py, line {field.lineno}: {ast.unparse(field)!r} is no option that a "
                        f"plan can read; write 'name: type = value' with a plain value and a type of {', '.join(TYPES)}"
                    ) from error
    return create_model("Options", __base__=base, **fields)


def _type(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in TYPES:
            return TYPES[name]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=values):
            return Literal[ast.literal_eval(values)]
        case ast.Subscript(
            value=ast.Name(id="Annotated"),
            slice=ast.Tuple(elts=[kind, ast.Call(func=ast.Name(id="Field"), args=[], keywords=bounds)]),
        ):
            return Annotated[_type(kind), Field(**{each.arg: ast.literal_eval(each.value) for each in bounds})]
    raise ValueError(ast.unparse(node))


def takes(loss: str) -> tuple[str, ...]:
    """The sections of an entry that a method's file can be combined with."""
    return _constant(loss, "TAKES", ())


def sees_target(method: MethodEntry) -> bool:
    """Whether target images are looked at while training."""
    return method.sees_target and _constant(method.target_loss, "SEES_TARGET", True)


def check_mixing(name: str, method: MethodEntry, schedule: Schedule, sizes: tuple[str, str] | None) -> None:
    """UserError for a method that mixes images that cannot be, by the ``sizes`` of both caches, None of classifiers."""
    where = f"params.yaml: methods.{name}"
    if not _constant(method.target_loss, "MIXES", False):
        return
    if sizes is None:
        raise UserError(f"{where}: mixes pixels, and a classifier's image is of one class; list it in another table")
    source, target = (schedule.crop or size for size in sizes)
    if source != target:
        raise UserError(
            f"{where}.training.crop: is missing, and images of {source} and {target} cannot be mixed; cut both to one "
            "size"
        )
    (width, height), rows = width_height(source), options_like(method.target_loss, method.options, ROWS)
    if rows and sum(rows.values()) >= height:
        told = f"{' and '.join(rows)} take {sum(rows.values())} rows of {height}"
        raise UserError(f"{where}.options.{[*rows][-1]}: {told} and leave none; lower them")
    for option, side in options_like(method.target_loss, method.options, SIDE).items():
        if side > min(width, height):
            raise UserError(f"{where}.options.{option}: {side} does not fit into images of {source}; lower it")


def options_like(loss: str | None, given: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Those options of a target loss that are of a kind (``segadapt.core.parameters.section``), as ``given`` or not."""
    if loss is None:
        return {}
    options = options_of(loss)(**given)
    return {
        name: getattr(options, name) for name, field in type(options).model_fields.items() if kind in field.metadata
    }


def needs_features(loss: str | None, options: Mapping[str, Any]) -> bool:
    """Whether features of the network are held against those of its initial weights."""
    return any(weight > 0 for weight in options_like(loss, options, FEATURES).values())


def check_features(name: str, method: MethodEntry, schedule: Schedule, size: str, model: ModelSettings) -> None:
    """UserError for a method that needs features where there are none, or nothing to hold them against.

    ``size`` is that of the source's cache.
    """
    if not needs_features(method.target_loss, method.options):
        return
    option = next(iter(options_like(method.target_loss, method.options, FEATURES)))
    where = f"params.yaml: methods.{name}.options.{option}"
    cell = feature_cell(model.backbone)
    if cell is None:
        raise UserError(f"{where}: {model.backbone} gives no features of its last stage; set it to 0")
    if model.initial_weights is None:
        raise UserError(
            f"{where}: features are held against those of model.initial_weights, which is null; set it to 0"
        )
    if not THINGS & set(CLASS_SETS[model.classes].classes):
        raise UserError(f"{where}: none of {model.classes} is a thing ({', '.join(sorted(THINGS))}); set it to 0")
    seen = schedule.crop or size
    if any(side % cell for side in width_height(seen)):
        raise UserError(
            f"params.yaml: methods.{name}.training.crop: sides of {seen} are no multiples of {cell}, the cells of "
            f"{model.backbone}'s features; choose another crop, or set {option} to 0"
        )


def target_passes(loss: str | None) -> tuple[str, ...]:
    """The passes of target images, or of as large ones, in a step: "learns", or "forward" for one without a graph."""
    return _constant(loss, "TARGET_PASSES", ("learns",))


def check_processes(name: str, loss: str | None, processes: int) -> None:
    """UserError for a method that several processes cannot train."""
    if processes > 1 and _constant(loss, "OWN_GRADIENTS", False):
        raise UserError(
            f"params.yaml: methods.{name}: takes gradients of its own, which {processes} processes cannot add up yet; "
            "set processes of its training to 1"
        )


def is_by_loss_time(loss: str) -> bool:
    """Whether a preset's ``lambda_rule`` holds for the λ of a target loss."""
    return _constant(loss, "BY_LOSS_TIME", False)


def _constant(loss: str | None, name: str, default: Any) -> Any:
    try:
        return default if loss is None else constant_of(f"segadapt.methods.{loss}", name)
    except KeyError:
        return default
