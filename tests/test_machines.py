"""Machines that lack something: locks, shared semaphores; and folders with names that shells and formats dislike."""

import errno
import fcntl
import multiprocessing.synchronize
import os
import shlex
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import tiny

from segadapt.core import locking
from segadapt.core.locking import exclusive, try_lock
from segadapt.data.packed.parallel import WORTH_PROCESSES, ordered, worker_pool

TARGET = "work/tiny/cache/source_train/pack.bin"
NO_LOCKS = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP]


@pytest.fixture
def no_locks(monkeypatch, tmp_path):
    """A file system below ``shared`` on which flock fails with an error number; the machine's own disk has it."""

    def make(number: int) -> Path:
        flock, shared = fcntl.flock, tmp_path / "shared"

        def refuse(file, kind):
            if Path(file.name).is_relative_to(shared):
                raise OSError(number, os.strerror(number))
            flock(file, kind)

        monkeypatch.setattr(fcntl, "flock", refuse)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "own"))
        (tmp_path / "own").mkdir()
        locking._say_once.cache_clear()
        return shared

    return make


@pytest.mark.parametrize("number", NO_LOCKS, ids=errno.errorcode.get)
def test_without_flock_a_lock_of_this_machine_stands_in(number, no_locks, capsys):
    lock = no_locks(number) / "run/job.lock"
    held = try_lock(lock)
    assert held is not None and try_lock(lock) is None
    assert try_lock(lock.with_name("other.lock")) is not None
    held.close()
    again = try_lock(lock)
    assert again is not None
    told = capsys.readouterr().err
    assert told.count("this file system has no locks") == 1 and "only on this machine" in told
    again.close()
    with exclusive(lock):
        assert try_lock(lock) is None
    assert try_lock(lock) is not None


def test_who_waits_is_told_of_the_holder_and_its_machine(tmp_path, capsys):
    lock = tmp_path / "run/job.lock"
    with try_lock(lock):
        started = threading.Thread(target=lambda: exclusive(lock).__enter__(), daemon=True)
        started.start()
        while "waiting" not in (told := capsys.readouterr().err):
            time.sleep(0.01)  # polling for the output of a thread
    assert f"pid {os.getpid()} on {socket.gethostname()}" in told
    started.join()


def test_two_names_of_one_folder_are_one_lock(no_locks, tmp_path):
    shared = no_locks(errno.ENOLCK)
    (shared / "run").mkdir(parents=True)
    (shared / "link").symlink_to("run")
    with exclusive(shared / "run/job.lock"):
        assert try_lock(shared / "link/job.lock") is None


def test_another_fault_of_a_lock_is_not_hidden(no_locks):
    with pytest.raises(OSError, match="Input/output"):
        try_lock(no_locks(errno.EIO) / "job.lock")


def squared(number: int) -> int:
    return number * number


@pytest.mark.parametrize("error", [OSError(errno.EROFS, "Read-only file system"), ImportError("no sem_open")])
def test_without_shared_semaphores_one_process_does_it(error, monkeypatch, capsys):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", refuse)
    numbers = list(range(2 * WORTH_PROCESSES))
    assert list(ordered(squared, numbers, 2)) == [number**2 for number in numbers]
    assert capsys.readouterr().err.count("is /dev/shm writable?") == 1
    failed = worker_pool(2).submit(squared, "x")
    with pytest.raises(TypeError):
        failed.result()


def ignores_interrupts(_: int) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_leave_an_interrupt_to_their_parent():
    assert all(ordered(ignores_interrupts, range(WORTH_PROCESSES), 2))


@pytest.mark.parametrize("name", ["-O'Brien Dömäne_例 (copy)", 'c $x "q"'])
def test_a_folder_of_any_name_makes_a_cache(name, tmp_path):
    folder = tiny.make_project(tmp_path / name / "project", tiny.tiny_parameters(("source_only",)))
    tiny.snakemake(folder, TARGET)
    assert (folder / TARGET).is_file()


def test_a_project_with_braces_in_its_path_is_refused_in_one_sentence(tmp_path):
    folder = tiny.make_project(tmp_path / "a{b}c" / "project")
    result = tiny.snakemake(folder, TARGET, check=False)
    assert f"Snakemake cannot work in {folder}, for it takes its braces for wildcards; rename" in result.stderr
    assert result.returncode == 1 and "Traceback" not in result.stderr


def test_an_environment_with_braces_in_its_path_runs_jobs(tmp_path):
    """Snakemake formats what stands before each command."""
    folder = tiny.make_project(tmp_path / "project")
    python = tmp_path / "a{b}c/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    start = f"import sys, runpy; sys.executable = {str(python)!r}; runpy.run_module('snakemake', run_name='__main__')"
    tiny.call(folder, sys.executable, "-c", start, "--cores", "1", TARGET)
    assert (folder / TARGET).is_file()


@pytest.mark.parametrize("size", ["37x19", "9x7", "8x1", "1x1"])
def test_caches_of_odd_sizes_train_or_are_one_sentence(size, tmp_path, capfd):
    parameters = tiny.tiny_parameters(("source_only",))
    preset = parameters["presets"]["tiny"]
    for cache in preset["caches"].values():
        cache["size"] = size
    preset["pretrain"] |= {"steps": 1}
    folder, metrics = tiny.make_project(tmp_path / "project", parameters), "work/tiny/metrics/source/seed1/metrics.json"
    if size != "1x1":
        tiny.make_here(folder, metrics)
        assert (folder / metrics).is_file()
        return
    with pytest.raises(SystemExit) as ended:
        tiny.make_here(folder, metrics)
    assert ended.value.code == 2
    assert "segadapt: batch norm cannot learn from one value per channel" in capfd.readouterr().err
