rule evaluate:
    input:
        card="work/{preset}/cards/evaluate/{model}/seed{seed}.json",
        upstream=inputs_of("evaluate/{model}/seed{seed}"),
    output:
        metrics="work/{preset}/metrics/{model}/seed{seed}/metrics.json",
        confusion="work/{preset}/metrics/{model}/seed{seed}/confusion.safetensors",
        provenance="work/{preset}/metrics/{model}/seed{seed}/provenance.json",
    log:
        "work/{preset}/logs/evaluate/{model}/seed{seed}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=120,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.evaluate {input.card} 2>&1 | tee {log}"
