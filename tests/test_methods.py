"""The contract of methods: options and sections that are refused before any job, and a teacher as the docs write it."""

import copy
import importlib
import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
import torch.nn.functional as F
from test_trainer import caches, entry, equal, make_trainer, weights  # noqa: F401

from segadapt.core.chosen import class_name
from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.batches.batch import Batch
from segadapt.methods import Method, Pass, Prediction, Settings
from segadapt.methods.mixing.class_mix import draw_scores
from segadapt.models import BatchNormPolicy, apply_batchnorm_policy, load_tensors, to_input
from segadapt.plan import code, make_plan
from segadapt.plan.estimate import passes
from segadapt.plan.methods import options_of, takes, target_passes
from segadapt.training.optimiser import RepeatedSGD, parameter_groups
from segadapt.training.schedule import poly_learning_rate
from segadapt.training.trainer import Trainer

LOSSES = sorted(
    path.stem
    for path in (tiny.REPOSITORY / "src/segadapt/methods").glob("[a-z]*.py")
    if f"class {class_name(path.stem)}(" in path.read_text()
)
SIZE = (32, 64)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "method"])
def test_what_a_plan_reads_of_a_file_is_what_the_file_says(name):
    module = importlib.import_module(f"segadapt.methods.{name}")
    assert issubclass(getattr(module, class_name(name)), Method)
    said = getattr(module, "Options", None)
    read = options_of(name)
    if said is None:
        assert not read.model_fields
    else:
        shown = [model.model_json_schema()["properties"] for model in (said, read)]
        assert shown[0] == shown[1] and said().model_dump() == read().model_dump()
    assert takes(name) == getattr(module, "TAKES", ())


def plan_with(**changes):
    parameters = tiny.tiny_parameters(("source_only", "maxsquare"))
    for name, change in changes.items():
        parameters["methods"][name] |= change
    return make_plan(parameters_from(parameters, "params.yaml"))


