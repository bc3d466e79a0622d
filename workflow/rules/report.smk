rule table:
    input:
        card=f"work/{plan.parameters.preset}/cards/table/{{table}}.json",
        upstream=inputs_of("table/{table}"),
    output:
        csv=report(
            "results/{table}.csv", caption="../report/table.rst", category="Tables"
        ),
        json="results/{table}.json",
        md="results/{table}.md",
        tex="results/{table}.tex",
        html="results/{table}.html",
        provenance="results/{table}.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/table/{{table}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.table {input.card} 2>&1 | tee {log}"


rule protocols:
    input:
        card=f"work/{plan.parameters.preset}/cards/protocols/{{table}}.json",
        upstream=inputs_of("protocols/{table}"),
    output:
        csv=report(
            "results/{table}_protocols.csv",
            caption="../report/protocols.rst",
            category="Tables",
        ),
        md="results/{table}_protocols.md",
        provenance="results/{table}_protocols.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/protocols/{{table}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.protocols {input.card} 2>&1 | tee {log}"


rule statistics:
    input:
        card=f"work/{plan.parameters.preset}/cards/statistics/{{table}}.json",
        upstream=inputs_of("statistics/{table}"),
    output:
        csv=report(
            "results/{table}_statistics.csv",
            caption="../report/statistics.rst",
            category="Tables",
        ),
        md="results/{table}_statistics.md",
        provenance="results/{table}_statistics.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/statistics/{{table}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.statistics {input.card} 2>&1 | tee {log}"


rule measures:
    input:
        card=f"work/{plan.parameters.preset}/cards/measures/{{table}}.json",
        upstream=inputs_of("measures/{table}"),
    output:
        csv=report(
            "results/{table}_measures.csv",
            caption="../report/measures.rst",
            category="Tables",
        ),
        ranking=report(
            "results/{table}_ranking.csv",
            caption="../report/ranking.rst",
            category="Tables",
        ),
        md="results/{table}_measures.md",
        provenance="results/{table}_measures.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/measures/{{table}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.measures {input.card} 2>&1 | tee {log}"


rule costs:
    input:
        card=f"work/{plan.parameters.preset}/cards/costs/{{table}}.json",
        upstream=inputs_of("costs/{table}"),
    output:
        csv=report(
            "results/{table}_costs.csv",
            caption="../report/costs.rst",
            category="Tables",
        ),
        md="results/{table}_costs.md",
        provenance="results/{table}_costs.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/costs/{{table}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.costs {input.card} 2>&1 | tee {log}"


# A row whose job failed is missing in the tables that were asked for; the others are there.
onerror:
    failed = [
        job
        for each in workflow.scheduler.failed
        for job in (each if each.is_group() else [each])
    ]
    tables = {
        job.wildcards.table for job in workflow.dag.jobs if job.rule.name == "table"
    }
    logs = {str(path) for job in failed for path in job.log}
    for card in politely(partial_cards, plan, tables, logs):
        shell("{sys.executable:q} -m segadapt.stages.table {card:q}")


onsuccess:
    if workflow.is_main_process:
        politely(shelve, plan)


# DVC's phases: each asks for all jobs of its stages.
rule phase_data:
    input:
        phase_targets(plan, "data"),


rule phase_pretrain:
    input:
        phase_targets(plan, "pretrain"),


rule phase_adapt:
    input:
        phase_targets(plan, "adapt"),


rule phase_evaluate:
    input:
        phase_targets(plan, "evaluate"),


rule phase_table:
    input:
        phase_targets(plan, "table"),
