"""A project in miniature: toy scenes in the authors' layouts, and parameters that run in seconds."""

import contextlib
import copy
import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from segadapt.core.parameters import load_parameters, read_parameters
from segadapt.core.stages import STAGES
from segadapt.labels import BUILT_IN, CLASS_SETS
from segadapt.plan import make_plan, tell_engines

REPOSITORY = Path(__file__).resolve().parent.parent

# Road below, sky above, a building, a car: their Cityscapes ids.
ROAD, BUILDING, SKY, CAR = 7, 11, 23, 26


def toy_scene(seed: int, width: int, height: int, darkness: int = 0) -> tuple[Image.Image, np.ndarray]:
    """A street of rectangles: RGB image and label ids (uint8)."""
    random = np.random.default_rng(seed)
    label_HW = np.full((height, width), SKY, np.uint8)
    label_HW[height // 2 :] = ROAD
    x, y = random.integers(0, width // 2), random.integers(0, height // 4)
    label_HW[y : height // 2, x : x + width // 3] = BUILDING
    x = random.integers(0, width // 2)
    label_HW[height // 2 : height * 3 // 4, x : x + width // 4] = CAR
    colours = np.zeros((256, 3))
    colours[[ROAD, BUILDING, SKY, CAR]] = [(90, 80, 90), (150, 90, 60), (130, 170, 230), (30, 30, 160)]
    image_HWC = colours[label_HW] - darkness + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(image_HWC.clip(0, 255).astype(np.uint8)), label_HW


def write_gta5(root: Path, count: int = 6, width: int = 96, height: int = 54) -> None:
    """A GTA5 folder of toy scenes with the split ``train``."""
    for folder in ("images", "labels", "list"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        image, label_HW = toy_scene(number, width, height)
        image.save(root / "images" / f"{number:05d}.png")
        label = Image.fromarray(label_HW, "P")
        label.putpalette([value for index in range(256) for value in (index, 255 - index, 128)])
        label.save(root / "labels" / f"{number:05d}.png")
    (root / "list" / "train.txt").write_text("".join(f"{number}\n" for number in range(1, count + 1)))


def write_cityscapes(root: Path, splits: dict[str, int] | None = None, width: int = 96, height: int = 48) -> None:
    """A Cityscapes folder of darker toy scenes."""
    for split, count in (splits or {"train": 5, "val": 4}).items():
        images, labels = root / "leftImg8bit" / split / "toytown", root / "gtFine" / split / "toytown"
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, label_HW = toy_scene(1000 + number, width, height, darkness=40)
            image.save(images / f"toytown_{number:06d}_000019_leftImg8bit.png")
            Image.fromarray(label_HW).save(labels / f"toytown_{number:06d}_000019_gtFine_labelIds.png")


def shipped() -> dict:
    """The project's own ``params.yaml`` and presets, as they stand there; a fresh copy."""
    return read_parameters(REPOSITORY / "params.yaml")


def forget_class_sets() -> None:
    """Those of parameters, which are registered for the whole process."""
    for name in set(CLASS_SETS) - BUILT_IN:
        del CLASS_SETS[name]


def tiny_parameters(rows: tuple[str, ...] = ("source_only", "maxsquare", "maxsquare_iw_multi")) -> dict:
    """The shipped parameters with one more preset, ``tiny``, made active."""
    parameters = shipped()
    preset = copy.deepcopy(parameters["presets"]["streets"])
    preset["datasets"] = {
        # A few images of each, as the data sets' counts tell: accepted.
        "game": {"format": "gta5", "root": "toy/gta5", "accept": ["list/train.txt"]},
        "camera": {
            "format": "cityscapes",
            "root": "toy/cityscapes",
            "accept": ["leftImg8bit/train", "leftImg8bit/val"],
        },
    }
    for training in (method["training"] for method in preset["methods"].values() if "training" in method):
        training.pop("crop", None)  # the toy images are smaller
        if "warm_up" in training.get("annealing", {}):
            training["annealing"]["warm_up"] = 1
    preset |= {"settings": {}, "figure_methods": [], "classification": None, "lambda_rule": None}
    preset["model"] = {"backbone": "streets", "classes": "cityscapes19", "initialisation": "kaiming"}
    used = ("source_train", "target_train", "target_train_labelled", "target_val")
    preset["caches"] = {name: preset["caches"][name] | {"size": "64x32"} for name in used}
    for stage in ("pretrain", "adapt", "refine"):
        preset[stage] |= {"steps": 6, "horizon": 8, "batch_size": 1, "learning_rate": 0.001, "head_factor": 3}
    for stage in ("adapt", "refine"):
        preset[stage]["snapshots"] = 1
    preset["run"] |= {"log_steps": 1, "save_steps": 2, "save_seconds": 1000.0}
    parameters["presets"]["tiny"] = preset
    parameters["preset"] = "tiny"
    parameters |= {"seeds": [1], "settings": {}}
    parameters["experiments"] = {"table2": {"rows": list(rows), "published": 2}}
    for each in parameters["presets"].values():
        each |= {"experiments": {}, "tables": None, "report": []}
    return parameters


def make_project(folder: Path, parameters: dict | None = None) -> Path:
    """A working copy of the project in ``folder`` with toy data; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("workflow", "src", "results/published"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("Snakefile", "dvc.yaml", ".gitignore", ".dvcignore"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / "profiles").symlink_to("workflow/profiles")
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / "toy.safetensors").write_bytes(b"no preset reads it")
    write_parameters(folder, parameters or tiny_parameters())
    write_gta5(folder / "toy" / "gta5")
    write_cityscapes(folder / "toy" / "cityscapes")
    return folder


def write_parameters(folder: Path, parameters: dict) -> None:
    """Writes ``params.yaml`` and ``presets/*.yaml``."""
    shutil.rmtree(folder / "presets", ignore_errors=True)
    (folder / "presets").mkdir()
    top = {key: each for key, each in parameters.items() if key != "presets"}
    files = {"params": top} | {f"presets/{name}": each for name, each in parameters.get("presets", {}).items()}
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def environment(folder: Path) -> dict[str, str]:
    """The environment for child processes: the project's own sources first, no colours, no telemetry."""
    bin_folder = str(Path(sys.executable).parent)
    return os.environ | {
        "PYTHONPATH": str(folder / "src"),
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        "DVC_NO_ANALYTICS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def call(folder: Path, *command: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Runs a command in the project; AssertionError with its output if ``check`` and it failed."""
    result = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=timeout
    )
    assert not check or result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result


def snakemake(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake on two cores in the project."""
    return call(folder, sys.executable, "-m", "snakemake", "--cores", "2", *arguments, check=check)


def make_here(folder: Path, *targets: str) -> None:
    """Makes files of a project, and what they need, in this very process: where no engine is what is tested."""
    with contextlib.chdir(folder):
        plan = make_plan(load_parameters("params.yaml"))
        tell_engines(plan)
        needed = set(targets)
        for job in reversed(plan.jobs):
            needed |= {each.path for each in job.inputs} if needed & set(job.outputs.values()) else set()
    for job in plan.jobs:
        if needed & set(job.outputs.values()):
            run_here(folder, STAGES[job.stage].module, job.card)


def make_apart(folder: Path, *targets: str) -> None:
    """The same in one process of its own, which runs the project's code and not the repository's."""
    call(folder, sys.executable, __file__, *targets)


def run_here(folder: Path, module: str, card: str) -> None:
    """Runs a job in this very process, which saves the start of a Python with torch.

    What the job sets for its process is put back.
    """
    was = (sys.argv, signal.getsignal(signal.SIGTERM), torch.get_num_threads())
    debug_mode = torch.get_deterministic_debug_mode()
    try:
        sys.argv = ["a stage", card, "1"]
        with contextlib.chdir(folder):
            runpy.run_module(module, run_name="__main__")
    finally:
        sys.argv = was[0]
        signal.signal(signal.SIGTERM, was[1])
        torch.set_num_threads(was[2])
        torch.set_deterministic_debug_mode(debug_mode)


def jobs_to_run(folder: Path, *arguments: str) -> list[str]:
    """The logs (hence names) of the jobs that a dry run lists."""
    output = snakemake(folder, *arguments, "-n", "--quiet", "progress").stdout
    names = [line.split("/logs/", 1)[1].removesuffix(".log") for line in output.splitlines() if "    log: " in line]
    return sorted(names)


if __name__ == "__main__":
    make_here(Path.cwd(), *sys.argv[1:])
