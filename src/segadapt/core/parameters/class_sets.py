"""Class sets of the user's own: the section ``class_sets`` of ``params.yaml``."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from segadapt.core.errors import UserError
from segadapt.core.parameters.section import Name, Section, Whole
from segadapt.labels import BUILT_IN, CLASS_SETS, ClassSet, hues, register

LabelId = Annotated[Whole, Field(ge=0, le=255)]
Channel = Annotated[Whole, Field(ge=0, le=255)]
MOST_CLASSES = 254
"""255 is ``ignored``, 254 stands for an id that a data set does not define."""


def _as_entry(value: Any) -> Any:
    """An id or a list of ids alone stands for an entry without a colour."""
    return value if isinstance(value, Mapping | ClassEntry) else {"ids": value}


class ClassEntry(Section):
    """One class: the ids that its pixels have in label files, and its colour (red, green, blue) in pictures."""

    ids: Annotated[
        Annotated[tuple[LabelId, ...], Field(min_length=1)],
        BeforeValidator(
            lambda value: value if isinstance(value, list | tuple) else [value],
            json_schema_input_type=LabelId | tuple[LabelId, ...],
        ),
    ]
    colour: tuple[Channel, Channel, Channel] | None = None


_Entry = Annotated[
    ClassEntry,
    BeforeValidator(_as_entry, json_schema_input_type=ClassEntry | LabelId | tuple[LabelId, ...]),
]


class ClassSetEntry(Section):
    """Classes in the order of their train ids; ``ignored_ids`` may stand in label files and belong to none of them.

    A class is ``{ids: [13, 24], colour: [128, 64, 128]}``, or its id or ids alone: ``road: 3``. Any id in a label file
    that is in neither list is a fault of the file.
    """

    classes: Annotated[dict[Name, _Entry], Field(min_length=2)]
    ignored_ids: tuple[LabelId, ...] = ()
    task: Literal["segmentation", "classification"] = "segmentation"

    def as_class_set(self, name: str) -> ClassSet:
        """The set by that name; ValueError for a built-in name, too many classes, and an id that has two meanings."""
        if name in BUILT_IN:
            raise ValueError(f"class_sets.{name}: this name is a built-in set's; choose another")
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(f"class_sets.{name}.classes: {len(self.classes)} are more than {MOST_CLASSES}; merge some")
        meaning: dict[int, str] = dict.fromkeys(self.ignored_ids, "ignored_ids")
        for key, entry in self.classes.items():
            for each in entry.ids:
                if each in meaning:
                    at = f"class_sets.{name}.classes.{key}"
                    raise ValueError(f"{at}: id {each} stands in {meaning[each]} too; keep one of the two")
                meaning[each] = key
        drawn = zip(self.classes.values(), hues(len(self.classes)), strict=True)
        return ClassSet(
            name,
            tuple(self.classes),
            tuple(entry.colour or hue for entry, hue in drawn),
            tuple(entry.ids[0] for entry in self.classes.values()),
            tuple(sorted(self.ignored_ids)),
            self.task,
            {key: entry.ids[1:] for key, entry in self.classes.items() if len(entry.ids) > 1},
        )


ClassSets = dict[Name, ClassSetEntry]


def check_known(names: Iterable[tuple[str, str | None]]) -> None:
    """ValueError for a class set, given with its key's path, that is neither built in nor registered."""
    for where, name in names:
        if name is not None and name not in CLASS_SETS:
            raise ValueError(
                f"{where}: class set '{name}' is not defined; known are {', '.join(CLASS_SETS)}, and class_sets in "
                "params.yaml can define others"
            )


def register_own(path: Path) -> None:
    """Makes a file's class sets known, whatever else stands in it; UserError for sets that make no sense."""
    from segadapt.core.parameters.loader import read_mapping  # which imports this module
    from segadapt.core.parameters.section import sentence

    try:
        entries = TypeAdapter(ClassSets).validate_python(read_mapping(path).get("class_sets") or {})
        register(entry.as_class_set(name).definition() for name, entry in entries.items())
    except ValidationError as error:
        raise UserError(f"{path}: class_sets.{sentence(error.errors()[0])}") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
