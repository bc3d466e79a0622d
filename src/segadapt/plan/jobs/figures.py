"""The figures that go with the tables of a preset."""

from segadapt.core.job import Input, Job
from segadapt.core.parameters.root import SOURCE_ONLY
from segadapt.plan.jobs.paper_figures import figure1, figure2, figure4
from segadapt.plan.jobs.tables import Reporter, published_input
from segadapt.plan.loss_time import lambda_by_rule
from segadapt.plan.planner import Planner, about_figure
from segadapt.plan.rows import ADAPT, SOURCE, SYMBOLS, UNADAPTED, Row, baseline, look


def figures(reporter: Reporter) -> list[Job]:
    """Every figure of the tables: of the paper, of each table, of each setting that shows other images."""
    parameters, base = reporter.parameters, reporter.base
    jobs = [figure1(base)] if parameters.tables else []
    jobs += [classes_of(reporter, name) for name, each in parameters.tables.items() if not each.sweeps]
    jobs += [robustness(reporter, name) for name, each in parameters.tables.items() if each.sweeps]
    for setting, planner in reporter.planners.items():
        rows = _plain_rows(reporter, setting)
        methods = _shown(planner, rows)
        unadapted = any(row.method == SOURCE_ONLY for row in rows)
        if setting is None and unadapted:
            jobs += [figure2(reporter, rows), figure4(reporter, rows)]
            jobs += [curves(reporter, methods)] if methods else []
        if unadapted and methods and (setting is None or _shows_other_images(planner, base)):
            jobs.append(qualitative(planner, methods))
    return jobs


def _plain_rows(reporter: Reporter, setting: str | None) -> list[Row]:
    """The rows of all tables in one setting, each once, without the cells of sweeps."""
    listed = [row for name in reporter.rows for row in reporter.listed(name)]
    return list({row.key: row for row in listed if row.setting == setting}.values())


def _shown(planner: Planner, rows: list[Row]) -> list[str]:
    """The trained methods among the rows, or those of them that the preset wants to be shown."""
    wanted = planner.preset.figure_methods
    trained = [row.method for row in rows if row.method in planner.methods and not planner.methods[row.method].ensemble]
    return [name for name in trained if name in wanted or not wanted]


def _shows_other_images(planner: Planner, base: Planner) -> bool:
    ours, theirs = planner.preset, base.preset
    return (ours.pretrain.source, ours.evaluate_on) != (theirs.pretrain.source, theirs.evaluate_on)


def qualitative(planner: Planner, methods: list[str]) -> Job:
    """Target images with the predictions of the first seed's models: unadapted, then each method of ours."""
    shown = {SOURCE_ONLY: (SOURCE, UNADAPTED[SOURCE_ONLY]["title"])}
    shown |= {key: (key, planner.methods[key].title) for key in methods if planner.methods[key].origin == "ours"}
    seed, preset = planner.parameters.seeds[0], planner.preset
    inputs = [Input("model", planner.model(name, seed), row=key) for key, (name, _) in shown.items()]
    inputs.append(Input("source", planner.cache(preset.pretrain.source)))
    inputs.append(Input("labelled", planner.cache(preset.evaluate_on)))
    config = {
        "models": {
            key: {"title": title, **planner.of(name).network(planner.has_auxiliary_head(name))}
            for key, (name, title) in shown.items()
        },
        "images": list(preset.figure_rows),
    }
    name = "qualitative" if planner.setting.name is None else f"qualitative_{planner.setting.name}"
    return planner.job("qualitative", {"figure": name}, inputs=inputs, config=config)


def curves(reporter: Reporter, methods: list[str]) -> Job:
    """Losses and mIoU along the adaptation of every method and seed."""
    planner, seeds = reporter.base, reporter.parameters.seeds
    every = (SOURCE_ONLY, *methods)
    inputs = [Input("metrics", planner.score(key, seed), key, seed) for key in every for seed in seeds]
    inputs += [Input("history", planner.model(key, seed, "history"), key, seed) for key in methods for seed in seeds]
    rows = []
    for key in methods:
        method = planner.methods[key]
        # A method with the auxiliary head starts from another source model, which no table scores.
        about = {"key": key, "title": method.title, "look": look(key, reporter.parameters.methods)}
        rows.append(about | {"steps": planner.training(method).steps, "from_source": method.stage == ADAPT})
    config = about_figure(planner) | {"rows": rows, "seeds": list(seeds)}
    return planner.job("curves", {}, inputs=inputs, config=config)


def classes_of(reporter: Reporter, table: str) -> Job:
    """IoU of every class, for the rows of one table."""
    parameters, keys = reporter.parameters, reporter.listed(table)
    rows = [
        {"key": row.key, "title": row.title, "origin": row.origin, "look": look(row.method, parameters.methods)}
        for row in keys
    ]
    experiment, first = parameters.tables[table], reporter.planners[keys[0].setting]
    config = about_figure(first) | {
        "rows": rows,
        "seeds": list(parameters.seeds),
        "classes": experiment.classes or first.scored_classes(keys[0].method),
    }
    return reporter.base.job("bars", {"table": table}, inputs=reporter.metrics(keys), config=config)


def robustness(reporter: Reporter, table: str) -> Job:
    """The difference from the control over each parameter that a table sweeps, a panel a parameter; the paper's points
    beside ours on the paper's data."""
    parameters, experiment, rows = reporter.parameters, reporter.parameters.tables[table], reporter.rows[table]
    cells, panels, shown = rows[len(experiment.keys) :], {}, {}
    for sweep in experiment.sweeps:
        own, cells = cells[: len(sweep.values)], cells[len(sweep.values) :]
        base, planner = own[0].base, reporter.planners[own[0].setting]
        same = {row.key: row for row in rows if row.setting == base.setting}
        control = same[baseline([*same.values()], planner.methods)]
        points = []
        for row, value in zip(own, sweep.values, strict=True):
            points.append({"key": row.key, "value": value, "paper_row": row.paper_row})
            trained = lambda_by_rule(parameters, planner.preset, planner.methods[row.method])
            if sweep.parameter == "lambda_target" and trained is not None:
                points[-1]["trained"] = trained
        curve = {"title": base.title, "control": control.key, "control_title": control.title, "points": points}
        symbol = SYMBOLS.get(sweep.parameter, sweep.parameter)
        panels.setdefault(symbol, []).append(curve | {"look": look(base.method, parameters.methods)})
        shown |= {row.key: row for row in (control, *own)}
    inputs = reporter.metrics(shown.values())
    is_paper_data = reporter.about_table(rows)["is_paper_data"]
    if experiment.published is not None and is_paper_data:
        inputs.append(published_input(experiment.published))
    config = about_figure(reporter.base) | {
        "panels": [{"symbol": symbol, "curves": curves} for symbol, curves in panels.items()],
        "seeds": list(parameters.seeds),
        "published": experiment.published if is_paper_data else None,
    }
    if experiment.classes is not None:
        config["classes"] = experiment.classes
    return reporter.base.job("robustness", {"table": table}, inputs=inputs, config=config)
