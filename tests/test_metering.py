"""What a job costs is measured, outlives a kill, and adds up."""

import json
import sys
from types import SimpleNamespace

import numpy
import pytest

from segadapt.core import metering
from segadapt.core.artifacts import write_bytes, write_json
from segadapt.core.job import Job, read_card
from segadapt.core.metering import Cost, Meter, cpu_seconds
from segadapt.core.provenance import read_provenance, record_is_genuine
from segadapt.stages.runner import run_card

EARLIER = Cost(100.5, 60.25, 40.0, 2**60, 2**50, 2)


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A job without inputs, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    job = Job("toy", "toy/one", "tiny", (), {"file": "work/tiny/toy/file"}, "work/tiny/toy/provenance.json", {}, "code")
    write_json(tmp_path / job.card, job.as_card())
    return tmp_path / job.card


def scratch_of(card):
    job = read_card(card)
    return job.scratch(job.fingerprint({}))


def write_output(job, scratch):
    write_bytes(card_output(job), b"made")


def card_output(job):
    return next(iter(job.outputs.values()))


def recorded(card) -> Cost:
    record = read_provenance(card.parents[4] / "work/tiny/toy/provenance.json")
    assert record_is_genuine(record)
    return Cost.of_record(record)


def test_what_a_killed_process_has_spent_is_added(card):
    write_json(scratch_of(card) / "cost.json", EARLIER.as_record())
    run_card(write_output, card)
    found = recorded(card)
    assert 100.5 <= found.seconds < 160 and found.cpu_seconds >= 60.25
    assert (found.peak_memory_bytes, found.peak_gpu_memory_bytes, found.processes) == (2**60, 2**50, 3)
    assert not scratch_of(card).exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"seconds": "x"}', b'{"seconds": -1}', b'{"minutes": 1}'])
def test_a_damaged_note_counts_as_none(card, content):
    write_bytes(scratch_of(card) / "cost.json", content)
    run_card(write_output, card)
    assert recorded(card).processes == 1 and recorded(card).seconds < 60


def test_a_running_job_keeps_its_cost_and_a_failed_one_leaves_it(card, monkeypatch):
    monkeypatch.setattr(metering, "INTERVAL_SECONDS", 0.001)
    note = scratch_of(card) / "cost.json"

    def fail(job, scratch):
        while not note.exists():  # written beside the work, by the meter
            pass
        note.unlink()
        raise RuntimeError

    for processes in (1, 2):
        with pytest.raises(RuntimeError):
            run_card(fail, card)
        left = json.loads(note.read_text())
        # The first note was deleted while it ran; what its process knows is written at the end.
        assert left["processes"] == processes and left["seconds"] >= 0
    run_card(write_output, card)
    assert recorded(card).processes == 3


def test_cpu_time_and_memory_of_this_process_are_measured(tmp_path):
    before = cpu_seconds()
    with Meter(tmp_path) as meter:
        block = numpy.ones(100 * 2**20, numpy.uint8)
        cost = meter.total()
    assert block.all() and before < cost.cpu_seconds <= cpu_seconds()
    assert 100 * 2**20 < cost.peak_memory_bytes < 2**40
    assert json.loads((tmp_path / "cost.json").read_text())["peak_memory_bytes"] >= cost.peak_memory_bytes


@pytest.mark.parametrize(("initialised", "seconds", "memory"), [(True, True, 12345), (False, False, 0)])
def test_a_gpu_counts_only_where_it_was_used(tmp_path, monkeypatch, initialised, seconds, memory):
    cuda = SimpleNamespace(is_initialized=lambda: initialised, max_memory_allocated=lambda: 12345)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    with Meter(tmp_path) as meter:
        cost = meter.total()
    assert (cost.gpu_seconds == cost.seconds) == seconds and cost.peak_gpu_memory_bytes == memory


def test_a_thread_that_cannot_begin_is_not_waited_for(tmp_path, monkeypatch):
    """Without memory a started thread ends before its first line, and nobody hears of it."""
    monkeypatch.setattr("_thread.start_new_thread", lambda function, arguments: 1)
    with Meter(tmp_path):
        pass
    assert Meter(tmp_path).total().processes == 2


def test_a_torch_that_is_only_half_imported_is_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())
    assert Meter(tmp_path).total().gpu_seconds == 0


def test_times_add_up_and_of_peaks_the_higher_one_counts():
    assert Cost(1, 2, 3, 40, 5, 1) + Cost(10, 20, 30, 4, 50, 2) == Cost(11, 22, 33, 40, 50, 3)
    assert EARLIER + Cost() == Cost() + EARLIER == EARLIER
    assert Cost.of_record(EARLIER.as_record()) == EARLIER


def test_an_older_record_is_read_as_far_as_it_goes():
    old = {"seconds": 3.5, "cpu_seconds": 4.0, "gpu_seconds": 0.0, "peak_memory_mib": 300}
    assert Cost.of_record(old) == Cost(3.5, 4.0, 0.0, 300 * 2**20, 0, 1)


def test_an_edited_cost_shows(card):
    run_card(write_output, card)
    record = read_provenance(card.parents[4] / "work/tiny/toy/provenance.json")
    assert record_is_genuine(record) and not record_is_genuine(record | {"cpu_seconds": 0.01})
