# Table 1 and Figure 5: image classifiers, adapted between every two domains of the preset.

classification = plan.parameters.active_preset.classification


def classifiers_of(kind):
    """The classifiers whose jobs' names begin with this word."""
    names = [job.name for job in plan.jobs if job.name.startswith(f"{kind}/")]
    return {Path(name).parent.relative_to(kind).as_posix() for name in names}


def classifier_snapshots(schedule, folder):
    """Patterns of the classifiers that a training keeps on the way."""
    files = snapshot_files(schedule).values() if schedule else []
    return [f"{folder}/{file}" for file in files]


rule train_classifier:
    input:
        card="work/{preset}/cards/train_classifier/{model}/seed{seed}.json",
        upstream=inputs_of("train_classifier/{model}/seed{seed}"),
    output:
        model="work/{preset}/classifiers/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/classifiers/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/classifiers/{model}/seed{seed}/provenance.json",
        snapshots=classifier_snapshots(
            classification and classification.training,
            "work/{preset}/classifiers/{model}/seed{seed}",
        ),
    log:
        "work/{preset}/logs/train_classifier/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/train_classifier/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(classifiers_of("train_classifier")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=1440,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.train_classifier {input.card} 2>&1 | tee {log}"


# Goes on from source-only classifiers, to follow easy and hard images along the way.
rule figure5_classifier:
    input:
        card="work/{preset}/cards/figure5/{model}/seed{seed}.json",
        upstream=inputs_of("figure5/{model}/seed{seed}"),
    output:
        model="work/{preset}/classifiers/figure5/{model}/seed{seed}/model.safetensors",
        history="work/{preset}/classifiers/figure5/{model}/seed{seed}/history.csv",
        provenance="work/{preset}/classifiers/figure5/{model}/seed{seed}/provenance.json",
        snapshots=classifier_snapshots(
            classification
            and classification.easy_and_hard
            and classification.easy_and_hard.training,
            "work/{preset}/classifiers/figure5/{model}/seed{seed}",
        ),
    log:
        "work/{preset}/logs/figure5/{model}/seed{seed}.log",
    benchmark:
        "work/{preset}/logs/figure5/{model}/seed{seed}.benchmark.tsv"
    wildcard_constraints:
        model=either(classifiers_of("figure5")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=1440,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.train_classifier {input.card} 2>&1 | tee {log}"


rule classify:
    input:
        card="work/{preset}/cards/classify/{model}/seed{seed}.json",
        upstream=inputs_of("classify/{model}/seed{seed}"),
    output:
        metrics="work/{preset}/answers/{model}/seed{seed}/metrics.json",
        answers="work/{preset}/answers/{model}/seed{seed}/answers.safetensors",
        provenance="work/{preset}/answers/{model}/seed{seed}/provenance.json",
    log:
        "work/{preset}/logs/classify/{model}/seed{seed}.log",
    wildcard_constraints:
        model=either(classifiers_of("classify")),
    conda:
        "../envs/segadapt.yaml"
    threads: plan.parameters.active_preset.run.cpu_threads
    resources:
        mem_mb=1500,
        runtime=60,
        gpu=int(HAS_GPU),
    shell:
        "python -m segadapt.stages.classify {input.card} 2>&1 | tee {log}"


rule accuracy_table:
    input:
        card=f"work/{plan.parameters.preset}/cards/accuracy_table/{{accuracies}}.json",
        upstream=inputs_of("accuracy_table/{accuracies}"),
    output:
        csv=report(
            "results/{accuracies}.csv",
            caption="../report/accuracy_table.rst",
            category="Tables",
        ),
        json="results/{accuracies}.json",
        md="results/{accuracies}.md",
        tex="results/{accuracies}.tex",
        html="results/{accuracies}.html",
        provenance="results/{accuracies}.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/accuracy_table/{{accuracies}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.accuracy_table {input.card} 2>&1 | tee {log}"


rule accuracy_protocols:
    input:
        card=f"work/{plan.parameters.preset}/cards/accuracy_protocols/{{accuracies}}.json",
        upstream=inputs_of("accuracy_protocols/{accuracies}"),
    output:
        csv=report(
            "results/{accuracies}_protocols.csv",
            caption="../report/accuracy_protocols.rst",
            category="Tables",
        ),
        md="results/{accuracies}_protocols.md",
        provenance="results/{accuracies}_protocols.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/accuracy_protocols/{{accuracies}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.accuracy_protocols {input.card} 2>&1 | tee {log}"


rule accuracy_statistics:
    input:
        card=f"work/{plan.parameters.preset}/cards/accuracy_statistics/{{accuracies}}.json",
        upstream=inputs_of("accuracy_statistics/{accuracies}"),
    output:
        csv=report(
            "results/{accuracies}_statistics.csv",
            caption="../report/statistics.rst",
            category="Tables",
        ),
        md="results/{accuracies}_statistics.md",
        provenance="results/{accuracies}_statistics.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/accuracy_statistics/{{accuracies}}.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.accuracy_statistics {input.card} 2>&1 | tee {log}"


rule easy_and_hard:
    input:
        card=f"work/{plan.parameters.preset}/cards/figure/figure5.json",
        upstream=inputs_of("figure/figure5"),
    output:
        picture=report(
            "results/figures/figure5.png",
            caption="../report/easy_and_hard.rst",
            category="Figures",
        ),
        vector="results/figures/figure5.svg",
        data="results/figures/figure5.csv",
        provenance="results/figures/figure5.provenance.json",
    log:
        f"work/{plan.parameters.preset}/logs/figure/figure5.log",
    conda:
        "../envs/segadapt.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m segadapt.stages.easy_and_hard {input.card} 2>&1 | tee {log}"
