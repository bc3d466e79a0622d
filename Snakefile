from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/selftraining.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/classification.smk"


rule all:
    default_target: True
    input:
        result_files(plan),


# The tables of the paper with all that goes with them, and every figure of theirs.
rule paper:
    input:
        result_files(plan, of_paper=True),
