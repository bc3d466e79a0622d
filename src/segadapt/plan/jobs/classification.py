"""Jobs of Table 1 and Figure 5: classifiers, their answers, and what is made of them."""

from typing import Any

from segadapt.core.job import Input, Job
from segadapt.core.parameters import Parameters, Schedule
from segadapt.core.parameters.classification import task_name
from segadapt.core.parameters.root import SOURCE_ONLY
from segadapt.plan.jobs.tables import Scored, table_jobs
from segadapt.plan.jobs.training import PROTOCOL_SWITCHES, method_config
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
    """Makes the jobs of the active preset's classification; ``frame`` gives names, paths and frames of jobs."""

    def __init__(self, parameters: Parameters, frame: Planner) -> None:
        self.parameters, self.frame = parameters, frame
        self.settings = parameters.active_preset.classification
        self.tasks = self.settings.tasks
        self.protocol = parameters.classification_protocol

    def jobs(self) -> list[Job]:
        """Everything that the preset's classification tables and Figure 5 are made of, upstream first."""
        tables = self.parameters.classification_tables
        if not tables:
            return []
        check_classifier(self.settings.model.backbone, f"presets.{self.parameters.preset}.classification.model")
        rows = dict.fromkeys(row for table in tables.values() for row in table.rows)
        seeds, figure5 = self.parameters.seeds, self.settings.easy_and_hard
        found = [self.train(task, row, seed) for seed in seeds for task in self.tasks for row in rows]
        found += [self.classify(task, row, seed) for seed in seeds for task in self.tasks for row in rows]
        if figure5 is not None:
            task = task_name(figure5.source, figure5.target)
            found += [self.train(task, SOURCE_ONLY, seed) for seed in seeds]
            found += [self.classify(task, SOURCE_ONLY, seed) for seed in seeds]
            found += [self.train_on(task, row, seed) for seed in seeds for row in figure5.methods]
            found += [self.classify(task, row, seed, FIGURE5) for seed in seeds for row in figure5.methods]
            found.append(self.easy_and_hard(task))
        for name in tables:
            found += self.tables(name)
        return found

    def model(self, task: str, row: str, seed: int, stage: str = TABLE) -> str:
        """The weights of a classifier."""
        return self.frame.path(stage, "model", model=self.model_name(task, row, stage), seed=seed)

    def model_name(self, task: str, row: str, stage: str) -> str:
        """What a model is called: a source-only one depends on its source alone."""
        if stage == FIGURE5:
            return row
        return f"{self.tasks[task][0]}/{row}" if row == SOURCE_ONLY else f"{task}/{row}"

    def score(self, task: str, row: str, seed: int, role: str, stage: str = TABLE) -> str:
        """A file of its scores."""
        return self.frame.path("evaluate", role, model=self._scored(task, row, stage), seed=seed)

    def _scored(self, task: str, row: str, stage: str) -> str:
        return f"classifiers/figure5/{row}" if stage == FIGURE5 else f"classifiers/{task}/{row}"

    def train(self, task: str, row: str, seed: int) -> Job:
        """Trains one row of a table on one task, from the initial weights."""
        weights = self.settings.model.initial_weights
        inputs = [] if weights is None else [Input("initial_weights", weights)]
        return self._training(TABLE, task, row, seed, self.settings.training, inputs)

    def train_on(self, task: str, row: str, seed: int) -> Job:
        """Trains a source-only model on by a method, for Figure 5."""
        inputs = [Input("model", self.model(task, SOURCE_ONLY, seed))]
        return self._training(FIGURE5, task, row, seed, self.settings.easy_and_hard.training, inputs)

    def _training(self, stage: str, task: str, row: str, seed: int, schedule: Schedule, inputs: list[Input]) -> Job:
        source, target = (self.frame.cache(self.settings.domains[domain]) for domain in self.tasks[task])
        method = self.parameters.methods.get(row)
        inputs = [*inputs, Input("source", source)]
        if method and method.sees_target:
            inputs.append(Input("target", target))
        config = self._network() | {
            "seed": seed,
            "training": schedule.model_dump(),
            "repeated_updates": self.protocol.repeated_updates,
        }
        if method is not None:
            config |= {
                "method": method_config(row, method),
                "protocol": self.protocol.model_dump(include=PROTOCOL_SWITCHES),
            }
        return self.frame.job(
            stage, {"model": self.model_name(task, row, stage), "seed": seed}, inputs=inputs, config=config,
            snapshots=schedule.snapshot_steps,
        )  # fmt: skip

    def _network(self) -> dict[str, Any]:
        return {
            "model": self.settings.model.model_dump(exclude={"initial_weights"}),
            "auxiliary": False,
            "aspp_branches": 2,
            "precision": self.settings.precision.model_dump(),
            "cpu_threads": self.parameters.active_preset.run.cpu_threads,
        }

    def classify(self, task: str, row: str, seed: int, stage: str = TABLE) -> Job:
        """Scores a classifier of a stage and its snapshots on all images of the task's target."""
        schedule = self.settings.easy_and_hard.training if stage == FIGURE5 else self.settings.training
        labelled = self.frame.cache(self.settings.domains[self.tasks[task][1]])
        inputs = [Input("model", self.model(task, row, seed, stage)), Input("labelled", labelled)]
        config = self._network() | {
            "crop": schedule.crop,
            "batch_size": schedule.batch_size,
            "last_step": schedule.steps,
            "test_time": {"flip": False, "heads": False},
        }
        subject = {"model": self._scored(task, row, stage), "seed": seed}
        return self.frame.job("evaluate", subject, inputs=inputs, config=config, snapshots=schedule.snapshot_steps)

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
