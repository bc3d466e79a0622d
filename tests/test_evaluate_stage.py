"""The stage that scores models: a single one, its snapshots, and an ensemble, on packed toy scenes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from toy_sets import SIZE, packed, preparation, sets  # noqa: F401 - fixtures are used by name

from segadapt.core.artifacts import write_json
from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.scoring_mode import ScoringMode
from segadapt.data.packed.cache import PackedCache
from segadapt.evaluation import ConfusionMatrix, Evaluation, label_free_score
from segadapt.evaluation.views import probabilities
from segadapt.models import Architecture, build, initialise, open_model, save_model, to_input
from segadapt.stages.evaluate import score

CONFIG = {
    "model": {"backbone": "streets", "classes": "cityscapes19", "input": None, "bottleneck": None},
    "auxiliary": False,
    "aspp_branches": 2,
    "precision": {"tf32": False, "bf16": False, "channels_last": False},
    "cpu_threads": 1,
    "test_time": {"flip": True, "heads": True},
    "label_free_images": 2,
    "last_step": 9,
}
FIRST, SECOND = "a/model.safetensors", "b/model.safetensors"


def write_model(path: Path, seed: int, gpu_seconds: float = 0.0, auxiliary: bool = False) -> None:
    model = initialise(build(Architecture("streets", 19, 2, auxiliary, class_set="cityscapes19")), seed, "kaiming")
    with torch.no_grad():
        for head in model.layer6.conv2d_list:
            head.weight.mul_(50)  # predictions that vary over the image
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(path, model, {})
    record = {"identity": {}, "fingerprint": f"f{seed}", "input_sha256": {}, "outputs": {}}
    write_json(path.with_name("provenance.json"), record | {"commit": "c", "machine": "m", "gpu_seconds": gpu_seconds})


@pytest.fixture(scope="module")
def folder(sets, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("stage")
    packed(preparation(sets / "cityscapes"), folder)
    write_model(folder / "a" / "snapshot000004.safetensors", 3)
    write_model(folder / FIRST, 1, 1.5)
    write_model(folder / SECOND, 2, 2.0)
    write_model(folder / "c" / "model.safetensors", 4, auxiliary=True)
    return folder


def evaluated(folder, models, name, snapshots=(), **config):
    """The evaluation and metrics of a job with these inputs."""
    cache = str(folder / "cache" / "manifest.json")
    inputs = [Input("labelled", cache), Input("target", cache)]
    for file in models:
        inputs.append(Input("model", str(folder / file), maker=str((folder / file).with_name("provenance.json"))))
    inputs += [Input(f"snapshot/{step}", str(folder / f"a/snapshot{step:06d}.safetensors")) for step in snapshots]
    files = {"metrics": "metrics.json", "confusion": "confusion.safetensors"}
    outputs = {role: str(folder / name / file) for role, file in files.items()}
    job = Job("evaluate", f"evaluate/{name}/seed1", "toy", tuple(inputs), outputs, "", CONFIG | config, "code")
    score(replace(job, snapshots=snapshots), folder)
    return Evaluation.load(Path(outputs["confusion"])), json.loads(Path(outputs["metrics"]).read_text())


def logits_of(path, image_HWC):
    model = open_model(path)[0].eval()
    with torch.no_grad():
        return model(to_input(torch.from_numpy(numpy.array(image_HWC))[None], "caffe", torch.device("cpu")))[0]


def test_an_ensemble_is_the_mean_of_its_members_maps(folder):
    found, metrics = evaluated(folder, (FIRST, SECOND), "both")
    cache = PackedCache(folder / "cache" / "manifest.json")
    naive, means = ConfusionMatrix(19), []
    for index in range(len(cache)):
        logits = [logits_of(folder / file, cache.image(index)) for file in (FIRST, SECOND)]
        naive.update(cache.label(index), sum(probabilities(each, SIZE[::-1]) for each in logits)[0].argmax(0))
        means.append((sum(each.double().softmax(1) for each in logits) / 2).clamp_min(1e-300).log())
    numpy.testing.assert_array_equal(found.matrix("network"), naive.matrix)
    assert len(numpy.flatnonzero(naive.matrix.sum(0))) > 2, "a test of one class would show little"
    waiting = iter(means[::2])
    expected = label_free_score(lambda image_HWC: next(waiting), [None] * 2)
    (step,) = metrics["steps"]
    assert step["step"] == 9 and [step[name] for name in expected._fields] == pytest.approx(list(expected), rel=1e-4)
    assert metrics["model"] == {"commit": "c", "machine": "m", "gpu_seconds": 3.5, "fingerprint": "f1 f2"}
    alone = [evaluated(folder, (file,), "alone")[0].matrix("network") for file in (FIRST, SECOND)]
    assert all((each != naive.matrix).any() for each in alone)
    twice, _ = evaluated(folder, (FIRST, FIRST), "twice")
    numpy.testing.assert_array_equal(twice.matrix("network"), alone[0])


def test_an_ensemble_of_logits_is_scored_as_the_mean_of_its_logits(folder):
    models = (FIRST, SECOND)
    found, metrics = evaluated(folder, models, "logits", auxiliary_of_members=[False] * 2, ensemble_average="logits")
    cache = PackedCache(folder / "cache" / "manifest.json")
    naive, means = ConfusionMatrix(19), []
    for index in range(len(cache)):
        mean = sum(logits_of(folder / file, cache.image(index)).double() for file in (FIRST, SECOND)) / 2
        large = torch.nn.functional.interpolate(mean, size=SIZE[::-1], mode="bilinear", align_corners=True)
        naive.update(cache.label(index), large[0].argmax(0))
        means.append(mean)
    numpy.testing.assert_array_equal(found.matrix("network"), naive.matrix)
    waiting = iter(means[::2])
    expected = label_free_score(lambda image_HWC: next(waiting), [None] * 2)
    (step,) = metrics["steps"]
    assert [step[name] for name in expected._fields] == pytest.approx(list(expected), rel=1e-4)
    average = {"auxiliary_of_members": [False] * 2, "ensemble_average": "probabilities"}
    other, _ = evaluated(folder, models, "maps", **average)
    assert (other.matrix("network") != naive.matrix).any(), "the switch must matter here"


def test_members_may_have_other_heads_and_must_have_those_that_are_named(folder):
    models = ("c/model.safetensors", FIRST)
    found, _ = evaluated(folder, models, "mixed", auxiliary_of_members=[True, False])
    assert {(mode.head, mode.flip) for mode in found.statistics} == {("final", False), ("final", True)}
    with pytest.raises(UserError, match="made for auxiliary"):
        evaluated(folder, models, "mixed", auxiliary_of_members=[True, True])


def test_every_saved_step_has_all_scores_and_the_last_has_measures(folder):
    found, metrics = evaluated(folder, (FIRST,), "steps", (4,))
    assert [step["step"] for step in metrics["steps"]] == [4, 9]
    assert set(metrics["steps"][0]) == set(metrics["steps"][1]) >= {"max_square", "soft_neighbourhood_density"}
    assert metrics["steps"][0]["max_square"] != metrics["steps"][1]["max_square"]
    assert ScoringMode("native", step=4) in found.statistics and found.measures.fit(4, 19)
    assert metrics["measures"] == found.measures.summary() and 0 < metrics["measures"]["ECE"] < 1
    assert metrics["model"]["fingerprint"] == "f1"
    first = [(folder / "steps" / name).read_bytes() for name in ("confusion.safetensors", "metrics.json")]
    evaluated(folder, (FIRST,), "steps", (4,))
    assert [(folder / "steps" / name).read_bytes() for name in ("confusion.safetensors", "metrics.json")] == first
