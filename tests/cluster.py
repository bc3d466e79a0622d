"""``python tests/cluster.py``: a toy Table 2 on a real Slurm of one node, with kills, against a run on this machine.

Needs root, munge and slurm-wlm (``make cluster-test`` installs them). The cluster is this process's own: on the
loopback, its files in a temporary folder, its four GPUs empty files. Where a training is to be disturbed, it is
stopped (SIGSTOP) at a saved step until the disturbance has reached it. The record is written to results/cluster.
"""

import argparse
import contextlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import golden_bytes
import tiny

from segadapt.core.artifacts import sha256_json, write_json
from segadapt.core.job import read_card

ROWS = ("source_only", "source_continued", "target_forwarded", "maxsquare", "maxsquare_iw_multi")
STEPS, SAVE_STEPS = 24, 4
TABLE = "results/table2.csv"
RECORD = tiny.REPOSITORY / "results/cluster"
GPUS, CPUS = 4, 6
DISTURBED = (
    "pretrain/source", "pretrain/source_multi", "adapt/source_continued", "adapt/maxsquare",
    "refine/maxsquare_iw_multi",
)  # fmt: skip

# --- the cluster ----------------------------------------------------------------------------------

HERE = Path("/etc/slurm/slurm.conf")
CONFIGURATION = """
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=5
KillWait=5
MinJobAge=7200
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=65536 Gres=gpu:{gpus}
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE
PartitionName=gpu Nodes={host} MaxTime=INFINITE
PartitionName=urgent Nodes={host} MaxTime=INFINITE PriorityTier=10
"""


