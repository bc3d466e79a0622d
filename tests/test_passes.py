"""Which passes through networks a job is made of: what the trainer and the evaluation really do."""

from pathlib import Path

import tiny
from test_estimate import ROWS, plan_of

from segadapt.core.parameters import load_parameters
from segadapt.core.workload import DiscriminatorPass, NetworkPass
from segadapt.models.counting import pass_work
from segadapt.models.loading import network
from segadapt.plan import make_plan
from segadapt.plan.estimate.passes import TRAINING, image_count, passes


def test_a_step_is_what_the_trainer_does():
    plan = plan_of((*ROWS, "adaptsegnet"))

    def steps(name):
        found = passes(plan.by_name[name], plan)
        assert set(found.values()) == {6}
        return {each.learns for each in found if isinstance(each, NetworkPass)}, len(found)

    assert steps("pretrain/source/seed1") == ({True}, 1)
    assert steps("adapt/source_continued/seed1") == ({True}, 1)
    assert steps("adapt/target_forwarded/seed1") == ({True, False}, 2)
    (both,) = passes(plan.by_name["adapt/minent/seed1"], plan)  # equal sizes here, hence one pass, done twice
    assert passes(plan.by_name["adapt/minent/seed1"], plan)[both] == 2 * 6 and both.learns and both.batch_statistics
    (game,) = [job for job in plan.jobs if job.stage in TRAINING and "adaptsegnet/" in job.name]
    found = passes(game, plan)
    judges = {each: times // 6 for each, times in found.items() if isinstance(each, DiscriminatorPass)}
    # Two heads: each discriminator is passed through for the network once, for itself on both domains.
    assert {each.learns: times for each, times in judges.items()} == {False: 2, True: 4}


def test_a_crop_is_what_is_looked_at():
    def edit(parameters):
        parameters["presets"]["tiny"]["adapt"] |= {"crop": "32x16", "batch_size": 3}

    plan = plan_of(edit=edit)
    (each,) = passes(plan.by_name["adapt/source_continued/seed1"], plan)
    assert (each.size, each.batch_size) == ((32, 16), 3)
    (each,) = passes(plan.by_name["pretrain/source/seed1"], plan)
    assert (each.size, each.batch_size) == ((64, 32), 1)


def test_scoring_passes_over_every_image_and_its_mirror_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of()
    job = plan.by_name["evaluate/minent/seed1"]
    assert image_count(job, "labelled", plan) == 500, "as Cityscapes ships it"
    # Flip is two passes; one snapshot is scored without; 25 target images for each of the two.
    assert sum(passes(job, plan).values()) == 500 * 3 + 25 * 2
    assert not any(each.learns or each.batch_statistics for each in passes(job, plan))
    manifest = Path(plan.by_output[job.input("labelled")].outputs["manifest"])
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"records": [1, 2, 3, 4]}')
    assert sum(passes(job, plan).values()) == 4 * 3 + 25 * 2


def test_a_round_of_pseudo_labels_passes_every_image_and_its_mirror_image_once():
    def edit(parameters):
        parameters["methods"]["cbst"]["self_training"] |= {"rounds": 2, "flip": True}
        for preset in parameters["presets"].values():
            preset.get("methods", {}).pop("cbst", None)

    plan = plan_of(("source_only", "cbst"), edit)
    job = plan.by_name["pseudo_label/cbst-round2/seed1"]
    assert sum(passes(job, plan).values()) == 2975 * 2
    (each,) = passes(plan.by_name["self_train/cbst-round1/seed1"], plan)
    assert each.learns and not each.batch_statistics and not each.train_affine


def test_what_is_counted_is_what_is_trained():
    plan = make_plan(load_parameters(tiny.REPOSITORY / "params.yaml"))
    jobs = [job for job in plan.jobs if job.stage in TRAINING and job.name.endswith("seed1")]
    seen = {}
    for job in jobs:
        each = next(each for each in passes(job, plan) if isinstance(each, NetworkPass))
        seen[each.backbone, each.num_classes, each.aspp_branches, each.auxiliary] = job
    assert len(seen) > 6
    for (backbone, classes, branches, auxiliary), job in seen.items():
        real = network(job.config).architecture
        known = (real.backbone, real.num_classes, real.aspp_branches, real.auxiliary)
        assert known == (backbone, classes, branches, auxiliary)


def test_initial_weights_say_where_the_strides_are(tmp_path, monkeypatch):
    from segadapt.models import Architecture, build, save_model

    monkeypatch.chdir(tmp_path)

    def edit(parameters):
        parameters["presets"]["tiny"]["model"] |= {"initial_weights": "weights.safetensors"}

    plan = plan_of(edit=edit)
    names = ("pretrain/source/seed1", "adapt/minent/seed1", "evaluate/minent/seed1")

    def said():
        return [{each.stride_placement for each in passes(plan.by_name[name], plan)} for name in names]

    assert said() == [{None}] * 3
    save_model("weights.safetensors", build(Architecture("streets", 19, stride_placement="3x3")), {})
    assert said() == [{"3x3"}] * 3
    Path("weights.safetensors").write_bytes(b"\x80\x02 a pickle, say" * 10)
    assert said() == [{None}] * 3
    kinds = {"size": (64, 32), "learns": True}
    late = pass_work(NetworkPass("streets", 19, stride_placement="3x3", **kinds)).flops
    assert late > pass_work(NetworkPass("streets", 19, **kinds)).flops
