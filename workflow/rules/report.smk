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


rule figure:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/{{figure}}.json",
        upstream=inputs_of("figure/{figure}"),
    output:
        picture=report(
            "results/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
        ),
        provenance="results/figures/{figure}.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/{{figure}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=30,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.figure {input.card} 2>&1 | tee {log}"


rule curves:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/curves.json",
        upstream=inputs_of("figure/curves"),
    output:
        picture=report(
            "results/figures/curves.png",
            caption="../report/curves.rst",
            category="Figures",
        ),
        data="results/figures/curves.csv",
        provenance="results/figures/curves.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/curves.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.curves {input.card} 2>&1 | tee {log}"


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
