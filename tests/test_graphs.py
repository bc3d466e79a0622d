"""Recorded steps, with a recorder for the CPU in place of CUDA's: the same training as step by step."""

import sys
from dataclasses import replace

import pytest
import test_trainer
import torch
from test_trainer import entry, equal, make_trainer, weights
from torch.utils._python_dispatch import TorchDispatchMode

from segadapt.core.errors import UserError
from segadapt.core.parameters.learning import Poly
from segadapt.data.batches.batch import Batch
from segadapt.losses.dispatch import use_plain_form
from segadapt.models.compute import Compute, set_up_compute
from segadapt.training import graphs
from segadapt.training.graphs import WARM_UPS, CudaRecorder, GraphedStep, recorder_for
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.schedule import ANNEALING

caches = test_trainer.caches
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
# What would read the device, or copy to it from memory that is not pinned: a CUDA graph cannot hold it.
WAITING = ("_local_scalar_dense", "nonzero", "bincount", "masked_select", "_unique2", "equal", "lift_fresh")


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    """Losses in their plain form, without the look at the labels that is free on a CPU alone."""

    def unchecked(label: torch.Tensor, num_classes: int, ignore_index: int) -> tuple[torch.Tensor, torch.Tensor]:
        kept = label != ignore_index
        return torch.where(kept, label.long(), 0), kept

    monkeypatch.setattr(sys.modules["segadapt.losses.cross_entropy"], "_ids", unchecked)
    with use_plain_form():
        yield


class Tape(TorchDispatchMode):
    """Notes every operation with its operands, which are kept: nothing else may ever lie where they do."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple] = []

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        assert operation.overloadpacket.__name__ not in WAITING, f"{operation} in a recorded step"
        assert not any(each.dtype == torch.bool for each in _indices(operation, arguments)), "a mask as an index"
        made = operation(*arguments, **(keywords or {}))
        self.calls.append((operation, arguments, keywords or {}, made))
        return made

    def replay(self) -> None:
        for operation, arguments, keywords, made in self.calls:
            again = operation(*arguments, **keywords)
            for kept, new in zip(_tensors(made), _tensors(again), strict=True):
                if kept.data_ptr() != new.data_ptr():  # neither in place nor a view
                    kept.copy_(new)


def _indices(operation, arguments) -> list[torch.Tensor]:
    return _tensors(arguments[1]) if operation.overloadpacket.__name__ in ("index", "index_put_", "index_put") else []


def _tensors(made) -> list[torch.Tensor]:
    return [each for each in (made if isinstance(made, (tuple, list)) else [made]) if isinstance(each, torch.Tensor)]


class TapeRecorder:
    """As CUDA's: what is recorded has not been run, and runs on the very same tensors whatever Python says by then."""

    def __init__(self, trainer) -> None:
        self.trainer, self.warmed, self.replayed = trainer, 0, 0

    def warm_up(self, call):
        self.warmed += 1
        return call()

    def capture(self, call):
        assert all(each.grad is None for each in self.trainer.model.parameters())
        state = [*self.trainer.model.state_dict().values(), *self.trainer.optimiser.tensors().values()]
        before = [each.clone() for each in state]
        with Tape() as tape:
            losses = call()
        for each, was in zip(state, before, strict=True):
            each.copy_(was)

        def replay():
            self.replayed += 1
            tape.replay()
            return losses

        return replay


def halving(step: int, base: float, horizon: int, annealing: Poly) -> float:
    """Rates that single precision holds exactly, and ten times of which too."""
    return 2.0 ** -(6 + step)


class SteppingByTensor(RepeatedSGD):
    def step(self, lr: float | torch.Tensor) -> None:
        super().step(torch.as_tensor(lr))


def pair(caches, folder, repeats: str = "none", **how):
    """(a trainer that goes step by step, one whose steps are recorded), alike but for that."""
    trainers = [make_trainer(caches, folder / name, save_steps=2, log_steps=1, **how) for name in ("a", "b")]
    # Several updates at once by a rate that is a plain number are rounded otherwise.
    optimiser = RepeatedSGD if repeats == "none" else SteppingByTensor
    plain, graphed = (
        replace(each, optimiser=optimiser(parameter_groups(each.model), 0.9, 5e-4, repeats)) for each in trainers
    )
    return plain, replace(graphed, recorder=TapeRecorder(graphed))