REFUSED = {
    "a slip": ({"advent_minent": {"options": {"low_wieght": 0.1}}}, "advent_minent.options.low_wieght: unknown key"),
    "a type": ({"advent_minent": {"options": {"low_weight": "much"}}}, "advent_minent.options.low_weight: "),
    "a truth value": ({"advent_minent": {"options": {"low_weight": True}}}, "low_weight: must be a number, not true"),
    "a bound": ({"advent_minent": {"options": {"low_weight": -1}}}, "low_weight: Input should be greater than"),
    "no options": ({"maxsquare": {"options": {"half": True}}}, r"maxsquare.options.half: unknown .*max_squares: none"),
    "no loss": ({"source_continued": {"options": {"a": 1}}}, "source_continued.options: has no effect without target"),
    "image weights": (
        {"advent_minent": {"image_weight": {"alpha": 0.2}}}, "advent_minent.image_weight: has no effect on advent_entr",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_method_would_not_look_at_is_refused_before_any_job(changes, words):
    """Also in an entry that no table lists."""
    with pytest.raises(UserError, match=rf"params\.yaml: methods\.{words}|{words}") as caught:
        plan_with(**changes)
    assert str(caught.value).startswith("params.yaml: methods.") and "\n" not in str(caught.value)


def test_a_job_is_told_all_options_and_one_that_is_spelled_out_remakes_nothing():
    changes = {"target_loss": "scaled_entropy"}
    implicit, explicit = plan_with(maxsquare=changes), plan_with(maxsquare=changes | {"options": {"gamma": 0.05}})
    one, other = (plan.by_name["adapt/maxsquare/seed1"] for plan in (implicit, explicit))
    assert one.config["method"]["options"] == {"gamma": 0.05} and one == other


@pytest.mark.parametrize(
    ("field", "value"),
    [("float = 2 * 3", 6.0), ("float = PI", 3.1), ("list[float] = [1.0]", []), ("Annotated[float, 3] = 1.0", 1.0)],
)
def test_an_option_that_a_plan_cannot_read_is_refused_with_its_line(field, value, monkeypatch, tmp_path):
    (tmp_path / "methods").mkdir()
    text = f"class Options(Section):\n    '''Words.'''\n\n    share: {field}\n\nclass BrandNew(Method):\n    pass\n"
    (tmp_path / "methods/brand_new.py").write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    for each in (code._tree, options_of):
        each.cache_clear()
    with pytest.raises(UserError, match=r"segadapt/methods/brand_new\.py, line 4: 'share: .* 'name: type = value'"):
        options_of("brand_new")
    code._tree.cache_clear()


def test_an_estimate_counts_the_passes_that_a_file_tells_of(monkeypatch):
    plan = plan_with()
    job = plan.by_name["adapt/maxsquare/seed1"]
    plain = passes.passes(job, plan)
    assert target_passes("max_squares") == target_passes(None) == ("learns",)
    monkeypatch.setattr(passes, "target_passes", lambda loss: ("forward", "learns", "learns"))
    more = passes.passes(job, plan) - plain
    # The target's images are of the source's size here.
    assert {(each.learns, times // 6) for each, times in more.items()} == {(False, 1), (True, 1)}


# The teacher of docs/extending.md.


@pytest.fixture(scope="module")
def mean_teacher(tmp_path_factory):
    text = (tiny.REPOSITORY / "docs/extending.md").read_text().split("## A method with a teacher in one file")[1]
    path = tmp_path_factory.mktemp("docs") / "mean_teacher.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.S).group(1))
    specification = importlib.util.spec_from_file_location("mean_teacher", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def teacher_trainer(mean_teacher, caches, folder: Path, **loop) -> Trainer:  # noqa: F811
    trainer = make_trainer(caches, folder, entry(), **loop)
    settings = Settings(lambda_target=0.7, options=mean_teacher.Options(alpha=0.6, threshold=0.08), seed=7)
    return replace(trainer, method=mean_teacher.MeanTeacher(settings, trainer.model))


def test_a_teachers_run_equals_plain_pytorch(mean_teacher, caches, tmp_path):  # noqa: F811
    """Pseudo-labels, pasting, weights over all pixels and the running mean, written out."""
    trainer = teacher_trainer(mean_teacher, caches, tmp_path, steps=4, log_steps=1, learning_rate=1e-3)
    model, teacher = copy.deepcopy(trainer.model), copy.deepcopy(trainer.model)
    optimiser = RepeatedSGD(parameter_groups(model), 0.9, 5e-4, "torch10")
    apply_batchnorm_policy(model, BatchNormPolicy(), training=True)
    apply_batchnorm_policy(teacher, BatchNormPolicy(), training=True)
    rows, shares = [], []

    def logits_of(network, image_BHWC):
        low = network(to_input(image_BHWC, "caffe").contiguous())[0]
        return F.interpolate(low, SIZE, mode="bilinear", align_corners=True)

    for step in range(4):
        source, target = trainer.source.batch(step), trainer.target.batch(step)
        with torch.no_grad():
            surest, guess = logits_of(teacher, target.image_BHWC).softmax(1).max(1)
        shares.append((surest >= 0.08).double().mean().item())
        image, label, weight = target.image_BHWC.clone(), guess.clone(), torch.full(guess.shape, shares[-1])
        for index, scores in enumerate(draw_scores(2, 7, step)):
            classes = sorted(source.label_BHW[index].unique().tolist(), key=lambda train_id: scores[train_id])
            for train_id in classes[: (len(classes) + 1) // 2]:
                here = source.label_BHW[index] == train_id
                image[index][here], label[index][here] = source.image_BHWC[index][here], train_id
                weight[index][here] = 1.0
        on_source = F.cross_entropy(logits_of(model, source.image_BHWC), source.label_BHW.long(), ignore_index=255)
        on_source.backward()
        each = F.cross_entropy(logits_of(model, image), label, ignore_index=255, reduction="none")
        on_mixed = 0.7 * (each * weight).sum() / each.numel()
        on_mixed.backward()
        optimiser.step(poly_learning_rate(step, 1e-3, 4))
        optimiser.zero_grad()
        kept = min(1 - 1 / (step + 1), 0.6)
        for mine, its in zip(teacher.parameters(), model.parameters(), strict=True):
            mine.data = kept * mine.data + (1 - kept) * its.data
        rows.append([on_source.item(), None, on_mixed.item()])
    history = trainer.run("test")
    assert history.columns[2:] == ("loss_source", "loss_target", "loss_mixed", "sure_share")
    assert [row[3] for row in history.rows] == [None] * 4 and any(0 < share < 1 for share in shares), shares
    assert [row[5] for row in history.rows] == pytest.approx(shares, abs=5e-3)
    for got, wanted in zip(history.rows, rows, strict=True):
        assert (got[2], got[4]) == pytest.approx((wanted[0], wanted[2]), rel=1e-3)
    for ours, naive in ((trainer.model, model), (trainer.method.teacher.network, teacher)):
        for name, tensor in ours.state_dict().items():
            torch.testing.assert_close(tensor, naive.state_dict()[name], rtol=2e-3, atol=2e-4, msg=name)


def test_a_teacher_is_saved_with_the_network_and_goes_on_bit_for_bit(mean_teacher, caches, tmp_path):  # noqa: F811
    whole = teacher_trainer(mean_teacher, caches, tmp_path / "whole", steps=8)
    history = whole.run("whole")
    states = sorted((tmp_path / "whole").glob("state-*"))
    assert len(states) == 2
    for state in states:
        tensors, _ = load_tensors(state)
        assert not torch.equal(tensors["method.teacher.network.conv1.weight"], tensors["model.conv1.weight"])
        folder = tmp_path / state.stem
        folder.mkdir()
        (folder / state.name).write_bytes(state.read_bytes())
        resumed = teacher_trainer(mean_teacher, caches, folder, steps=8)
        assert resumed.run("resumed").rows == history.rows
        assert equal(weights(resumed), weights(whole))
        assert equal(resumed.method.state_dict(), whole.method.state_dict())


def test_a_teacher_is_no_part_of_the_network_and_gets_no_gradient(mean_teacher, caches, tmp_path):  # noqa: F811
    trainer = teacher_trainer(mean_teacher, caches, tmp_path, steps=2)
    trainer.run("test")
    learned = {id(each) for group in trainer.optimiser.groups for each in group.parameters.values()}
    teacher = list(trainer.method.teacher.parameters())
    assert not learned & {id(each) for each in teacher} and all(each.grad is None for each in teacher)


def test_a_labelled_pass_is_cross_entropy_on_every_head_as_it_is_told():
    generator = torch.Generator().manual_seed(3)
    final, low = (torch.randn(2, 5, 4, 6, generator=generator).requires_grad_() for _ in range(2))
    label = torch.randint(0, 5, (2, 8, 9), generator=generator, dtype=torch.uint8)
    label[:, :3] = 255
    weight, batch = torch.rand(2, 8, 9, generator=generator), Batch(torch.zeros(2, 8, 9, 3, dtype=torch.uint8), label)
    method = Method(Settings(auxiliary_weight=0.3), torch.nn.Module())
    made = method.labelled("mixed", batch, weight, "all", 0.7)
    assert made.learns and made.batches == (batch,) and not method.labelled("mixed", batch, coefficient=0.0).learns
    ours, alone = made.losses(Prediction(final, low)), made.losses(Prediction(final, None))
    naive = []
    for logits in (final, low):
        wide = F.interpolate(logits, (8, 9), mode="bilinear", align_corners=True)
        each = F.cross_entropy(wide, label.long(), ignore_index=255, reduction="none")
        naive.append((each * weight).sum() / each.numel())
    assert list(ours) == list(alone) == ["mixed"]
    assert ours["mixed"].item() == pytest.approx(0.7 * (naive[0] + 0.3 * naive[1]).item(), rel=1e-5)
    assert alone["mixed"].item() == pytest.approx(0.7 * naive[0].item(), rel=1e-5)


def test_a_loss_that_no_column_shows_is_a_mistake_of_the_method(caches, tmp_path):  # noqa: F811
    class Nameless(Method):
        def passes(self, step) -> tuple[Pass, ...]:
            return (self.labelled("second", step.source),)

    trainer = make_trainer(caches, tmp_path, None)
    trainer = replace(trainer, method=Nameless(Settings(), trainer.model))
    with pytest.raises(AssertionError, match="'second'"):
        trainer.run("test")
