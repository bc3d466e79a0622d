"""The page that shows a run, and the pictures of its gallery."""

import hashlib
from typing import Any

from segadapt.core.job import Input, Job
from segadapt.core.parameters import Parameters
from segadapt.core.parameters.root import SOURCE_ONLY
from segadapt.core.stages import BARS, BESIDE_TABLES, GALLERY, REPORT, ROBUSTNESS, TABLE
from segadapt.plan.code import ROOT
from segadapt.plan.jobs.scoring import evaluate
from segadapt.plan.jobs.tables import Reporter
from segadapt.plan.planner import Planner
from segadapt.plan.rows import ADAPT, SOURCE, Row, look

IMAGES, IMAGES_BESIDE = 12, 6
"""How many the gallery shows, those on which the rows differ most, of the first data and of further ones."""
_OF_MODELS = (
    "model", "auxiliary", "aspp_branches", "precision", "cpu_threads", "auxiliary_of_members", "ensemble_average",
)  # fmt: skip
"""What of an evaluation's configuration says how its model, or models, predict."""
_PARTS = sorted(path for path in (ROOT / "reporting/report").iterdir() if path.suffix in (".html", ".css", ".js"))
"""Template, style and script of the page: its code, though no Python."""


def shown_tables(parameters: Parameters) -> list[str]:
    """The tables on the page, the main one first: those that the preset's ``report`` names, or all."""
    made = [*parameters.tables, *parameters.classification_tables]
    wanted = parameters.active_preset.report
    return [name for name in wanted if name in made] or made


def galleries(reporter: Reporter) -> list[Job]:
    """Pictures of single images: a job for all rows of the page's tables that were scored on the same ones.

    The models are those of the first seed. Cells of sweeps are left out.
    """
    together: dict[tuple[str, str], list[Row]] = {}
    for row in _listed(reporter, shown_tables(reporter.parameters)):
        preset = reporter.planners[row.setting].preset
        together.setdefault((preset.pretrain.source, preset.evaluate_on), []).append(row)
    return [
        _gallery(reporter, rows, IMAGES if number == 0 else IMAGES_BESIDE)
        for number, rows in enumerate(together.values())
    ]


def _gallery(reporter: Reporter, rows: list[Row], images: int) -> Job:
    parameters, planner = reporter.parameters, reporter.planners[rows[0].setting]
    seed = parameters.seeds[0]
    inputs = [Input("source", planner.cache(planner.preset.pretrain.source))]
    inputs.append(Input("labelled", planner.cache(planner.preset.evaluate_on)))
    size = parameters.active_protocol.evaluation_size
    config = {"title": _title(planner), "models": {}, "images": images, "evaluation_size": size}
    for row in rows:
        own = reporter.planners[row.setting]
        name = SOURCE if row.method == SOURCE_ONLY else row.method
        scored = evaluate(own.of(name), name, seed)
        config["models"][row.key] = {"title": row.title} | {
            key: value for key, value in scored.config.items() if key in _OF_MODELS
        }
        inputs += [Input("model", each.path, row.key) for each in scored.read("model")]
        inputs.append(Input("confusion", scored.outputs["confusion"], row.key))
    figure = GALLERY if rows[0].setting is None else f"{GALLERY}_{rows[0].setting}"
    return planner.job(GALLERY, {"figure": figure}, inputs=inputs, config=config)


def _listed(reporter: Reporter, tables: list[str]) -> list[Row]:
    """The rows that the tables of segmentation among these list by name, each once."""
    found: dict[str, Row] = {}
    for row in (row for name in tables if name in reporter.rows for row in reporter.listed(name)):
        found.setdefault(row.key, row)
    return list(found.values())


def _title(planner: Planner) -> str:
    return planner.setting.title or planner.setting.name or planner.parameters.preset


def report(reporter: Reporter, jobs: list[Job]) -> list[Job]:
    """The page of what ``jobs``, the preset's tables and figures, make."""
    parameters = reporter.parameters
    tables, inputs, sweeps = shown_tables(parameters), [], {}
    beside = [stage.name for stage in BESIDE_TABLES]
    for name in tables:
        own = {job.stage: job for job in jobs if job.subject.get("table") == name}
        inputs += [Input(kind, own[TABLE].outputs[kind], name) for kind in ("csv", "tex")]
        inputs += [Input(stage, own[stage].outputs["csv"], name) for stage in beside if stage in own]
        if ROBUSTNESS in own:
            inputs.append(Input(ROBUSTNESS, own[ROBUSTNESS].outputs["data"], name))
            panels = own[ROBUSTNESS].config["panels"]
            sweeps[name] = {each["title"]: each["look"] for panel in panels for each in panel["curves"]}
        inputs += [Input("figure", job.outputs["vector"], name) for job in own.values() if job.stage == BARS]
    inputs += [Input(GALLERY, job.outputs["pictures"]) for job in jobs if job.stage == GALLERY]
    if not tables:
        return []
    rows = _listed(reporter, tables)
    config = {
        "preset": parameters.preset,
        "protocol": parameters.protocol,
        "seeds": list(parameters.seeds),
        "evaluation_size": parameters.active_protocol.evaluation_size,
        "tables": tables,
        "others": [name for name in (*parameters.tables, *parameters.classification_tables) if name not in tables],
        "curves": [_curves(reporter, setting, rows) for setting in dict.fromkeys(row.setting for row in rows)],
        "sweeps": sweeps,
        "parts": hashlib.sha256(b"".join(path.read_bytes() for path in _PARTS)).hexdigest()[:20],
    }
    return [reporter.base.job(REPORT, {}, inputs=[*inputs, *_runs(reporter, rows)], config=config)]


def _curves(reporter: Reporter, setting: str | None, rows: list[Row]) -> dict[str, Any]:
    """The rows of one setting, and of each which row its model went on ``from``, for so many ``steps``."""
    planner, own = reporter.planners[setting], {row.method: row for row in rows if row.setting == setting}
    source, found = own.get(SOURCE_ONLY), []
    for name, row in own.items():
        method = planner.methods.get(name)
        # A method with the auxiliary head starts from another source model, which no table scores.
        is_next = method is not None and source is not None and method.stage == ADAPT
        about = {"key": row.key, "title": row.title, "look": look(name, planner.methods)}
        steps = planner.training(method).steps if method is not None else None
        found.append(about | {"from": source.key if is_next else None, "steps": steps})
    return {"title": _title(planner), "rows": found}


def _runs(reporter: Reporter, rows: list[Row]) -> list[Input]:
    """What is known of every row and seed: its scores, and of what was adapted the history."""
    inputs = []
    for row in rows:
        planner, name = reporter.planners[row.setting], row.method
        for seed in reporter.parameters.seeds:
            inputs += [Input(role, planner.score(name, seed, role), row.key, seed) for role in ("metrics", "confusion")]
            if name in planner.methods and not planner.methods[name].ensemble:
                inputs.append(Input("history", planner.model(name, seed, "history"), row.key, seed))
    return inputs
