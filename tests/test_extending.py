"""The lines that docs/extending.md shows are the lines that work."""

import re

import tiny
import yaml


def test_a_new_method_is_one_file_and_an_entry(tmp_path):
    text = (tiny.REPOSITORY / "docs/extending.md").read_text()
    code, entry = re.search(r"```python\n(.*?)```.*?```yaml\n(.*?)```", text, re.S).groups()
    file = re.search(r"`(src/segadapt/methods/\w+\.py)`", text).group(1)
    assert len(code.splitlines()) <= 20
    project = tiny.make_project(tmp_path / "project", tiny.tiny_parameters(("source_only", "maxsquare")))
    tiny.snakemake(project, "results/table2.csv")
    (project / file).write_text(code)
    parameters = tiny.tiny_parameters()
    addition = yaml.safe_load(entry)
    parameters["methods"] |= addition["methods"]
    parameters["experiments"]["table2"]["rows"] = addition["experiments"]["table2"]["rows"]
    tiny.write_parameters(project, parameters)
    new_jobs = ["adapt/margin/seed1", "evaluate/margin/seed1", "table/table2"]
    assert tiny.jobs_to_run(project, "results/table2.csv") == new_jobs
    tiny.snakemake(project, "results/table2.csv")
    assert "Margin" in (project / "results/table2.csv").read_text()
