"""Jobs of Table 1 and Figure 5: classifiers, their answers, and what is made of them."""

import copy
from itertools import starmap
from typing import Any

from segadapt.core.job import Input, Job
from segadapt.core.parameters import Parameters, Schedule
from segadapt.core.parameters.classification import task_name
from segadapt.core.parameters.root import SOURCE_ONLY
from segadapt.plan.jobs.tables import Scored, table_jobs
from segadapt.plan.jobs.training import initial_weights, training
from segadapt.plan.methods import check_mixing, sees_target
from segadapt.plan.networks import check_classifier
from segadapt.plan.planner import Planner
from segadapt.plan.rows import Row, baseline, look, plain_row

TABLE, FIGURE5 = "train_classifier", "figure5_classifier"
"""Stages: from the initial weights, and on from a source-only classifier."""
PAPER_SOURCE_ONLY = "ResNet-50"
"""What the paper's Table 1 calls the source model as it is."""
PUBLISHED_NOTE = (
    "Published rows: the paper copied ResNet-50 (source only) and DANN from earlier papers; stronger reproductions of "
    "both exist."
)
"""Source: thuml/Transfer-Learning-Library's read-me has 79.5 and 86.1 on average where the paper has 76.1 and 82.2."""


class Classifiers:
    """Makes the jobs of the active preset's classification; ``planner`` is that of the preset."""

    def __init__(self, parameters: Parameters, planner: Planner) -> None:
        self.parameters, self.frame = parameters, copy.copy(planner)
        self.settings = parameters.active_preset.classification
        self.tasks = self.settings.tasks
        own = {"model": self.settings.model, "precision": self.settings.precision, "lambda_rule": None}
        self.frame.preset = planner.preset.model_copy(update=own)
        # It has no branches, whatever the protocol says of a segmentation network's.
        self.frame.protocol = parameters.classification_protocol.model_copy(update={"aspp_branches": 2})

    def jobs(self) -> list[Job]:
        """Everything that the preset's classification tables and Figure 5 are made of, upstream first."""
        check_classifier(self.settings.model.backbone, f"presets.{self.parameters.preset}.classification.model")
        tables = self.parameters.classification_tables
        rows = dict.fromkeys(row for table in tables.values() for row in table.rows)
        models, figure5 = [(task, row, TABLE) for task in self.tasks for row in rows], self.settings.easy_and_hard
        figures = []
        if figure5 is not None:
            task = task_name(figure5.source, figure5.target)
            models += [(task, SOURCE_ONLY, TABLE), *((task, row, FIGURE5) for row in figure5.methods)]
            figures.append(self.easy_and_hard(task))
        every = [(*each, seed) for seed in self.parameters.seeds for each in models]
        reports = [job for name in tables for job in self.tables(name)]
        return [*starmap(self.train, every), *starmap(self.classify, every), *reports, *figures]

    def train(self, task: str, row: str, stage: str, seed: int) -> Job:
        """Trains a row of a table on one task, from the initial weights; for Figure 5 the source-only model goes on."""
        source, target = (self.frame.cache(self.settings.domains[domain]) for domain in self.tasks[task])
        inputs = initial_weights(self.frame)
        if stage == FIGURE5:
            start = self._model_name(task, SOURCE_ONLY, TABLE)
            inputs = [Input("model", self.frame.path(TABLE, "model", model=start, seed=seed))]
        inputs.append(Input("source", source))
        method = self.parameters.methods.get(row)
        if method is not None:
            check_mixing(row, method, self._schedule(stage), None)
            inputs += [Input("target", target)] if sees_target(method) else []
        model = self._model_name(task, row, stage)
        return training(self.frame, stage, model, seed, self._schedule(stage), inputs, auxiliary=False, method=method)

    def classify(self, task: str, row: str, stage: str, seed: int) -> Job:
        """Scores a classifier of a stage and its snapshots on all images of the task's target."""
        schedule = self._schedule(stage)
        model = self.frame.path(stage, "model", model=self._model_name(task, row, stage), seed=seed)
        labelled = self.frame.cache(self.settings.domains[self.tasks[task][1]])
        config = self.frame.network(auxiliary=False) | {
            "crop": schedule.crop,
            "batch_size": schedule.batch_size,
            "last_step": schedule.steps,
            "test_time": {"flip": False, "heads": False},
        }
        return self.frame.job(
            "evaluate", {"model": self._scored(task, row, stage), "seed": seed}, config=config,
            inputs=[Input("model", model), Input("labelled", labelled)], snapshots=schedule.snapshot_steps,
        )  # fmt: skip

    def score(self, task: str, row: str, seed: int, role: str, stage: str = TABLE) -> str:
        """A file of a classifier's scores."""
        return self.frame.path("evaluate", role, model=self._scored(task, row, stage), seed=seed)

    def _model_name(self, task: str, row: str, stage: str) -> str:
        """What a model is called: a source-only one depends on its source alone."""
        if stage == FIGURE5:
            return row
        return f"{self.tasks[task][0]}/{row}" if row == SOURCE_ONLY else f"{task}/{row}"

    def _scored(self, task: str, row: str, stage: str) -> str:
        return f"classifiers/figure5/{row}" if stage == FIGURE5 else f"classifiers/{task}/{row}"

    def _schedule(self, stage: str) -> Schedule:
        return self.settings.easy_and_hard.training if stage == FIGURE5 else self.settings.training

    def tables(self, name: str) -> list[Job]:
        """A table, a row a method and a column a task, and what goes with it."""
        rows = [plain_row(self.parameters, key) for key in self.parameters.classification_tables[name].rows]
        control = baseline(rows, self.parameters.methods)
        changes = ", ".join(f"{key}={value}" for key, value in self.settings.protocol.items())
        protocol = self.parameters.protocol
        size = self.settings.training.crop or self._cache_size()
        about = {
            "backbone": self.settings.model.backbone,
            "protocol": f"{protocol} with {changes}" if changes else protocol,
            "eval_size": size,
            "network_size": size,
        }
        of_table = {
            "columns": {task: self._task_title(task) for task in self.tasks},
            "measure": "accuracy",
            "primary": "accuracy",
            "evaluation_size": "native",
            "data_note": self.settings.data_note,
            "is_paper_data": self.settings.is_paper_data,
            "published_note": PUBLISHED_NOTE if self.parameters.experiments[name].published is not None else "",
        }
        scored = [self._part(row, task, about, control) for row in rows for task in self.tasks]
        return table_jobs(self.frame, name, scored, of_table)

    def _part(self, row: Row, task: str, about: dict[str, Any], control: str) -> Scored:
        part = {"key": f"{row.key}/{task}", "row": row.key, "column": task, "baseline": f"{control}/{task}"}
        known = row.about()
        if row.key == SOURCE_ONLY:
            known["paper_row"] = PAPER_SOURCE_ONLY
        return Scored(known | about | part, lambda seed, role: self.score(task, row.key, seed, role))

    def easy_and_hard(self, task: str) -> Job:
        """Accuracy on the easy and the hard target images along training, of every method and seed."""
        settings, seeds = self.settings.easy_and_hard, self.parameters.seeds
        inputs = []
        for seed in seeds:
            inputs.append(Input("source_only", self.score(task, SOURCE_ONLY, seed, "confusion"), seed=seed))
            for row in settings.methods:
                inputs.append(Input("confusion", self.score(task, row, seed, "confusion", FIGURE5), row, seed))
        methods = self.parameters.methods
        config = {
            "rows": [{"key": row, "title": methods[row].title, "look": look(row, methods)} for row in settings.methods],
            "seeds": list(seeds),
            "share": settings.share,
            "last_step": settings.training.steps,
            "task": self._task_title(task),
            "data_note": self.settings.data_note,
        }
        return self.frame.job("easy_and_hard", {}, inputs=inputs, config=config)

    def _task_title(self, task: str) -> str:
        return " → ".join(self.tasks[task])

    def _cache_size(self) -> str:
        return self.parameters.active_preset.caches[next(iter(self.settings.domains.values()))].size
