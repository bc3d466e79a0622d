"""A section of ``params.yaml``: the strict base and types of its values, how faults are told, and overlaying."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from segadapt.core.parameters.text import LONGEST_NAME, file_path, shortened
from segadapt.labels import BUILT_IN

Size = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"),
    Field(description="image size as WIDTHxHEIGHT in pixels, for example 1280x720"),
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
PathText = Annotated[str, AfterValidator(file_path)]
RowKey = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z][a-z0-9_]*/)?[a-z][a-z0-9_]*$", max_length=2 * LONGEST_NAME + 1),
    Field(description="a row of a table: a method, or setting/method"),
]
KeyPath = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"),
    Field(description="a key within a section, with dots: image_weight.alpha"),
]
ClassSetName = Annotated[Name, Field(description=f"a class set: {', '.join(sorted(BUILT_IN))}, or a key of class_sets")]
Whole = Annotated[int, Field(strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
ROWS, SIDE, FEATURES = "rows of an image", "a side within an image", "of features"
"""What a method's options of the types below are, for whoever holds them against images and network."""
Rows = Annotated[Whole, Field(ge=0), ROWS]
Side = Annotated[Count, SIDE]
FeatureWeight = Annotated[float, Field(ge=0), FEATURES]


CHOSEN_BY_NAME = ("optimiser", "annealing")
"""Keys of sections of several kinds, of which their ``name`` chooses one (``learning.py``)."""


class Section(BaseModel):
    """A part of ``params.yaml``: unknown keys, NaN and infinity are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # Floats are not strict, because YAML 1.1 readers hand over "1e-4" as a string.
    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is float:
            raise ValueError(f"must be a number, not {str(value).lower()}; write a number")
        return value


def keys_within(annotation: Any) -> dict[str, None]:
    """The keys of all sections that a field of this type may hold, in order; none for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return dict.fromkeys(annotation.model_fields)
    return {key: None for part in get_args(annotation) for key in keys_within(part)}


def width_height(size: str) -> tuple[int, int]:
    """``"1280x720"`` as (1280, 720), the order of PIL."""
    width, height = size.split("x")
    return int(width), int(height)


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over`` in place of its own; where both hold a mapping, likewise within.

    Of a section that goes by another ``name`` (another optimiser, say) nothing of the old one stays.
    """
    if isinstance(over.get("name"), str) and over["name"] != base.get("name"):
        return dict(over)
    result = dict(base)
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = overlaid(result[key], value) if nested else value
    return result


def in_file(key: str, file: str = "params.yaml") -> str:
    """A key's path, perhaps with a sentence after it, with the file in front that it stands in: a preset has its own.

    ``presets.paper.adapt.steps`` is ``presets/paper.yaml: adapt.steps``, any other key ``file``'s.
    """
    of_preset = re.match(r"presets\.([^.:\[]+)(\.|: )", key)
    if of_preset is None:
        return f"{file}: {key}"
    return f"{Path(file).with_name('presets') / of_preset[1]}.yaml: {key[of_preset.end() :]}"


def sentence(error: Mapping[str, Any]) -> str:
    """One entry of ``ValidationError.errors()`` for users; begins with the path of the key, if it has one."""
    path = ""
    for before, part in zip((None, *error["loc"]), error["loc"], strict=False):
        if before in CHOSEN_BY_NAME:  # pydantic puts the name of the section here
            continue
        name = shortened(str(part))
        path += f"[{part}]" if isinstance(part, int) else f".{name}" if path else name
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown key; correct its spelling or remove it"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        known = context["expected_tags"].replace("'", "")
        return f"{path}: '{context['tag']}' is unknown; use one of {known}"
    if error["type"] == "union_tag_not_found":
        there = ", ".join(shortened(str(key)) for key in error["input"]) if isinstance(error["input"], Mapping) else ""
        return f"{path}.name: is missing{f' (there is {there})' if there else ''}; add it"
    if error["type"] == "missing":
        return f"{path}: is missing; add it"
    if error["type"] == "value_error":
        return f"{path}: {error['ctx']['error']}" if path else str(error["ctx"]["error"])
    given = repr(error["input"])
    return f"{path}: {error['msg']}, got {given if len(given) < 60 else given[:57] + '...'}"
