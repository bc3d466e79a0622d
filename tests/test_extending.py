"""The lines that the README and docs/extending.md show are the lines that work."""

import json
import re
import sys

import numpy as np
import tiny
import yaml
from PIL import Image


def with_grid(parameters: dict, values: list[float]) -> dict:
    """The parameters with a second table, a grid of λ_T."""
    sweep = {"method": "maxsquare", "parameter": "lambda_target", "values": values}
    parameters["experiments"]["table5"] = {"rows": ["source_only"], "sweeps": [sweep]}
    return parameters


def test_a_new_method_is_one_file_and_an_entry_and_a_new_value_one_cell(tmp_path):
    text = (tiny.REPOSITORY / "README.md").read_text()
    code, entry = re.search(r"```python\n(.*?)```.*?```yaml\n(.*?)```", text, re.S).groups()
    file = re.search(r"`(src/segadapt/methods/\w+\.py)`", text).group(1)
    assert len([line for line in code.splitlines() if line]) <= 10
    tables = ("results/table2.csv", "results/table5.csv")
    few = tiny.tiny_parameters(("source_only", "maxsquare"))
    project = tiny.make_project(tmp_path / "project", with_grid(few, [0.1]))
    tiny.make_here(project, *tables)
    (project / file).write_text(code)
    parameters = tiny.tiny_parameters()
    addition = yaml.safe_load(entry)
    parameters["methods"] |= addition["methods"]
    parameters["experiments"]["table2"]["rows"] = addition["experiments"]["table2"]["rows"]
    tiny.write_parameters(project, with_grid(parameters, [0.1, 0.3]))
    models = ("margin", "maxsquare-lambda_target-0.3")
    new_jobs = [f"{stage}/{model}/seed1" for stage in ("adapt", "evaluate") for model in models]
    assert tiny.jobs_to_run(project, *tables) == [*new_jobs, "table/table2", "table/table5"]
    tiny.snakemake(project, "results/table2.csv")
    assert "Margin" in (project / "results/table2.csv").read_text()
    (project / file).write_text(code + "\nEDITED = 1\n")
    of_margin = ["adapt/margin/seed1", "evaluate/margin/seed1", "table/table2"]
    assert tiny.jobs_to_run(project, "results/table2.csv") == of_margin


def test_a_method_with_a_teacher_is_one_file_and_an_entry(tmp_path):
    """What it trains is held against plain PyTorch in test_methods.py."""
    text = (tiny.REPOSITORY / "docs/extending.md").read_text().split("## A method with a teacher in one file")[1]
    code, entry = re.search(r"```python\n(.*?)```.*?```yaml\n(.*?)```", text, re.S).groups()
    file = re.search(r"`(src/segadapt/methods/\w+\.py)`", text).group(1)
    assert len(code.splitlines()) <= 60
    parameters, addition = tiny.tiny_parameters(), yaml.safe_load(entry)
    parameters["methods"] |= addition["methods"]
    parameters["methods"]["mean_teacher"]["training"]["crop"] = "48x32"
    parameters["experiments"]["table2"]["rows"] = addition["experiments"]["table2"]["rows"]
    project = tiny.make_project(tmp_path / "project", parameters)
    (project / file).write_text(code)
    tiny.make_apart(project, "results/table2.csv")
    assert "Mean teacher" in (project / "results/table2.csv").read_text()
    history = (project / "work/tiny/models/mean_teacher/seed1/history.csv").read_text().splitlines()
    assert history[0].endswith("loss_source,loss_target,loss_mixed,sure_share") and len(history) == 7
    parameters["methods"]["mean_teacher"]["options"] = {"keep": 0.9}
    tiny.write_parameters(project, parameters)
    result = tiny.snakemake(project, "-n", check=False)
    assert result.returncode and "methods.mean_teacher.options.keep: unknown key" in result.stdout + result.stderr