class Cluster:
    """munged, slurmctld and slurmd for as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        assert not os.path.lexists(HERE), f"{HERE} is there already: this machine has a cluster of its own"
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        ports = {"controller_port": _free_port(), "node_port": _free_port()}
        text = CONFIGURATION.format(folder=self.folder, host=self.host, cpus=CPUS, gpus=GPUS, **ports)
        (self.folder / "slurm.conf").write_text(text)
        files = f"{self.folder}/gpu[0-{GPUS - 1}]"
        for number in range(GPUS):
            (self.folder / f"gpu{number}").touch()
        (self.folder / "gres.conf").write_text(f"AutoDetect=off\nNodeName={self.host} Name=gpu File={files}\n")
        # The plugin takes SLURM_CONF from the environment of what jobs start.
        HERE.parent.mkdir(exist_ok=True)
        HERE.symlink_to(self.folder / "slurm.conf")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        kept = {"key-file": key, "socket": self.folder / "munge.socket", "pid-file": self.folder / "munge.pid"}
        kept |= {"log-file": self.folder / "munge.log", "seed-file": self.folder / "munge.seed"}
        self._start("munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in kept.items()))
        wait_for(kept["socket"].exists, "munge's socket")
        self._start("slurmctld", "-D")
        self._start("slurmd", "-D", "-N", self.host)
        wait_for(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T", check=False), "an idle node")
        return self

    def __exit__(self, *error: object) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait()
        HERE.unlink()

    def _start(self, *command: str) -> None:
        with open(self.folder / f"{command[0]}.log", "ab") as log:
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | self.environment))

    def ask(self, *command: str, check: bool = True) -> str:
        """What a command of Slurm's prints."""
        found = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True)
        assert not check or found.returncode == 0, f"{command}: {found.stderr}"
        return found.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Slurm's record of every job that there was, in order."""
        lines = self.ask("scontrol", "--oneliner", "show", "job", check=False).splitlines()
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines if line.startswith("JobId=")]

    def running(self, training: str) -> str | None:
        """The number of the job of a training that runs."""
        rule, model = training.split("/")
        comment = re.compile(rf"rule_{rule}_wildcards_{model}_1$")
        found = (each for each in self.jobs() if each["JobState"] == "RUNNING")
        return next((each["JobId"] for each in found if comment.match(each.get("Comment", ""))), None)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(is_so, what: str, seconds: float = 600) -> None:
    """Waits for something outside this process, which no event tells."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)


# --- the two runs ---------------------------------------------------------------------------------


def parameters() -> dict:
    """Few images of 64x32; trainings long enough to be met at a saved step."""
    found = tiny.tiny_parameters(ROWS)
    preset = found["presets"]["tiny"]
    found["presets"] = {"tiny": preset}
    for stage in ("pretrain", "adapt", "refine"):
        preset[stage] |= {"steps": STEPS, "horizon": STEPS}
    preset["run"] |= {"save_steps": SAVE_STEPS, "prepare_processes": 1}
    return found


def numbers(project: Path) -> dict[str, str]:
    """SHA-256 of all that jobs made but records, pictures and costs, by path."""
    jobs = [read_card(path) for path in sorted(project.glob("work/tiny/cards/**/*.json"))]
    paths = [path for job in jobs if "costs" not in job.name for path in job.outputs.values()]
    kept = [path for path in paths if (project / path).is_file() and Path(path).suffix not in golden_bytes._NO_NUMBERS]
    return {path: sha256_json(golden_bytes.numbers_of(project / path).hex()) for path in sorted(kept)}


class Run:
    """Snakemake with the project's own profile, its account left out, and what is done to its jobs."""

    QUICK = ("--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2")

    def __init__(self, project: Path, cluster: Cluster) -> None:
        self.project, self.cluster, self.done = project, cluster, []
        profile = project / "workflow/profiles/slurm/config.yaml"
        profile.write_text(re.sub(r"slurm_account: lab\b", "slurm_account: \"''\"", profile.read_text()))
        self._log = open(project / "snakemake.log", "ab")  # noqa: SIM115 - as long as the run
        self._held: dict[str, int] = {}
        threading.Thread(target=self._hold, daemon=True).start()
        self._engine = self._start()

    def _start(self) -> subprocess.Popen:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--workflow-profile",
            "workflow/profiles/slurm",
            *self.QUICK,
            TABLE,
        ]
        environment = tiny.environment(self.project) | self.cluster.environment
        return subprocess.Popen(command, cwd=self.project, env=environment, stdout=self._log, stderr=self._log)

    @contextlib.contextmanager
    def stopped(self, training: str, what: str) -> Iterator[str]:
        """A training that stands still at a saved step in the block; yields the number of its job."""
        wait_for(lambda: training in self._held, f"{training} at a saved step")
        number = self.cluster.running(training)
        assert number is not None
        yield number
        self.done.append((what, training, f"job {number}"))
        print(f"{what}: {training}, job {number}", flush=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._held[training], signal.SIGCONT)

    def _hold(self) -> None:
        """Stops each of the trainings that are to be disturbed at a saved step, once, until it is its turn."""
        while len(self._held) < len(DISTURBED):
            for state in self.project.glob("work/tiny/run/*/state-*.safetensors"):
                with contextlib.suppress(OSError, IndexError, ValueError):
                    process = int(state.parent.with_name(f"{state.parent.name}.lock").read_text().split()[0])
                    words = Path(f"/proc/{process}/cmdline").read_text()
                    for training in (each for each in DISTURBED if f"/cards/{each}/seed1.json" in words):
                        if training not in self._held:
                            os.kill(process, signal.SIGSTOP)
                            self._held[training] = process
            time.sleep(0.01)

    def kill_engine(self) -> None:
        """SIGKILL to Snakemake; the same command is given again."""
        self._engine.kill()
        self._engine.wait()
        self._engine = self._start()

    def end(self) -> None:
        """Nothing of it runs on, however the test ended."""
        self._engine.kill()
        self.cluster.ask("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}", check=False)
        self.cluster.ask("scancel", f"--user={os.getuid()}", check=False)

    def wait(self) -> None:
        assert self._engine.wait() == 0, (self.project / "snakemake.log").read_text()[-4000:]


