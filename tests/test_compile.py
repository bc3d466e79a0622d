"""``precision.compile``: the same training, the same checkpoint, and a clear sentence without a compiler."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import test_trainer
import torch
from test_trainer import entry, make_trainer
from torch import nn

from segadapt.core.errors import UserError
from segadapt.core.job import Job
from segadapt.models import deeplabv2, load_tensors
from segadapt.models.compute import COMPILED_CODE, Compute, set_up_compute
from segadapt.models.network import Network
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.trainer import Trainer

caches = test_trainer.caches
CPU = torch.device("cpu")
BACKEND = "inductor" if shutil.which(os.environ.get("CXX", "g++")) else "eager"


class TwoHeads(Network):
    """A stride of 8, batch norm, two heads: each kernel costs seconds here."""

    heads = ("layer5", "layer6")

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer5, self.layer6 = nn.Conv2d(8, 19, 1), nn.Conv2d(8, 19, 1)

    def forward(self, image_BCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features_BCHW = self.bn1(self.conv1(image_BCHW)).relu()
        return self.layer6(features_BCHW), self.layer5(features_BCHW)


def small(trainer: Trainer, compute: Compute) -> Trainer:
    """The trainer with the small network in place of its own, the same weights every time."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = TwoHeads()
    return replace(trainer, model=model, optimiser=RepeatedSGD(parameter_groups(model)), compute=compute)


def test_a_compiled_run_has_the_same_losses_and_its_checkpoint_the_same_names(caches, tmp_path, monkeypatch):
    monkeypatch.setenv(COMPILED_CODE, str(tmp_path / "code"))
    torch._dynamo.reset()
    eager, compiled = (
        small(make_trainer(caches, tmp_path / name, entry(), snapshots=(3,), log_steps=1, save_steps=1), compute)
        for name, compute in (("eager", Compute(CPU)), ("compiled", Compute(CPU, compile=True, backend=BACKEND)))
    )
    expected, got = eager.run("eager").rows, compiled.run("compiled").rows
    for wanted, row in zip(expected, got, strict=True):
        assert row == pytest.approx(wanted, rel=1e-5)
    assert compiled._network is not compiled.model
    for name in ("out/3.safetensors", "state-000000003.safetensors"):
        one, other = load_tensors(tmp_path / "eager" / name)[0], load_tensors(tmp_path / "compiled" / name)[0]
        assert one.keys() == other.keys() and not any("_orig_mod" in key for key in one)
        for key in one:
            torch.testing.assert_close(other[key], one[key], rtol=1e-4, atol=1e-5)
    if BACKEND == "inductor":
        assert any(path.is_file() for path in (tmp_path / "code").rglob("*"))  # what a second job starts from


def test_there_is_one_graph_a_shape(caches, tmp_path):
    torch._dynamo.reset()
    shapes = []

    def noting(graph: torch.fx.GraphModule, inputs: list) -> torch.fx.GraphModule:
        shapes.extend(each.shape for each in inputs if each.ndim == 4 and each.shape[1] == 3 and each.shape[2] > 7)
        return graph

    forward = Compute(CPU, compile=True, backend=noting).forward_of(TwoHeads())
    for size in ((32, 64), (24, 64), (32, 64), (24, 64)):
        forward(torch.zeros(1, 3, *size))
    assert shapes == [(1, 3, 32, 64), (1, 3, 24, 64)]


def test_without_a_compiler_the_key_is_named():
    def absent(graph: torch.fx.GraphModule, inputs: list) -> None:
        raise RuntimeError("no working compiler\nsecond line")

    torch._dynamo.reset()
    forward = Compute(CPU, compile=True, backend=absent).forward_of(TwoHeads())
    with pytest.raises(
        UserError, match=r"precision\.compile is true .*no working compiler.* or set precision"
    ) as caught:
        forward(torch.zeros(1, 3, 32, 64))
    assert "\n" not in str(caught.value)


def test_what_the_model_itself_raises_is_not_blamed_on_the_compiler():
    class Broken(nn.Module):
        def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        Compute(CPU, compile=True, backend="eager").forward_of(Broken())(torch.zeros(1, 3, 8, 8))


def test_off_the_model_is_called_as_it_is():
    model = TwoHeads()
    assert Compute(CPU).forward_of(model) is model
    precision = {"bf16": False, "tf32": False, "channels_last": False}
    assert not set_up_compute(precision, 1).compile
    assert set_up_compute(precision | {"compile": True}, 1).compile


@pytest.mark.parametrize("own", [None, "/elsewhere"])
@pytest.mark.parametrize("on", [True, False])
def test_compiled_code_is_kept_with_the_preset(monkeypatch, on, own):
    # Set first even where it is to be absent, so that the end of the test undoes what the code sets.
    monkeypatch.setenv(COMPILED_CODE, "/elsewhere")
    if own is None:
        del os.environ[COMPILED_CODE]
    folder = Job("adapt", "adapt/x", "tiny", (), {}, "", {}, "").compiled_code
    Compute(CPU, compile=on).keep_compiled_code(Path(folder))
    expected = str(Path.cwd() / "work/tiny/compiled") if on and own is None else own
    assert os.environ.get(COMPILED_CODE) == expected


def test_a_network_is_one_graph_a_shape():
    """With a backend that runs what it is given as it is: a part left in Python would be an error of ``fullgraph``."""
    torch._dynamo.reset()
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    network = deeplabv2("streets", 5).train()
    compiled = torch.compile(network, dynamic=False, fullgraph=True, backend=backend)
    for size in ((32, 48), (32, 48), (48, 64)):
        logits_final, logits_low = compiled(torch.randn(1, 3, *size))
        (logits_final.sum() + logits_low.sum()).backward()
    assert len(graphs) == 2
