rule pretrain:
    input:
        card="work/{preset}/cards/pretrain/{model}/seed{seed}.json",
        upstream=inputs_of("pretrain/{model}/seed{seed}"),
    output:
        model="work/{preset}/sources/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/sources/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/sources/{model}/seed{seed}/provenance.json",
    log:
        "work/{preset}/logs/pretrain/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/pretrain/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(models_of("pretrain")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=2880,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.pretrain {input.card} 2>&1 | tee {log}"


rule adapt:
    input:
        card="work/{preset}/cards/adapt/{model}/seed{seed}.json",
        upstream=inputs_of("adapt/{model}/seed{seed}"),
    output:
        model="work/{preset}/models/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/models/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/models/{model}/seed{seed}/provenance.json",
        snapshots=snapshots_of("adapt"),
    log:
        "work/{preset}/logs/adapt/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/adapt/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(models_of("adapt")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=2880,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.adapt {input.card} 2>&1 | tee {log}"


rule refine:
    input:
        card="work/{preset}/cards/refine/{model}/seed{seed}.json",
        upstream=inputs_of("refine/{model}/seed{seed}"),
    output:
        model="work/{preset}/models/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/models/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/models/{model}/seed{seed}/provenance.json",
        snapshots=snapshots_of("refine"),
    log:
        "work/{preset}/logs/refine/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/refine/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(models_of("refine")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=2880,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.refine {input.card} 2>&1 | tee {log}"


rule joint:
    input:
        card="work/{preset}/cards/joint/{model}/seed{seed}.json",
        upstream=inputs_of("joint/{model}/seed{seed}"),
    output:
        model="work/{preset}/models/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/models/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/models/{model}/seed{seed}/provenance.json",
        snapshots=snapshots_of("joint"),
    log:
        "work/{preset}/logs/joint/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/joint/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(models_of("joint")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=2880,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.joint {input.card} 2>&1 | tee {log}"
