"""Rows of tables and the models behind them: what has no entry of its own under ``methods``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segadapt.core.job import snapshot_role
from segadapt.core.parameters import (
    MethodEntry,
    Parameters,
    Schedule,
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
    """A row of one table. ``key`` names it everywhere, ``method`` is its part after the setting.

    ``base`` is the row that a cell of a sweep is a change of.
    """

    key: str
    title: str
    origin: str
    paper_row: str | None
    base: "Row | None" = None

    @property
    def setting(self) -> str | None:
        return split_row(self.key)[0]

    @property
    def method(self) -> str:
        return split_row(self.key)[1]

    def about(self, *parts: str) -> dict[str, Any]:
        """What a table says of the row beside its numbers, or some parts of it."""
        every = {"key": self.key, "title": self.title, "origin": self.origin, "paper_row": self.paper_row}
        return {part: every[part] for part in parts or every}


def table_rows(parameters: Parameters, table: str) -> list[Row]:
    """The rows of a table in order, the cells of its sweeps last.

    Settings stand before the titles where a table holds several of them, and before the names of the paper's rows where
    the paper's own table holds several.
    """
    experiment = parameters.tables[table]
    keys = [*experiment.rows, *(sweep.method for sweep in experiment.sweeps)]
    several = len({split_row(key)[0] for key in keys}) > 1
    published = experiment.published
    rows = [_row(parameters, key, several, published) for key in experiment.rows]
    for index, sweep in enumerate(experiment.sweeps):
        resolved = parameters.resolved[split_row(sweep.method)[0]]
        base, symbol = _row(parameters, sweep.method, several, published), SYMBOLS.get(sweep.parameter, sweep.parameter)
        for key, (value, _) in sweep_cells(sweep, resolved.methods, f"experiments.{table}.sweeps[{index}]").items():
            ending = f", {symbol} = {value:g}"
            rows.append(Row(key, base.title + ending, base.origin, base.paper_row and base.paper_row + ending, base))
    return rows


def plain_row(parameters: Parameters, method: str) -> Row:
    """A row in no setting."""
    return _row(parameters, method, several=False, published=None)


def _row(parameters: Parameters, key: str, several: bool, published: int | None) -> Row:
    setting, name = split_row(key)
    resolved = parameters.resolved[setting]
    method = resolved.methods.get(name)
    about = UNADAPTED[name] if method is None else method.model_dump(include={"title", "origin", "paper_row"})
    before = f"{resolved.title}: " if several and resolved.title else ""
    paper_row = about["paper_row"]
    if name == SOURCE_ONLY and resolved.source_paper_row is not None:
        paper_row = resolved.source_paper_row
    if paper_row is not None and published in BY_SETTING:
        paper_row = f"{resolved.title}: {paper_row}"
    return Row(key, before + about["title"], about["origin"], paper_row)


def look(method: str, methods: Iterable[str]) -> int:
    """The number of a row's colour in every figure (``reporting.style``).

    It follows from the method's place among all ``methods`` of the parameters, not among those of a table: a row that
    is added to a table repaints no other one.
    """
    if method in _LOOKS:
        return _LOOKS[method]
    place = list(methods).index(method)
    return place // _OF_METHODS * _COLOURS + place % _OF_METHODS


def snapshot_files(settings: Schedule) -> dict[str, str]:
    """Role to file name of the models that a training job keeps on the way."""
    return {snapshot_role(step): f"snapshot{step:06d}.safetensors" for step in settings.snapshot_steps}


def beside(path: str, files: Mapping[str, str]) -> dict[str, str]:
    """Role to path of files, role to name, in the folder of another one."""
    return {role: str(Path(path).with_name(file)) for role, file in files.items()}


def round_name(method: str, number: int) -> str:
    """The name of the model that a round of self-training gives."""
    return f"{method}-round{number}"


def round_training(settings: TrainingSettings, rounds: SelfTrainingSettings, number: int) -> TrainingSettings:
    """The schedule of a round, a constant learning rate, made from that of an adaptation."""
    steps, first_rate = rounds.steps or settings.steps, rounds.learning_rate or settings.learning_rate
    rate = first_rate / rounds.learning_rate_divisor ** (number - 1)
    changes = {"steps": steps, "horizon": steps, "learning_rate": rate, "annealing": Constant(), "snapshots": 0}
    return settings.model_copy(update=changes)


def baseline(keys: Sequence[str], methods: Mapping[str, MethodEntry]) -> str:
    """The row that the others of a table, all in one setting, are compared with.

    The first control that forwards target images and learns nothing from them (``lambda_target`` 0): a loss must beat
    that one. A table without it takes its first row.
    """
    for key in keys:
        method = methods.get(split_row(key)[1])
        if method is None or method.adversarial is not None:
            continue
        if method.target_loss is not None and method.lambda_target == 0:
            return key
    return keys[0]