def test_a_new_data_set_is_one_file_and_an_entry(tmp_path):
    text = (tiny.REPOSITORY / "docs/extending.md").read_text().split("## A data set in one file")[1]
    code, entry = re.search(r"```python\n(.*?)```.*?```yaml\n(.*?)```", text, re.S).groups()
    file = re.search(r"`(src/segadapt/data/datasets/\w+\.py)`", text).group(1)
    assert len(code.splitlines()) <= 20
    parameters, addition = tiny.tiny_parameters(("source_only",)), yaml.safe_load(entry)
    preset = parameters["presets"]["tiny"]
    preset["datasets"]["kitti"] = addition["datasets"]["kitti"] | {"accept": ["training/image_2"]}
    preset["caches"]["source_train"] = addition["caches"]["source_train"] | {"size": "64x32"}
    project = tiny.make_project(tmp_path / "project", parameters)
    (project / file).write_text(code)
    root = project / addition["datasets"]["kitti"]["root"]
    for number in range(3):
        image, label_HW = tiny.toy_scene(number, 96, 32)
        for folder, picture in (("image_2", image), ("semantic", Image.fromarray(label_HW))):
            (root / "training" / folder).mkdir(parents=True, exist_ok=True)
            picture.save(root / "training" / folder / f"{number:06d}_10.png")
    check = (sys.executable, "-m", "segadapt", "check", "kitti", str(root.relative_to(project)))
    result = tiny.call(project, *check, check=False)
    assert result.returncode == 1 and "gives split 'train' 3 samples, not 200" in result.stdout
    cut = root / "training/semantic/000001_10.png"
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    result = tiny.call(project, *check, "--accept", "training/image_2", check=False)
    assert result.returncode == 1 and f"{cut.relative_to(project)} is damaged" in result.stdout
    cut.write_bytes(whole)
    assert "sound" in tiny.call(project, *check, "--accept", "training/image_2").stdout
    manifest = "work/tiny/cache/source_train/manifest.json"
    tiny.make_apart(project, manifest)
    record = json.loads((project / manifest).read_text())
    assert record["count"] == 3 and record["label_histogram"]["road"] > 0
    assert [each["file"] for each in record["refused"]] == ["training/image_2"]


def test_classes_of_ones_own_are_an_entry_from_the_data_to_the_table(tmp_path):
    text = (tiny.REPOSITORY / "docs/extending.md").read_text().split("## Classes of your own")[1]
    entry, preset, code = re.search(r"```yaml\n(.*?)```.*?```yaml\n(.*?)```.*?```python\n(.*?)```", text, re.S).groups()
    file = re.search(r"`(src/segadapt/data/datasets/\w+\.py)`", text).group(1)
    addition, own = yaml.safe_load(entry), yaml.safe_load(preset)
    parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
    preset = parameters["presets"]["tiny"]
    parameters["class_sets"] = addition["class_sets"]
    preset["datasets"] = own["datasets"]
    preset["caches"] = {name: each | {"size": "64x32"} for name, each in own["caches"].items()}
    preset["model"] |= own["model"]
    preset["oracle"], preset["experiments"] = None, own["experiments"]
    project = tiny.make_project(tmp_path / "project", parameters)
    (project / file).write_text(code)
    ids = {tiny.ROAD: 3, tiny.BUILDING: 2, tiny.SKY: 0, tiny.CAR: 7}
    for index, (domain, split) in enumerate((("Rural", "Train"), ("Urban", "Train"), ("Urban", "Val"))):
        for number in range(3):
            image, label_HW = tiny.toy_scene(10 * index + number, 96, 48)
            label = Image.fromarray(np.vectorize(ids.get)(label_HW).astype(np.uint8))
            for folder, picture in (("images_png", image), ("masks_png", label)):
                (project / "datasets/LoveDA" / split / domain / folder).mkdir(parents=True, exist_ok=True)
                picture.save(project / "datasets/LoveDA" / split / domain / folder / f"{number}.png")
    checked = tiny.call(project, sys.executable, "-m", "segadapt", "check", "loveda", "datasets/LoveDA")
    assert "sound" in checked.stdout and "road" in checked.stdout and "agriculture" in checked.stdout
    tiny.make_apart(project, "results/table2.csv")
    header, *rows = (project / "results/table2.csv").read_text().splitlines()
    assert all(f",{name}," in header for name in addition["class_sets"]["loveda7"]["classes"]) and len(rows) > 1
    histogram = json.loads((project / "work/tiny/cache/source_train/manifest.json").read_text())["label_histogram"]
    assert list(histogram) == list(addition["class_sets"]["loveda7"]["classes"])
    assert histogram["road"] > histogram["agriculture"] > 0 == histogram["water"]
    weights = "work/tiny/models/maxsquare/seed1/model.safetensors"
    command = ("evaluate", "--weights", weights, "--dataset", "loveda", "--root", "datasets/LoveDA")
    scored = tiny.call(project, sys.executable, "-m", "segadapt", *command, "--split", "val_urban")
    assert "agriculture" in scored.stdout and "mIoU loveda7" in scored.stdout
    # An id that is edited remakes what reads it; a job reads nothing but its card.
    parameters["class_sets"]["loveda7"]["classes"]["water"] = {"ids": [4, 8]}
    tiny.write_parameters(project, parameters)
    due = tiny.call(project, sys.executable, "-m", "segadapt", "status").stdout
    for name in ("prepare/source_train", "pretrain/source/seed1", "evaluate/maxsquare/seed1", "table/table2"):
        assert re.search(rf"^{name} +config differs$", due, re.M), name
