"""Jobs that put numbers together: the tables and what goes with each of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.parameters import Parameters
from segadapt.core.stages import BESIDE_TABLES, STAGES, TABLE
from segadapt.labels import CLASS_SETS
from segadapt.plan.planner import Planner
from segadapt.plan.rows import Row, baseline, table_rows

_ALWAYS = ("key", "title", "origin", "setting", "method", "row", "column")


@dataclass(frozen=True)
class Scored:
    """A row of a table, or the part of it in one column: what is scored by itself.

    ``about`` is what tables say of it: ``key``, ``title``, ``origin``, ``paper_row``, ``backbone``, ``protocol``,
    ``eval_size``, ``network_size`` and ``baseline``, the key of what it is compared with, perhaps ``also_against``, of
    what else; of a part also ``row`` and ``column``. ``file`` gives its scores by seed and role.
    """

    about: dict[str, Any]
    file: Callable[[int, str], str]


def table_jobs(
    planner: Planner, name: str, scored: list[Scored], about: Mapping[str, Any], alone: bool = False
) -> list[Job]:
    """A table and what goes with it, if it is not ``alone``.

    Args:
        planner: Gives names and paths.
        name: The table's.
        scored: Its rows, whole or in parts, in order.
        about: What the table goes by and says: ``columns``, name to title, ``measure``, their mean's name, ``primary``,
            the name of the primary number, ``evaluation_size``, ``data_note``, ``is_paper_data``, ...

    Raises:
        UserError: for two rows of one title, by which everything that reads a table tells its rows apart.
    """
    _check_titles(name, scored)
    parameters, jobs = planner.parameters, []
    published, in_parts = parameters.experiments[name].published, "column" in scored[0].about
    companions = [stage for stage in BESIDE_TABLES if stage.in_parts or not in_parts]
    for stage in (STAGES[TABLE], *(() if alone else companions)):
        inputs = [
            Input(role, each.file(seed, role), each.about["key"], seed)
            for role in stage.reads
            for each in scored
            for seed in parameters.seeds
        ]
        config = {
            "seeds": list(parameters.seeds),
            "preset": parameters.preset,
            "protocol": parameters.protocol,
            **about,
            "rows": [{key: each.about[key] for key in (*_ALWAYS, *stage.says) if key in each.about} for each in scored],
        }
        if stage.name == TABLE:
            config["published"] = published
            if published is not None:
                inputs.append(published_input(published))
        jobs.append(planner.job(stage.name, {"table": name}, inputs=inputs, config=config))
    return jobs


def _check_titles(table: str, scored: Iterable[Scored]) -> None:
    called: dict[str, str] = {}
    for about in (each.about for each in scored):
        key = about.get("row", about["key"])
        if (other := called.setdefault(about["title"].casefold(), key)) != key:
            raise UserError(
                f"params.yaml: experiments.{table}: rows '{other}' and '{key}' are both titled '{about['title']}'; "
                "give their methods or settings different titles"
            )


def published_input(table: int) -> Input:
    """The numbers that the paper printed in a table of its own."""
    return Input("published", f"results/published/paper_table{table}.csv")


class Reporter:
    """Makes the jobs that read the evaluations of rows, whichever their settings."""

    def __init__(self, parameters: Parameters, planners: Mapping[str | None, Planner]) -> None:
        self.parameters, self.planners, self.base = parameters, planners, planners[None]
        self.rows = {name: table_rows(parameters, name) for name in parameters.tables}

    def listed(self, table: str) -> list[Row]:
        """The rows that a table lists by name, without the cells of its sweeps."""
        return [row for row in self.rows[table] if row.base is None]

    def tables(self, name: str) -> list[Job]:
        """A table and what goes with it. What is scored on fewer classes than the model's has no companions."""
        experiment, rows = self.parameters.tables[name], self.rows[name]
        classes = experiment.classes or self.planners[rows[0].setting].scored_classes(rows[0].method)
        about = self.about_table(rows) | {
            "classes": classes,
            "columns": {each: each for each in CLASS_SETS[classes].classes},
            "measure": "mIoU",
            "primary": f"mIoU {self.parameters.active_protocol.evaluation_size}",
            "published_note": "",
        }
        scored = [self._scored(row, rows, experiment.also_against) for row in rows]
        return table_jobs(self.base, name, scored, about, alone=experiment.classes is not None)

    def _scored(self, row: Row, rows: list[Row], also_against: Sequence[str]) -> Scored:
        planner = self.planners[row.setting]
        own = planner.of(row.method)
        switches = ", ".join(f"{name}={value}" for name, value in own.switches.items())
        same = [each for each in rows if each.setting == row.setting]
        size = planner.preset.caches[planner.evaluation_cache(planner.is_refined(row.method))].size
        about = {
            "backbone": own.preset.model.backbone,
            "protocol": f"{self.parameters.protocol} with {switches}" if switches else self.parameters.protocol,
            "eval_size": size if own.protocol.evaluation_size == "network" else "native",
            "network_size": size,
            "baseline": baseline(same, planner.methods),
        }
        if others := [each.key for each in same if each.key in also_against and each.key != row.key]:
            about["also_against"] = others
        return Scored(row.about() | about, lambda seed, role: self.score(row, seed, role))

    def about_table(self, rows: Iterable[Row]) -> dict[str, Any]:
        """What every table and figure of scores goes by and says."""
        presets = [self.planners[row.setting].preset for row in rows]
        return {
            "evaluation_size": self.parameters.active_protocol.evaluation_size,
            "data_note": " ".join(dict.fromkeys(preset.data_note for preset in presets)),
            "is_paper_data": all(preset.is_paper_data for preset in presets),
        }

    def metrics(self, rows: Iterable[Row]) -> list[Input]:
        """Those of every row and seed."""
        seeds = self.parameters.seeds
        return [Input("metrics", self.score(row, seed), row.key, seed) for row in rows for seed in seeds]

    def score(self, row: Row, seed: int, role: str = "metrics") -> str:
        """A file of the evaluation of a row and seed."""
        return self.planners[row.setting].score(row.method, seed, role)
