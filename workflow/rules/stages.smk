# One rule a stage, all alike: what is particular to a stage stands in segadapt.core.stages. Every job reads its card, a
# small file whose time tells whether the job is due; what jobs are there, and what each of them reads, the plan knows.
for stage, jobs in plan.stages:

    rule:
        name:
            stage.name
        input:
            card=card_of(PRESET, stage.job),
            upstream=inputs_of(stage),
        output:
            **outputs_of(stage, jobs),
        log:
            log_of(PRESET, stage.job),
        benchmark:
            benchmark_of(PRESET, stage.job)
        wildcard_constraints:
            **subjects_of(jobs),
        localrule: stage.is_short
        conda:
            "../envs/segadapt.yaml"
        threads: threads_of(stage)
        resources:
            **resources_of(stage),
        params:
            module=stage.module,
        # Snakemake removes a log before it starts the job again; by another name what earlier attempts said is kept.
        shell:
            "touch {log}.all && ln -f {log}.all {log} || true; "
            "python -m {params.module} {input.card} {threads} 2>&1 | tee -a {log}"
