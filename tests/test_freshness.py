"""What is up to date; how Snakemake is told, by cards' times, whatever all others are; a memo saves reading alone."""

import json
import os
import random
import time
from pathlib import Path

import pytest
from test_plan import below, plan_of
from tiny import tiny_parameters

from segadapt.core import provenance
from segadapt.core.artifacts import sha256_json, write_json
from segadapt.core.job import Job
from segadapt.core.metering import Cost
from segadapt.core.seen import Memo, memo_path
from segadapt.plan import Plan, statuses, tell_engines

FAR_AHEAD = 4_300_000_000.0  # the year 2106


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A folder in which every job of the toy plan has run, by the look of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: "toy")
    plan = plan_of()
    external = {each.path for job in plan.jobs for each in job.inputs if not each.maker}
    for path in external:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("given\n")
    for job in plan.jobs:
        for role, path in job.outputs.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(f"{job.name} {role}\n")
        if job.stage in ("pretrain", "adapt", "refine"):
            benchmark = Path(f"work/tiny/logs/{job.name}.benchmark.tsv")
            benchmark.parent.mkdir(parents=True, exist_ok=True)
            benchmark.write_text("s\n1.0\n")
        hashes = job.input_hashes()
        provenance.write_provenance(job, job.fingerprint(hashes), hashes, Cost(1.0))
    return plan


def states(plan: Plan) -> dict[str, str]:
    """The state of every job that is not ok."""
    return {status.job.name: status.state for status in statuses(plan) if not status.is_ok}


def expect(plan: Plan, name: str, state: str) -> None:
    """Asserts that a job has a state and that exactly its dependants wait for it."""
    found = states(plan)
    assert found.pop(name) == state
    assert set(found) == below(plan, name)
    assert all(each.startswith("upstream (") for each in found.values())


def write_record(job: Job, record: dict) -> None:
    """Puts a record in a job's place that is genuine, whatever it says."""
    record = {key: value for key, value in record.items() if key != "checksum"}
    record["fingerprint"] = sha256_json([record["identity"], record["input_sha256"]])[:20]
    write_json(Path(job.provenance), record | {"checksum": sha256_json(record)})


def test_a_finished_project_is_all_ok(finished):
    assert states(finished) == {}
    assert all(status.output_hashes for status in statuses(finished))


def test_an_empty_project_is_all_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(states(plan_of()).values()) == {"missing"}