def disturb(run: Run) -> None:
    """A kill, a requeue, Snakemake's death, a time limit, a preemption and a drained node, one training each."""
    cluster, node = run.cluster, f"NodeName={run.cluster.host}"
    with run.stopped("pretrain/source", "scancel --signal=KILL") as number:
        cluster.ask("scancel", "--signal=KILL", "--full", number)
        wait_for(lambda: _state(cluster, number) in ("FAILED", "CANCELLED"), "the killed job's end")
    with run.stopped("pretrain/source_multi", "scontrol requeue") as number:
        cluster.ask("scontrol", "requeue", number)
        wait_for(lambda: _state(cluster, number) != "RUNNING", "the requeued job's end")
    with run.stopped("adapt/source_continued", "SIGKILL of Snakemake"):
        run.kill_engine()
    with run.stopped("adapt/maxsquare", "time limit") as number:
        cluster.ask("scontrol", "update", f"JobId={number}", "TimeLimit=1")
        wait_for(lambda: _state(cluster, number) == "TIMEOUT", "the time limit")
    with run.stopped("refine/maxsquare_iw_multi", "preemption") as number:
        cluster.ask("sbatch", "-p", "urgent", f"--gpus={GPUS}", "--output=/dev/null", "--wrap", "true")
        wait_for(lambda: _state(cluster, number) != "RUNNING", "the preempted job's end")
        cluster.ask("scontrol", "update", node, "State=DRAIN", "Reason=test")
    # Nothing starts until the node is back.
    wait_for(lambda: _state(cluster, number) == "PENDING", "the preempted job in the queue")
    cluster.ask("scontrol", "update", node, "State=RESUME")
    run.done.append(("drained and brought back", "the node", ""))


def _state(cluster: Cluster, number: str) -> str:
    return next(each["JobState"] for each in cluster.jobs() if each["JobId"] == number)


# --- the record -----------------------------------------------------------------------------------


def write_record(run: Run, jobs: list[dict[str, str]], equal: int, seconds: dict[str, float]) -> None:
    """results/cluster/record.json and README.md."""
    rows = [_row(each) for each in jobs]
    slurm = run.cluster.ask("sinfo", "--version").split()[-1]
    packages = ("snakemake", "snakemake-executor-plugin-slurm", "torch")
    versions = {"slurm": slurm, "python": platform.python_version(), **{name: version(name) for name in packages}}
    states = Counter(each["JobState"] for each in jobs)
    about = {"versions": versions, "seconds": seconds, "states": states, "equal_files": equal, "disturbed": run.done}
    write_json(RECORD / "record.json", about | {"jobs": rows})
    tools = ", ".join(f"{name} {versions[name]}" for name in packages)
    lines = [
        "# A toy Table 2 on a real Slurm", "",
        f"Made by `make cluster-test` (`tests/cluster.py`): Slurm {slurm} on one node, {GPUS} GPUs that are empty",
        f"files, {tools}.", "",
        f"**All {equal} files of numbers (packed data, models, histories, scores, tables) are those of a run without",
        f"Slurm, byte for byte.** {seconds['here']} s here, {seconds['cluster']} s there, with all waiting.", "",
        "| what was done | to |", "| --- | --- |",
        *(f"| {what} | {training} {number} |" for what, training, number in run.done), "",
        "| job | of | partition | ended | restarts | asked for | time limit |", "|" + " --- |" * 7,
        *("| " + " | ".join(row) + " |" for row in rows), "",
    ]  # fmt: skip
    (RECORD / "README.md").write_text("\n".join(lines))


def _row(job: dict[str, str]) -> list[str]:
    about = job.get("Comment", "").removeprefix("rule_").replace("_wildcards_", " ")
    asked = " ".join(filter(None, (job.get("TRES"), job.get("TresPerJob"))))
    return [job["JobId"], about, job["Partition"], job["JobState"], job.get("Restarts", "0"), asked, job["TimeLimit"]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/cluster.py", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segadapt-cluster-")))
        here, there = (tiny.make_project(folder / name, parameters()) for name in ("here", "cluster"))
        start = time.monotonic()
        tiny.snakemake(here, TABLE)
        seconds = {"here": time.monotonic() - start}
        print(f"made here in {seconds['here']:.0f} s", flush=True)
        (folder / "slurm").mkdir()
        cluster = stack.enter_context(Cluster(folder / "slurm"))
        start = time.monotonic()
        run = Run(there, cluster)
        stack.callback(run.end)
        disturb(run)
        run.wait()
        for training in DISTURBED:
            log = (there / f"work/tiny/logs/{training}/seed1.log").read_text()
            assert log.count(", process ") >= (1 if "continued" in training else 2), f"one attempt alone:\n{log}"
        seconds["cluster"] = time.monotonic() - start
        expected, found = numbers(here), numbers(there)
        differ = sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))
        print(f"{len(expected)} files here, {len(found)} from the cluster, {len(differ)} differ: {', '.join(differ)}")
        if differ:
            return 1
        write_record(run, cluster.jobs(), len(found), {name: round(each) for name, each in seconds.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