METHODS = {
    "source": None,
    "max_squares": entry(),
    "entropy": entry("entropy"),
    "scaled_entropy": entry("scaled_entropy"),
    "hard_pseudo_label": entry("hard_pseudo_label"),
    "weighted": entry(image_weight={"alpha": 0.2}),
    "guided": entry(image_weight={"alpha": 0.2}, guidance={"threshold": 0.1, "weight": 0.1}),
    "forwarded": entry(lambda_target=0.0),
    "joint": entry(),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_recorded_run_trains_as_one_step_by_step(caches, tmp_path, monkeypatch, name):
    """Eight steps of a falling rate, five of them replayed: the very same losses and weights."""
    monkeypatch.setitem(ANNEALING, "poly", halving)
    how = {"auxiliary": name == "guided", "joint_batch": name == "joint"}
    plain, graphed = pair(caches, tmp_path, method=METHODS[name], steps=8, **how)
    assert plain.run("in turn").rows == graphed.run("recorded").rows
    assert (graphed.recorder.warmed, graphed.recorder.replayed) == (WARM_UPS, 8 - WARM_UPS)
    assert equal(weights(plain), weights(graphed))


@pytest.mark.parametrize("repeats", ["modern", "torch10"])
def test_repeated_updates_are_recorded_too(caches, tmp_path, monkeypatch, repeats):
    monkeypatch.setitem(ANNEALING, "poly", halving)
    plain, graphed = pair(caches, tmp_path, repeats, method=None, steps=6)
    assert plain.run("in turn").rows == graphed.run("recorded").rows
    assert equal(weights(plain), weights(graphed))


@pytest.mark.parametrize("steps", [2, WARM_UPS])
def test_a_run_may_end_before_anything_is_recorded(caches, tmp_path, monkeypatch, steps):
    monkeypatch.setitem(ANNEALING, "poly", halving)
    plain, graphed = pair(caches, tmp_path, method=entry(), steps=steps)
    assert plain.run("in turn").rows == graphed.run("recorded").rows
    assert graphed.recorder.replayed == 0 and equal(weights(plain), weights(graphed))


def test_a_recorded_run_goes_on_bit_for_bit_from_a_saved_state(caches, tmp_path):
    _, whole = pair(caches, tmp_path / "whole", method=entry(), steps=9)
    history = whole.run("whole")
    states = sorted((tmp_path / "whole" / "b").glob("state-*"))
    assert len(states) == 2
    for state in states:
        folder = tmp_path / state.stem / "b"
        folder.mkdir(parents=True)
        (folder / state.name).write_bytes(state.read_bytes())
        _, resumed = pair(caches, tmp_path / state.stem, method=entry(), steps=9)
        assert resumed.run("resumed").rows == history.rows
        assert equal(weights(resumed), weights(whole))


def test_losses_are_not_overwritten_by_later_steps():
    class Echo:
        def warm_up(self, call):
            return call()

        def capture(self, call):
            self.losses = call()

            def replay():
                self.losses[0].copy_(call()[0])
                return self.losses

            return replay

    def step(rate, source, target):
        return source.image_BHWC.double().sum() * rate, None

    graphed = GraphedStep(step, Echo())
    images = [torch.full((1, 2, 2, 3), value, dtype=torch.uint8) for value in range(7)]
    losses = [graphed(0.5 * number, Batch(image, None), None) for number, image in enumerate(images)]
    assert [float(first) for first, _ in losses] == [12 * value * 0.5 * value for value in range(7)]
    assert all(second is None for _, second in losses)
    with pytest.raises(AssertionError, match="batches of"):
        graphed(1.0, Batch(torch.zeros(1, 4, 2, 3, dtype=torch.uint8), None), None)


def test_who_records(monkeypatch, capsys):
    monkeypatch.setattr(graphs, "CudaRecorder", lambda: "recorder")
    on_gpu = Compute(CUDA, cuda_graphs=True)
    assert recorder_for(on_gpu, method_replays=True) == "recorder"
    assert capsys.readouterr().err == ""
    assert recorder_for(on_gpu, method_replays=False) is None
    assert "not for methods with a step that changes" in capsys.readouterr().err
    assert recorder_for(on_gpu, method_replays=True, has_dropout=True) is None
    assert "networks with dropout" in capsys.readouterr().err
    assert recorder_for(Compute(CPU, cuda_graphs=True), method_replays=True) is None
    assert recorder_for(Compute(CUDA), method_replays=True) is None
    precision = {"bf16": False, "tf32": False, "channels_last": False}
    assert not set_up_compute(precision, 1).cuda_graphs
    assert set_up_compute(precision | {"cuda_graphs": True}, 1).cuda_graphs


def test_what_cannot_be_recorded_is_refused_with_the_key(monkeypatch):
    class Failing:
        def __init__(self, graph, capture_error_mode):
            assert capture_error_mode == "thread_local"

        def __enter__(self):
            pass

        def __exit__(self, *problem):
            raise RuntimeError("capture was invalidated")

    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", Failing)

    def waits():
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    with pytest.raises(
        UserError, match=r"precision\.cuda_graphs is true but .*\(operation not permitted.*set"
    ) as caught:
        CudaRecorder().capture(waits)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("game", ["adaptsegnet", "advent"])
def test_adversarial_training_is_never_recorded(caches, tmp_path, game):
    adversarial = {
        "name": game, "objective": "vanilla", "lambda_final": 1.0, "lambda_low": 0.0, "learning_rate": 1.0, "width": 2,
    }  # fmt: skip
    trainer = pair(caches, tmp_path, method=entry(None, adversarial=adversarial))[1]
    with pytest.raises(AssertionError, match="asks for the number of the step"):
        trainer._trained_step()
