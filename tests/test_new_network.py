"""A network of another kind is one file and an entry: its groups, AdamW with warm-up, through real jobs, killed too."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
import torch
import toy_transformer

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.core.parameters.learning import Poly
from segadapt.core.stages import STAGES
from segadapt.models import initialise, load_tensors
from segadapt.models.networks import allocate
from segadapt.plan import make_plan
from segadapt.training.optimiser import parameter_groups
from segadapt.training.schedule import learning_rate

STEPS, HORIZON, WARM_UP, RATE = 200, 250, 20, 6e-3
MODEL = "work/tiny/sources/source/seed1/model.safetensors"
HOW = {
    "learning_rate": RATE,
    "head_factor": 10,
    "optimiser": {"name": "adamw", "weight_decay": 0.01},
    "annealing": {"name": "poly", "power": 1, "warm_up": WARM_UP},
}


def parameters() -> dict:
    found = tiny.tiny_parameters(("source_only", "maxsquare"))
    preset = found["presets"]["tiny"]
    preset["model"] = {"backbone": "toy_transformer", "classes": "cityscapes19", "input": "imagenet"}
    for stage in ("pretrain", "adapt", "refine"):
        preset[stage] |= HOW | {"steps": STEPS, "horizon": HORIZON}
    preset["run"]["save_steps"] = 10
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with the network's file, and its models made."""
    folder = tiny.make_project(tmp_path_factory.mktemp("network") / "project", parameters())
    target = folder / "src/segadapt/models/networks/toy_transformer.py"
    target.write_text(Path(toy_transformer.__file__).read_text())
    tiny.make_apart(folder, "work/tiny/models/maxsquare/seed1/model.safetensors")
    return folder


def command(project: Path, job: str) -> list[str]:
    stage = json.loads((project / f"work/tiny/cards/{job}.json").read_text())["stage"]
    return [sys.executable, "-m", STAGES[stage].module, f"work/tiny/cards/{job}.json"]


def outputs(project: Path, job: str) -> dict[str, Path]:
    card = json.loads((project / f"work/tiny/cards/{job}.json").read_text())
    return {role: project / path for role, path in card["outputs"].items()}


def test_jobs_train_it_and_a_killed_one_ends_with_the_same_bytes(project):
    for job in ("pretrain/source/seed1", "adapt/maxsquare/seed1"):
        made = outputs(project, job)
        whole = {role: path.read_bytes() for role, path in made.items()}
        for path in (*made.values(), made["model"].with_name("provenance.json")):
            path.unlink()
        process = subprocess.Popen(
            command(project, job), cwd=project, env=tiny.environment(project), stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not list(project.glob("work/tiny/run/*/state-*.safetensors")):
            time.sleep(0.002)  # polling for a file of another process
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL and not made["model"].exists()
        state = max(project.glob("work/tiny/run/*/state-*.safetensors"))
        kinds = {name.split(".")[1] for name in load_tensors(state)[0] if name.startswith("optimiser.")}
        assert kinds == {"mean", "square", "updates"}
        tiny.call(project, *command(project, job))
        assert {role: path.read_bytes() for role, path in made.items()} == whole
    rows = outputs(project, "pretrain/source/seed1")["history"].read_text().splitlines()[1:]
    annealing = Poly(power=1, warm_up=WARM_UP)
    rates = [learning_rate(step, RATE, HORIZON, annealing) for step in range(STEPS)]
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx(rates, rel=1e-8)


def test_a_job_has_the_code_of_its_own_network(project):
    """An edit of one network's file is nothing to the jobs of another."""
    tell = "import json; from segadapt.core.parameters import load_parameters as load; from segadapt.plan import "
    tell += "make_plan as plan; print(json.dumps({job.name: job.code for job in plan(load()).jobs}))"
    networks = project / "src/segadapt/models/networks"
    found = []
    for edited in (None, "wide_resnet", "toy_transformer"):
        if edited:
            (networks / f"{edited}.py").write_text((networks / f"{edited}.py").read_text() + "\nEDITED = 1\n")
        found.append(json.loads(tiny.call(project, sys.executable, "-c", tell).stdout))
    before, other, own = found
    assert before == other
    changed = {name for name in own if own[name] != before[name]}
    assert {"pretrain/source/seed1", "adapt/maxsquare/seed1", "evaluate/maxsquare/seed1"} <= changed
    assert not any(name.startswith(("prepare", "table")) for name in changed)


ITS_FILES = """
def _describe_toy(path, tensors, kind):
    return {"backbone": "toy_transformer", "num_classes": len(tensors["decode_head.bias"]), "auxiliary": False}


FAMILIES["toy"] = Family(("pos_block",), lambda path, tensors, is_maxsquare: "toy", _describe_toy)
KINDS["toy"] = Kind("the toy's authors", "imagenet", renamed=(("head.", "decode_head."),), family="toy")
"""


def test_its_authors_files_are_an_entry_of_the_importers_table(project):
    kinds = project / "src/segadapt/models/importing/kinds.py"
    kinds.write_text(kinds.read_text() + ITS_FILES)
    model = initialise(toy_transformer.ToyTransformer(8, 19), 3, "kaiming")
    theirs = {f"encoder.{name}".replace("decode_head", "head"): each for name, each in model.state_dict().items()}
    torch.save({"state_dict": theirs}, project / "theirs.pth")
    tiny.call(project, sys.executable, "-m", "segadapt", "import-weights", "theirs.pth", "ours.safetensors")
    tensors, about = load_tensors(project / "ours.safetensors")
    assert all(torch.equal(tensors[name], each) for name, each in model.state_dict().items())
    assert json.loads(about["architecture"])["backbone"] == "toy_transformer"


def test_its_groups_and_where_it_starts():
    with torch.device("meta"):
        model = toy_transformer.ToyTransformer(8, 5)
    model = initialise(allocate(model), 3, "kaiming")
    table = {group.name: (group.lr_factor, group.decays, sorted(group.parameters)) for group in parameter_groups(model)}
    assert table == {
        "backbone": (1.0, True, ["mlp.bias", "mlp.weight", "patch_embed.bias", "patch_embed.weight"]),
        "positions": (1.0, False, ["pos_block"]),
        "norms": (1.0, False, ["norm.bias", "norm.weight"]),
        "heads": (10.0, True, ["decode_head.bias", "decode_head.weight"]),
    }
    state = model.state_dict()
    assert (state["norm.weight"] == 1).all() and not any(state[name].any() for name in ("norm.bias", "mlp.bias"))
    assert 0 < state["pos_block"].abs().max() <= 0.04 and 0 < state["mlp.weight"].abs().max() <= 0.04
    # A head's weights are small, the backbone's are He's.
    assert state["decode_head.weight"].std() == pytest.approx(0.01, rel=0.3)
    assert state["patch_embed.weight"].std() == pytest.approx((2 / 192) ** 0.5, rel=0.1)
    again = initialise(allocate(toy_transformer.ToyTransformer(8, 7)), 3, "kaiming").state_dict()
    assert all(torch.equal(again[name], state[name]) for name in state if not name.startswith("decode_head"))


def test_without_its_file_it_is_unknown():
    with pytest.raises(UserError, match=r"model\.backbone: backbone 'toy_transformer' is unknown"):
        make_plan(parameters_from(parameters(), "params.yaml"))
