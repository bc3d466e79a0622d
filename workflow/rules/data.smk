# What is built in is drawn by one of two rules: street scenes and digits.
rule render:
    input:
        card="work/{preset}/cards/render/{dataset}.json",
    output:
        manifest="work/{preset}/data/{dataset}/manifest.json",
        provenance="work/{preset}/data/{dataset}/provenance.json",
    log:
        "work/{preset}/logs/render/{dataset}.log",
    wildcard_constraints:
        dataset=either(drawn_by("render")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.prepare_processes
    resources:
        mem_mb=1500,
        runtime=30,
    shell:
        "python -m segadapt.stages.render {input.card} {threads} 2>&1 | tee {log}"


rule render_digits:
    input:
        card="work/{preset}/cards/render/{dataset}.json",
    output:
        manifest="work/{preset}/data/{dataset}/manifest.json",
        provenance="work/{preset}/data/{dataset}/provenance.json",
    log:
        "work/{preset}/logs/render/{dataset}.log",
    wildcard_constraints:
        dataset=either(drawn_by("render_digits")),
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.render_digits {input.card} {threads} 2>&1 | tee {log}"


rule prepare:
    input:
        card="work/{preset}/cards/prepare/{cache}.json",
        upstream=inputs_of("prepare/{cache}"),
    output:
        pack="work/{preset}/cache/{cache}/pack.bin",
        manifest="work/{preset}/cache/{cache}/manifest.json",
        provenance="work/{preset}/cache/{cache}/provenance.json",
    log:
        "work/{preset}/logs/prepare/{cache}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.prepare_processes
    resources:
        mem_mb=2000,
        runtime=240,
    shell:
        "python -m segadapt.stages.prepare {input.card} {threads} 2>&1 | tee {log}"