def test_a_lost_record_output_or_byte_is_seen(finished):
    job = finished.by_name["adapt/minent/seed1"]
    model, record = Path(job.outputs["model"]), Path(job.provenance)
    content, text, when = model.read_bytes(), record.read_text(), model.stat().st_mtime_ns
    model.unlink()
    expect(finished, job.name, f"missing ({model})")
    for damaged in (content[:-1], content + b"x", b"", bytes(len(content)), content[:-2] + b"x\n"):
        model.write_bytes(damaged)
        os.utime(model, ns=(when, when))
        expect(finished, job.name, f"damaged ({model})")
    model.unlink()
    model.mkdir()
    expect(finished, job.name, f"missing ({model})")
    model.rmdir()
    model.write_bytes(content)
    for damaged in ("", "{", "[]", "{}", '{"identity": {}}', text[: len(text) // 2]):
        record.write_text(damaged)
        expect(finished, job.name, "missing")
    for damaged in (text.replace("toy", "boy"), text.replace('"seed": 1', '"seed": 2'), text.replace("1.0", "1.1")):
        record.write_text(damaged)
        expect(finished, job.name, f"damaged ({record})")
    record.unlink()
    os.mkfifo(record)  # opened, it would be waited for
    expect(finished, job.name, "missing")
    record.unlink()
    record.write_text(text)
    assert states(finished) == {}


@pytest.mark.parametrize("key", ["stage", "name", "inputs", "config", "code"])
def test_every_part_of_the_identity_counts(finished, key):
    job = finished.by_name["pretrain/source/seed1"]
    record = json.loads(Path(job.provenance).read_text())
    record["identity"][key] = "another"
    write_record(job, record)
    expect(finished, job.name, f"{key} differs")


def test_a_record_of_other_outputs_is_not_this_jobs(finished):
    job = finished.by_name["adapt/minent/seed1"]
    record = json.loads(Path(job.provenance).read_text())
    record["outputs"]["more"] = {"path": "long/gone.bin", "sha256": "0", "bytes": 1}
    write_record(job, record)
    expect(finished, job.name, "outputs differ")


def test_an_input_that_was_remade_otherwise_is_seen(finished):
    upstream, job = finished.by_name["pretrain/source/seed1"], finished.by_name["adapt/minent/seed1"]
    Path(upstream.outputs["model"]).write_text("retrained\n")
    hashes = upstream.input_hashes()
    provenance.write_provenance(upstream, upstream.fingerprint(hashes), hashes, Cost(1.0))
    assert states(finished)[job.name] == f"input differs ({upstream.outputs['model']})"
    assert upstream.name not in states(finished)


def test_an_edited_or_missing_file_of_the_users_is_seen(finished):
    published = Path("results/published/paper_table2.csv")
    reason = f"input differs ({published})"
    published.write_text("edited\n")
    assert states(finished) == {"table/table2": reason, "report": f"upstream (table/table2: {reason})"}
    published.unlink()
    assert states(finished) == {"table/table2": reason, "report": f"upstream (table/table2: {reason})"}


def test_an_edited_parameter_makes_one_branch_stale(finished):
    methods = tiny_parameters()["methods"]
    methods["minent"]["lambda_target"] = 0.2
    expect(plan_of(methods=methods), "adapt/minent/seed1", "config differs")


# --- what Snakemake is told -------------------------------------------------------------------------


def files(plan: Plan) -> list[str]:
    """Every file that a job makes."""
    benchmarks = [str(path) for path in Path("work").rglob("*.benchmark.tsv")]
    return [path for job in plan.jobs for path in (*job.outputs.values(), job.provenance)] + benchmarks


TIMES = {
    "1970": lambda draw: 0.0,
    "before 1970": lambda draw: -1e8,
    "2106": lambda draw: FAR_AHEAD,
    "an hour ahead": lambda draw: time.time() + 3600,
    "random": lambda draw: draw.uniform(-1e8, FAR_AHEAD),
    "all at once": lambda draw: 1.5e9,
}


def set_times(paths: list[str], kind: str) -> None:
    """Sets times of one kind."""
    draw = random.Random(kind)
    for path in paths:
        os.utime(path, (TIMES[kind](draw),) * 2)


def times(plan: Plan) -> list[float]:
    """What a file's time is to whoever follows links."""
    return [os.stat(path).st_mtime for path in files(plan)]


def due_by_times(plan: Plan) -> set[str]:
    """The jobs whose card is newer than one of their outputs, as Snakemake compares: links' own times, 0 is no time."""
    found = set()
    for job in plan.jobs:
        made = [*job.outputs.values(), job.provenance, job.benchmark]
        times = [os.lstat(path).st_mtime for path in made if os.path.exists(path)]
        oldest = min(times, default=None)
        if not oldest or os.stat(job.card).st_mtime > oldest:
            # Without a time there is nothing to compare: then only a job that Snakemake needs for another one is run.
            assert times == [] or oldest != 0, job.name
            found.add(job.name)
    return found


def link(path: str, index: int) -> None:
    """Puts a link in a file's place, as DVC does where it is told to."""
    store = Path(f"store/{index}")
    store.parent.mkdir(exist_ok=True)
    os.replace(path, store)
    os.symlink(store.absolute(), path)


@pytest.mark.parametrize("links", [False, True], ids=["files", "links"])
@pytest.mark.parametrize("kind", [kind for kind in TIMES if kind != "1970"])
def test_times_of_outputs_mean_nothing_and_are_left_alone(finished, kind, links):
    if links:
        for index, path in enumerate(files(finished)):
            link(path, index)
    set_times(files(finished), kind)
    before = times(finished)
    assert all(status.is_ok for status in tell_engines(finished))
    assert due_by_times(finished) == set()
    assert all(then == now or then > time.time() >= now for then, now in zip(before, times(finished), strict=True))
    name = "pretrain/source/seed1"
    record = json.loads(Path(finished.by_name[name].provenance).read_text())
    record["identity"]["code"] = "older"
    write_record(finished.by_name[name], record)
    stale = {name} | below(finished, name)
    assert {status.job.name for status in tell_engines(finished) if not status.is_ok} == stale
    assert due_by_times(finished) == stale
    assert max(times(finished)) <= time.time()


def test_a_time_of_zero_is_no_time_for_snakemake(finished):
    set_times(files(finished), "1970")
    assert all(status.is_ok for status in tell_engines(finished))
    record = json.loads(Path(finished.by_name["table/table2"].provenance).read_text())
    record["identity"]["code"] = "older"
    write_record(finished.by_name["table/table2"], record)
    set_times(files(finished), "1970")
    tell_engines(finished)
    job = finished.by_name["table/table2"]
    assert os.stat(job.card).st_mtime > min(os.stat(path).st_mtime for path in job.outputs.values()) > 0


def test_links_to_nowhere_are_no_files(finished):
    """What DVC's cache or the preset's results no longer hold; Snakemake would take the link for the file."""
    paths = [
        finished.by_name[name].outputs[role]
        for name, role in (("table/table2", "csv"), ("pretrain/source/seed1", "model"))
    ]
    for path in paths:
        os.unlink(path)
        os.symlink("nowhere", path)
    due = {status.job.name: status.state for status in tell_engines(finished) if not status.is_ok}
    assert due["pretrain/source/seed1"] == f"missing ({paths[1]})"
    assert not any(map(os.path.islink, paths))


def test_cards_say_what_the_plan_says_and_are_rewritten_only_if_they_differ(finished):
    tell_engines(finished)
    job = finished.by_name["adapt/minent/seed1"]
    card = Path(job.card)
    assert json.loads(card.read_text()) == json.loads(json.dumps(job.as_card()))
    inode = card.stat().st_ino
    tell_engines(finished)
    assert card.stat().st_ino == inode
    card.write_text("{ cut short")
    tell_engines(finished)
    assert json.loads(card.read_text())["name"] == job.name


def test_every_made_input_has_its_makers_record(finished):
    for job in finished.jobs:
        for each in job.inputs:
            maker = finished.by_output.get(each.path)
            assert each.maker == (maker and maker.provenance)


# --- the memo ---------------------------------------------------------------------------------------


def aged(path: Path, monkeypatch) -> None:
    """Lets the memo believe that a file was written a while ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 1_000_000_000)


def test_an_untouched_file_is_read_once(tmp_path, monkeypatch):
    path, asked = tmp_path / "file", []
    path.write_text("content")
    aged(path, monkeypatch)
    for _ in range(3):
        memo = Memo(tmp_path / "memo.json")
        assert memo.answer(str(path), "length", lambda: asked.append(1) or str(len(path.read_bytes()))) == "7"
        memo.save()
    assert len(asked) == 1


def flip_in_place(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("CONTENT")
    os.replace(other, path)


@pytest.mark.parametrize("change", [flip_in_place, replace, lambda path: os.truncate(path, 3)])
def test_a_change_is_seen_though_its_time_is_put_back(tmp_path, monkeypatch, change):
    path = tmp_path / "file"
    path.write_text("content")
    aged(path, monkeypatch)
    memo = Memo(tmp_path / "memo.json")
    before, when = memo.sha256(str(path)), path.stat().st_mtime_ns
    change(path)
    os.utime(path, ns=(when, when))
    assert memo.sha256(str(path)) != before


def test_a_file_that_was_just_written_is_not_believed_to_stay(tmp_path):
    """Within one tick of the clock a second write would not show."""
    path = tmp_path / "file"
    path.write_text("content")
    memo = Memo(tmp_path / "memo.json")
    memo.sha256(str(path))
    memo.save()
    assert not (tmp_path / "memo.json").exists()


def test_what_is_no_regular_file_has_no_hash(tmp_path):
    memo = Memo(tmp_path / "memo.json")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("absent", "fifo", "loop", "."):
        assert memo.sha256(str(tmp_path / name)) is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"sha256 file": 3}', '{"sha256 file": []}', '{"a": {}}'])
def test_a_damaged_memo_is_no_memo(finished, content):
    tell_engines(finished)
    job = finished.by_name["adapt/minent/seed1"]
    memo = memo_path("tiny", job.provenance)
    memo.parent.mkdir(parents=True, exist_ok=True)
    memo.write_text(content.replace("file", job.outputs["model"]))
    assert all(status.is_ok for status in statuses(finished))
