"""Jobs that put numbers together: the tables and what goes with each of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from segadapt.core.job import Job, score_role
from segadapt.core.parameters import Parameters
from segadapt.plan.planner import Planner
from segadapt.plan.rows import Row, baseline, table_rows

BOOTSTRAP = {"bootstrap_samples": 2000, "bootstrap_seed": 20191027}
"""Fixed, so that equal evaluations give equal intervals."""


class Reporter:
    """Makes the jobs that read the evaluations of rows, whichever their settings."""

    def __init__(self, parameters: Parameters, planners: Mapping[str | None, Planner]) -> None:
        self.parameters, self.planners, self.base = parameters, planners, planners[None]
        self.rows = {name: table_rows(parameters, name) for name in parameters.tables}

    def tables(self, name: str) -> list[Job]:
        """A table and what goes with it. What is scored on fewer classes than the model's has no companions."""
        if self.parameters.tables[name].classes is not None:
            return [self.table(name)]
        tables = (self.table, self.protocols, self.statistics, self.measures, self.costs)
        return [make(name) for make in tables]

    def table(self, name: str) -> Job:
        """``results/<name>`` in all its forms."""
        experiment = self.parameters.tables[name]
        rows = self.rows[name]
        inputs = self.metrics(rows)
        if experiment.published is not None:
            inputs["published"] = f"results/published/paper_table{experiment.published}.csv"
        return self.base.job(
            "table", {"table": name},
            inputs=inputs,
            config=self.about_table(rows) | {
                "rows": [row.about() | self._about_scoring(row) for row in rows],
                "published": experiment.published,
                "classes": experiment.classes or self.planners[rows[0].setting].preset.model.classes,
            },
        )  # fmt: skip

    def protocols(self, name: str) -> Job:
        """The same rows in every scoring mode."""
        rows = self.rows[name]
        return self.companion("protocols", name, self.metrics(rows), {"rows": self._rows_with_size(rows)})

    def measures(self, name: str) -> Job:
        """Boundaries, calibration and label-free scores of the same rows, and how well the latter rank the models."""
        rows = self.rows[name]
        about = {"rows": self._rows_with_size(rows)}
        return self.companion("measures", name, self.metrics(rows), about)

    def statistics(self, name: str) -> Job:
        """Each row against the control of its setting, over seeds and over images."""
        rows = self.rows[name]
        confusions = {
            score_role("confusion", row.key, seed): self.score(row, seed, "confusion")
            for row in rows
            for seed in self.parameters.seeds
        }
        return self.companion(
            "statistics", name, self.metrics(rows) | confusions,
            BOOTSTRAP | {
                "rows": [row.about("key", "title", "origin") | {"baseline": self._baseline(row, rows)} for row in rows]
            },
        )  # fmt: skip

    def costs(self, name: str) -> Job:
        """What each row took, from the records of the jobs behind it."""
        rows = self.rows[name]
        config = {"rows": [row.about("key", "title", "origin") for row in rows]}
        return self.companion("costs", name, self.metrics(rows), config)

    def companion(self, stage: str, name: str, inputs: dict[str, str], config: dict[str, Any]) -> Job:
        """What goes with a table, and says the same of its rows."""
        return self.base.job(stage, {"table": name}, inputs=inputs, config=self.about_table(self.rows[name]) | config)

    def about_table(self, rows: Iterable[Row]) -> dict[str, Any]:
        """What every table goes by and says."""
        presets = [self.planners[row.setting].preset for row in rows]
        return {
            "seeds": list(self.parameters.seeds),
            "preset": self.parameters.preset,
            "protocol": self.parameters.protocol,
            "evaluation_size": self.parameters.active_protocol.evaluation_size,
            "data_note": " ".join(dict.fromkeys(preset.data_note for preset in presets)),
            "is_paper_data": all(preset.is_paper_data for preset in presets),
        }

    def metrics(self, rows: Iterable[Row]) -> dict[str, str]:
        """Role to file, of every row and seed."""
        seeds = self.parameters.seeds
        return {score_role("metrics", row.key, seed): self.score(row, seed) for row in rows for seed in seeds}

    def score(self, row: Row, seed: int, role: str = "metrics") -> str:
        """A file of the evaluation of a row and seed."""
        return self.planners[row.setting].score(row.method, seed, role)

    def _about_scoring(self, row: Row) -> dict[str, str]:
        planner = self.planners[row.setting].of(row.method)
        switches = ", ".join(f"{name}={value}" for name, value in planner.switches.items())
        protocol = f"{self.parameters.protocol} with {switches}" if switches else self.parameters.protocol
        size = self._network_size(row) if planner.protocol.evaluation_size == "network" else "native"
        return {"backbone": planner.preset.model.backbone, "eval_size": size, "protocol": protocol}

    def _rows_with_size(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        return [row.about("key", "title", "origin") | {"network_size": self._network_size(row)} for row in rows]

    def _network_size(self, row: Row) -> str:
        planner = self.planners[row.setting]
        return planner.preset.caches[planner.evaluation_cache(planner.is_refined(row.method))].size

    def _baseline(self, row: Row, rows: list[Row]) -> str:
        same = [each.key for each in rows if each.setting == row.setting]
        return baseline(same, self.planners[row.setting].methods)
