"""Tables and page of a run in which jobs failed: the rows that are whole, and what is known of the others."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from segadapt.core.artifacts import write_json
from segadapt.core.job import Job
from segadapt.core.stages import REPORT, STAGES, TABLE
from segadapt.plan.plan import Plan
from segadapt.plan.status import Status, statuses


def partial_cards(plan: Plan, tables: Collection[str], failed_logs: Collection[str]) -> list[str]:
    """Writes the card of a partial table for each table that lacks some rows but not all; returns their paths.

    A row is whole if every seed of it was scored: a mean over fewer seeds than the others' would mislead. The card
    is that of stage ``table``, for the same files, under another name and with the reasons in its configuration, so
    that no plan takes what it makes for the table itself: the next run makes that anew.

    Args:
        plan: Of the run that has ended.
        tables: Names of the tables that were asked for.
        failed_logs: Log files of the jobs that failed.
    """
    state = {status.job.name: status for status in statuses(plan)}
    cards = []
    for job in plan.jobs:
        if job.stage == TABLE and job.subject["table"] in tables and not state[job.name].is_ok:
            missing = _missing_rows(plan, job, state, failed_logs)
            if 0 < len(missing) < len(job.config["rows"]):
                partial = _partial(job, missing)
                write_json(partial.card, partial.as_card())
                cards.append(partial.card)
    return cards


def partial_page(plan: Plan, cards: Collection[str]) -> list[str]:
    """Writes the card of the page of all that is there, if it is not whole, and returns its path.

    Args:
        plan: Of the run that has ended.
        cards: From ``partial_cards``; the tables have been made.
    """
    state = {status.job.name: status for status in statuses(plan)}
    made = {job.provenance for job in plan.jobs if state[job.name].is_ok}
    made |= {STAGES[TABLE].path("provenance", plan.parameters.preset, {"table": Path(card).stem}) for card in cards}
    for job in plan.jobs:
        if job.stage == REPORT and job.provenance not in made:
            inputs = tuple(each for each in job.inputs if each.maker is None or each.maker in made)
            partial = replace(job, name=f"partial/{job.name}", inputs=inputs)
            tables = [name for name in job.config["tables"] if partial.read("csv", row=name)]
            partial = replace(partial, config=job.config | {"tables": tables})
            if tables:
                write_json(partial.card, partial.as_card())
                return [partial.card]
    return []


def _missing_rows(
    plan: Plan, table: Job, state: dict[str, Status], failed_logs: Collection[str]
) -> dict[str, str]:  # fmt: skip
    """Key of each row that is not whole to the jobs that it lacks, and where their logs are."""
    missing = {}
    for row in table.config["rows"]:
        scores = table.read("metrics", row=row["key"])
        lacking = dict.fromkeys(
            name for each in scores for name in _first_not_ok(plan, plan.by_output[each.path], state)
        )
        reasons = [_reason(plan.by_name[name], failed_logs) for name in lacking]
        if reasons:
            missing[row["key"]] = ", ".join(reasons)
    return missing


def _first_not_ok(plan: Plan, job: Job, state: dict[str, Status]) -> list[str]:
    """The jobs that stand in the way of ``job``, itself perhaps: not made, though all that they read is."""
    if state[job.name].is_ok:
        return []
    makers = dict.fromkeys(each.maker for each in job.inputs if each.maker)
    upstream = [name for maker in makers for name in _first_not_ok(plan, plan.by_output[maker], state)]
    return list(dict.fromkeys(upstream)) or [job.name]


def _reason(job: Job, failed_logs: Collection[str]) -> str:
    return f"{job.name} failed, see {job.log}" if job.log in failed_logs else f"{job.name} was not run"


def _partial(table: Job, missing: dict[str, str]) -> Job:
    inputs = tuple(each for each in table.inputs if each.row not in missing)
    name, config = f"partial/{table.subject['table']}", table.config | {"missing": missing}
    return replace(table, name=name, inputs=inputs, config=config)
