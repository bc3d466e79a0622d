"""The page that shows a run, and the pictures of its gallery."""

import hashlib

from segadapt.core.job import Input, Job
from segadapt.core.parameters import Parameters
from segadapt.core.parameters.root import SOURCE_ONLY
from segadapt.core.stages import BESIDE_TABLES, CURVES, GALLERY, REPORT, TABLE
from segadapt.plan.code import ROOT
from segadapt.plan.jobs.tables import Reporter
from segadapt.plan.planner import Planner
from segadapt.plan.rows import SOURCE, Row

IMAGES = 12
"""How many the gallery shows: those on which the rows differ most."""
_PARTS = sorted(path for path in (ROOT / "reporting/report").iterdir() if path.suffix in (".html", ".css", ".js"))
"""Template, style and script of the page: its code, though no Python."""


def shown_tables(parameters: Parameters) -> list[str]:
    """The tables on the page, the main one first: those that the preset's ``report`` names, or all."""
    made = [*parameters.tables, *parameters.classification_tables]
    wanted = parameters.active_preset.report
    return [name for name in wanted if name in made] or made


def gallery(reporter: Reporter) -> list[Job]:
    """Pictures of single images: for the rows of the page's first table of segmentation, in its first row's setting.

    The models are those of the first seed. Cells of sweeps, and ensembles, are left out.
    """
    parameters, rows = reporter.parameters, []
    for name in shown_tables(parameters):
        listed = [row for row in reporter.rows.get(name, ()) if row.key in parameters.tables[name].rows]
        rows = rows or [row for row in listed if _has_one_model(reporter.planners[row.setting], row)]
    if not rows:
        return []
    planner, seed = reporter.planners[rows[0].setting], parameters.seeds[0]
    rows = [row for row in rows if row.setting == rows[0].setting]
    inputs = [Input("source", planner.cache(planner.preset.pretrain.source))]
    inputs.append(Input("labelled", planner.cache(planner.preset.evaluate_on)))
    config = {"models": {}, "images": IMAGES, "evaluation_size": parameters.active_protocol.evaluation_size}
    for row in rows:
        model = SOURCE if row.method == SOURCE_ONLY else row.method
        network = planner.of(model).network(planner.has_auxiliary_head(model))
        config["models"][row.key] = {"title": row.title, **network}
        inputs.append(Input("model", planner.model(model, seed), row.key))
        inputs.append(Input("confusion", planner.score(row.method, seed, "confusion"), row.key))
    return [planner.job(GALLERY, {"figure": GALLERY}, inputs=inputs, config=config)]


def _has_one_model(planner: Planner, row: Row) -> bool:
    return row.method not in planner.methods or not planner.methods[row.method].ensemble


def report(planner: Planner, jobs: list[Job]) -> list[Job]:
    """The page of what ``jobs``, the preset's tables and figures, make."""
    parameters = planner.parameters
    tables, inputs, looks = shown_tables(parameters), [], {}
    beside = [stage.name for stage in BESIDE_TABLES]
    for name in tables:
        own = {job.stage: job for job in jobs if job.subject.get("table") == name}
        inputs += [Input(kind, own[TABLE].outputs[kind], name) for kind in ("csv", "tex")]
        inputs += [Input(stage, own[stage].outputs["csv"], name) for stage in beside if stage in own]
        inputs += [Input("figure", job.outputs["vector"], name) for job in own.values() if "vector" in job.outputs]
    for job in jobs:
        if job.stage == GALLERY:
            inputs.append(Input(GALLERY, job.outputs["pictures"]))
        elif job.stage == CURVES and any(name in parameters.tables for name in tables):
            inputs.append(Input(CURVES, job.outputs["data"]))
            looks = {row["title"]: row["look"] for row in job.config["rows"]}
    if not tables:
        return []
    config = {
        "preset": parameters.preset,
        "protocol": parameters.protocol,
        "tables": tables,
        "others": [name for name in (*parameters.tables, *parameters.classification_tables) if name not in tables],
        "looks": looks,
        "parts": hashlib.sha256(b"".join(path.read_bytes() for path in _PARTS)).hexdigest()[:20],
    }
    return [planner.job(REPORT, {}, inputs=inputs, config=config)]
