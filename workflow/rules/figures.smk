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
        vector="results/figures/curves.svg",
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


rule bars:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/{{table}}_classes.json",
        upstream=inputs_of("figure/{table}_classes"),
    output:
        picture=report(
            "results/figures/{table}_classes.png",
            caption="../report/bars.rst",
            category="Figures",
        ),
        vector="results/figures/{table}_classes.svg",
        data="results/figures/{table}_classes.csv",
        provenance="results/figures/{table}_classes.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/{{table}}_classes.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.bars {input.card} 2>&1 | tee {log}"


rule slopes:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/figure1.json",
    output:
        picture=report(
            "results/figures/figure1.png",
            caption="../report/slopes.rst",
            category="Figures",
        ),
        vector="results/figures/figure1.svg",
        data="results/figures/figure1.csv",
        provenance="results/figures/figure1.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/figure1.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.slopes {input.card} 2>&1 | tee {log}"


rule confidence:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/figure2.json",
        upstream=inputs_of("figure/figure2"),
    output:
        picture=report(
            "results/figures/figure2.png",
            caption="../report/confidence.rst",
            category="Figures",
        ),
        vector="results/figures/figure2.svg",
        data="results/figures/figure2.csv",
        provenance="results/figures/figure2.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/figure2.log",
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=30,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.confidence {input.card} 2>&1 | tee {log}"


rule frequency:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/figure4.json",
        upstream=inputs_of("figure/figure4"),
    output:
        picture=report(
            "results/figures/figure4.png",
            caption="../report/frequency.rst",
            category="Figures",
        ),
        vector="results/figures/figure4.svg",
        data="results/figures/figure4.csv",
        provenance="results/figures/figure4.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/figure4.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.frequency {input.card} 2>&1 | tee {log}"


rule sensitivity:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/{{table}}_sensitivity.json",
        upstream=inputs_of("figure/{table}_sensitivity"),
    output:
        picture=report(
            "results/figures/{table}_sensitivity.png",
            caption="../report/sensitivity.rst",
            category="Figures",
        ),
        vector="results/figures/{table}_sensitivity.svg",
        data="results/figures/{table}_sensitivity.csv",
        provenance="results/figures/{table}_sensitivity.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/{{table}}_sensitivity.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.sensitivity {input.card} 2>&1 | tee {log}"
