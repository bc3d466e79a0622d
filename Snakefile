from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/stages.smk"


NAMED = named_targets(plan)


rule all:
    default_target: True
    input:
        NAMED.pop("all"),


# The paper's tables with all that goes with them, Table 2 alone, and DVC's phases.
for name, files in NAMED.items():

    rule:
        name:
            name
        input:
            files,


# A row whose job failed is missing in the tables that were asked for, and on the page; the others are there.
onerror:
    failed = [
        job
        for each in workflow.scheduler.failed
        for job in (each if each.is_group() else [each])
    ]
    tables = {
        job.wildcards.table for job in workflow.dag.jobs if job.rule.name == TABLE
    }
    logs = {str(path) for job in failed for path in job.log}
    module = STAGES[TABLE].module
    cards = politely(partial_cards, plan, tables, logs)
    for card in cards:
        shell("{sys.executable:q} -m {module} {card:q}")
    module = STAGES[REPORT].module
    if any(job.rule.name == REPORT for job in workflow.dag.jobs):
        for card in politely(partial_page, plan, cards):
            shell("{sys.executable:q} -m {module} {card:q}")


onsuccess:
    if workflow.is_main_process:
        politely(shelve, plan)
