"""Rows of tables and the models behind them: what has no entry of its own under ``methods``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.job import snapshot_role
from segadapt.core.parameters import (
    MethodEntry,
    Parameters,
    SelfTrainingSettings,
    TrainingSettings,
    split_row,
    sweep_cells,
)
from segadapt.core.parameters.learning import Constant
from segadapt.core.parameters.root import ORACLE, SOURCE_ONLY

SOURCE, SOURCE_MULTI = "source", "source_multi"
SOURCES = (SOURCE, SOURCE_MULTI, ORACLE)
"""Models that are trained on one domain alone."""
ADAPT, REFINE, JOINT = "adapt", "refine", "joint"

UNADAPTED = {
    SOURCE_ONLY: {"title": "Source only", "origin": "ours", "paper_row": "Source only"},
    ORACLE: {"title": "Oracle (target labels)", "origin": "control", "paper_row": None},
}
SYMBOLS = {"lambda_target": "λ_T", "image_weight.alpha": "α", "guidance.threshold": "δ"}
"""The paper's letters for parameters that are swept."""
BY_SETTING = (6,)
"""Tables of the paper with rows of several settings, whose names the published rows begin with."""

_LOOKS = {SOURCE_ONLY: 6, ORACLE: 7}
_COLOURS, _OF_METHODS = 8, 6
"""Colours of the figures, and how many of them are the methods'."""


@dataclass(frozen=True)
class Row:
    """A row of one table: a method or a cell of a sweep, in a setting or none. ``base`` is what a cell changes."""

    setting: str | None
    method: str
    title: str
    origin: str
    paper_row: str | None
    base: "Row | None" = None

    @property
    def key(self) -> str:
        """What names the row everywhere: ``rome/maxsquare``."""
        return self.method if self.setting is None else f"{self.setting}/{self.method}"

    @property
    def is_cell(self) -> bool:
        """Whether it is one of a sweep, with another value than its method has."""
        return self.base is not None and self.base.method != self.method

    def about(self, *parts: str) -> dict[str, Any]:
        """What a table says of the row beside its numbers, or some parts of it.

        Its ``method`` is an entry of the parameters: of a cell, the one that is varied.
        """
        every = {name: getattr(self, name) for name in ("key", "title", "origin", "paper_row", "setting", "is_cell")}
        every["method"] = (self.base or self).method
        return {part: every[part] for part in parts or every}


def table_rows(parameters: Parameters, table: str) -> list[Row]:
    """The rows of a table in order, the cells of its sweeps last.

    Settings stand before the titles where a table holds several of them, by title or, without one, by name, and before
    the names of the paper's rows where the paper's own table holds several.
    """
    experiment = parameters.tables[table]
    keys = [*experiment.keys, *(sweep.method for sweep in experiment.sweeps)]
    several = len({split_row(key)[0] for key in keys}) > 1
    published = experiment.published
    rows = [_row(parameters, key, several, published) for key in experiment.keys]
    for index, sweep in enumerate(experiment.sweeps):
        base, symbol = _row(parameters, sweep.method, several, published), SYMBOLS.get(sweep.parameter, sweep.parameter)
        methods, where = parameters.resolved[base.setting].methods, f"experiments.{table}.sweeps[{index}]"
        for name, (value, _) in sweep_cells(sweep, methods, where).items():
            ending = f", {symbol} = {value:g}"
            paper_row = base.paper_row and base.paper_row + ending
            rows.append(Row(base.setting, name, base.title + ending, base.origin, paper_row, base))
    return rows


def plain_row(parameters: Parameters, method: str) -> Row:
    """A row in no setting."""
    return _row(parameters, method, several=False, published=None)


def _row(parameters: Parameters, key: str, several: bool, published: int | None) -> Row:
    setting, name = split_row(key)
    resolved = parameters.resolved[setting]
    method = resolved.methods.get(name)
    about = UNADAPTED[name] if method is None else method.model_dump(include={"title", "origin", "paper_row"})
    before = f"{resolved.title or setting}: " if several and setting else ""
    paper_row = about["paper_row"]
    if name == SOURCE_ONLY and resolved.source_paper_row is not None:
        paper_row = resolved.source_paper_row
    if paper_row is not None and published in BY_SETTING:
        paper_row = f"{resolved.title}: {paper_row}"
    return Row(setting, name, before + about["title"], about["origin"], paper_row)


def look(method: str, methods: Iterable[str]) -> int:
    """The number of a row's colour in every figure (``reporting.style``).

    It follows from the method's place among all ``methods`` of the parameters, not among those of a table: a row that
    is added to a table repaints no other one.
    """
    if method in _LOOKS:
        return _LOOKS[method]
    place = list(methods).index(method)
    return place // _OF_METHODS * _COLOURS + place % _OF_METHODS


def snapshots_beside(path: str, steps: Iterable[int]) -> dict[str, str]:
    """Role to path of the models kept after so many steps, in the folder of another file of their training."""
    return {snapshot_role(step): str(Path(path).with_name(f"snapshot{step:06d}.safetensors")) for step in steps}


def round_name(method: str, number: int) -> str:
    """The name of the model that a round of self-training gives."""
    return f"{method}-round{number}"


def round_training(settings: TrainingSettings, rounds: SelfTrainingSettings, number: int) -> TrainingSettings:
    """The schedule of a round, a constant learning rate, made from that of an adaptation."""
    steps, first_rate = rounds.steps or settings.steps, rounds.learning_rate or settings.learning_rate
    rate = first_rate / rounds.learning_rate_divisor ** (number - 1)
    changes = {"steps": steps, "horizon": steps, "learning_rate": rate, "annealing": Constant(), "snapshots": 0,
               "rare_classes": None}  # fmt: skip
    return settings.model_copy(update=changes)


def baseline(rows: Sequence[Row], methods: Mapping[str, MethodEntry]) -> str:
    """The key of the row that the others of a table, all in one setting, are compared with.

    The first control that forwards target images and learns nothing from them (``lambda_target`` 0): a loss must beat
    that one. A table without it takes its first row.
    """
    for row in rows:
        method = methods.get(row.method)
        if method is None or method.adversarial is not None:
            continue
        if method.target_loss is not None and method.lambda_target == 0:
            return row.key
    return rows[0].key
