rule prior:
    input:
        card="work/{preset}/cards/prior/{model}.json",
        upstream=inputs_of("prior/{model}"),
    output:
        prior="work/{preset}/models/{model}/prior/prior.safetensors",
        provenance="work/{preset}/models/{model}/prior/provenance.json",
    log:
        "work/{preset}/logs/prior/{model}.log",
    wildcard_constraints:
        model=either(priors()),
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    shell:
        "python -m segadapt.stages.prior {input.card} 2>&1 | tee {log}"


rule pseudo_label:
    input:
        card="work/{preset}/cards/pseudo_label/{model}/seed{seed}.json",
        upstream=inputs_of("pseudo_label/{model}/seed{seed}"),
    output:
        pack="work/{preset}/models/{model}/seed{seed}/labels/pack.bin",
        manifest="work/{preset}/models/{model}/seed{seed}/labels/manifest.json",
        selection="work/{preset}/models/{model}/seed{seed}/labels/selection.json",
        provenance="work/{preset}/models/{model}/seed{seed}/labels/provenance.json",
    log:
        "work/{preset}/logs/pseudo_label/{model}/seed{seed}.log",
    wildcard_constraints:
        model=either(models_of("pseudo_label")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=240,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.pseudo_label {input.card} 2>&1 | tee {log}"


rule self_train:
    input:
        card="work/{preset}/cards/self_train/{model}/seed{seed}.json",
        upstream=inputs_of("self_train/{model}/seed{seed}"),
    output:
        model="work/{preset}/models/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/models/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/models/{model}/seed{seed}/provenance.json",
    log:
        "work/{preset}/logs/self_train/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/self_train/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(models_of("self_train")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=2880,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.self_train {input.card} 2>&1 | tee {log}"
