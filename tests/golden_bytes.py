"""Every number of a toy pipeline as a list of SHA-256: what a change that is meant to change no number is held to.

``python tests/golden_bytes.py --write`` makes it anew, prints which entries of ``LIST`` changed and writes it.

On the list stands every output of every job: packed data, models, snapshots, histories, scores, tables and the data of
figures. Not on it: records of how files were made, tables of costs, pictures, and the Markdown, LaTeX and HTML forms of
the tables, which are words around the same numbers. From a CSV file the columns ``LEFT_OUT`` are taken before it is
hashed, from a JSON file the keys: they tell commit, machine and time.

Equal bytes need equal rounding. The pipeline runs in a process of its own which lets no library choose its kernels by
the processor; ``arithmetic`` measures, without any of our code, whether what is left rounds as it did for the list.
"""

import argparse
import copy
import csv
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import tiny
import torch
import toy_classification
import toy_digits
from torch.nn import functional as F

from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.core.provenance import processor_name
from segadapt.plan import Plan, make_plan

LIST = tiny.REPOSITORY / "tests" / "golden" / "toy_pipeline.json"
LEFT_OUT = {"commit", "machine", "gpu_seconds", "gpu_hours", "fingerprint"}
_NO_NUMBERS_MADE = ("costs", "gallery", "report")
"""Stages that make none: times, and pictures of what is on the list."""
_NO_NUMBERS = {".png", ".svg", ".md", ".tex", ".html"}
_CLASSIFICATION = "table1"
TRANSFORMERS = ("vfm_uda", "daformer", "daformer_mic")
"""Methods that need a transformer: tests/test_vfm_uda.py and test_feature_distance.py hold their runs."""
ALIGNING = ("cross_city_global", "cross_city", "cross_city_prior")
"""tests/test_cross_city.py and tests/test_kill.py hold theirs."""

# --- the pipeline ---------------------------------------------------------------------------------


def parameters() -> dict[str, Any]:
    """Every method of ``params.yaml`` for four steps, in four settings, with sweeps and classification."""
    ours = tiny.shipped()
    tables = {
        name: table
        for name, table in ours["experiments"].items()
        if not name.startswith("table7") and not table.get("task")
    }
    listed = [row for table in tables.values() for row in table["rows"]]
    methods = list(dict.fromkeys([*(row.rpartition("/")[2] for row in listed), "oracle"]))
    methods = [name for name in methods if name not in ALIGNING]
    found = tiny.tiny_parameters()
    found["presets"] = {"tiny": found["presets"]["tiny"]}
    found["seeds"] = [1, 2]
    found["experiments"] = {
        **{name: ours["experiments"][name] for name in (_CLASSIFICATION, "table2")},
        "methods": {"rows": methods},
        "teachers": {"rows": [row for row in ours["experiments"]["table7"]["rows"] if "/" not in row]},
        "of_16": {"rows": ["source_only", "maxsquare"], "classes": "synthia16"},
        "sweeps": {
            "rows": ["target_forwarded"],
            "sweeps": [
                {"method": "maxsquare", "parameter": "lambda_target", "values": [0.1, 0.5]},
                {"method": "maxsquare_iw", "parameter": "image_weight.alpha", "values": [0, 0.2]},
                {"method": "maxsquare_iw_multi", "parameter": "guidance.threshold", "values": [0.3, 0.95]},
            ],
        },
        "networks": {
            "rows": [
                *(f"equations/{name}" for name in ("source_only", "target_forwarded", "minent", "maxsquare_iw_multi")),
                *(f"wide/{name}" for name in ("source_only", "target_forwarded", "self_training", "cbst_sp")),
                *(f"half/{name}" for name in ("source_only", "target_forwarded", "maxsquare_iw_multi")),
            ]
        },
        "of_13": {
            "rows": [f"thirteen/{name}" for name in ("source_only", "target_forwarded", "adaptsegnet", "minent")]
        },
    }
    preset = found["presets"]["tiny"]
    preset["run"]["prepare_processes"] = 1
    for stage in ("pretrain", "adapt", "refine", "joint", "oracle"):
        preset[stage] |= {"steps": 4, "horizon": 6, "batch_size": 1, "head_factor": 3}
    for stage in ("joint", "oracle"):
        preset[stage]["learning_rate"] = 2e-2
    for stage in ("adapt", "refine", "joint"):
        preset[stage]["snapshots"] = 1
    for method in preset["methods"].values():
        if "training" in method:
            method["training"] |= {"crop": "48x32", "learning_rate": 1e-3, "steps": 4, "horizon": 6}
            toy = {"alpha": 0.6, "mask_block": 12, "blur_chance": 0.5}
            method["options"] |= {key: value for key, value in toy.items() if key in method["options"]}
        if "self_training" in method:
            method["self_training"] |= {"rounds": 2, "steps": 3}
    preset["figure_methods"] = methods  # a table that comes later changes no figure
    preset["settings"] = _settings(ours, preset)
    _add_classification(preset)
    return found


def _settings(ours: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """Another protocol, another network, half precision; and other classes, other data and training from the start."""
    for name in ("source_train", "target_val"):
        preset["caches"][f"{name}_13"] = preset["caches"][name] | {"classes": "nthu13"}
    wide = copy.deepcopy(ours["presets"]["streets"]["settings"]["wide"])
    wide["model"], wide["pretrain"] = {"backbone": "streets_wide"}, {"learning_rate": 0.05, "head_factor": 1}
    equations = {key: value for key, value in ours["protocols"]["paper"].items() if key != "evaluation_size"}
    augmented = {"source": "source_train_13", "colour": 0.4, "zoom": 1.3, "crop": "48x32", "batch_size": 2}
    return {
        "wide": wide,
        "equations": {"title": "as the equations say", "protocol": equations},
        "half": {"title": "half precision", "precision": {"bf16": True}},
        "thirteen": {
            "title": "13 classes",
            "model": {"classes": "nthu13"},
            **{stage: augmented for stage in ("pretrain", "adapt", "refine", "joint")},
            "evaluate_on": "target_val_13",
            "methods": {"adaptsegnet": {"start": "initial", "batch_norm": {"train_affine": False}}},
        },
    }


def _add_classification(preset: dict[str, Any]) -> None:
    toy = toy_classification.parameters()["presets"]["tiny"]
    preset["classification"] = toy["classification"]
    for section in ("datasets", "caches"):
        preset[section] |= toy[section]


def make(folder: Path) -> None:
    """Makes the whole pipeline in ``folder``, in this process."""
    tiny.make_project(folder, parameters())
    toy_digits.write_digits(folder / "toy" / "digits")
    plan = make_plan(load_parameters(folder / "params.yaml"))
    tiny.make_here(folder, *(path for job in _with_numbers(plan) for path in job.outputs.values()))


def _with_numbers(plan: Plan) -> Iterator[Any]:
    return (job for job in plan.jobs if job.stage not in _NO_NUMBERS_MADE and _number_files([*job.outputs.values()]))


def _number_files(paths: list[str]) -> list[str]:
    return [path for path in paths if Path(path).suffix not in _NO_NUMBERS]


def expected_files() -> list[str]:
    """The files that the list must hold, as the plan says; sorted."""
    plan = make_plan(parameters_from(parameters(), "tiny"))
    return sorted(path for job in _with_numbers(plan) for path in _number_files([*job.outputs.values()]))


# --- hashes ---------------------------------------------------------------------------------------


def numbers_of(path: Path) -> bytes:
    """The file's bytes; of CSV and JSON that hold any of ``LEFT_OUT``, what is left without it, in the same order."""
    content = path.read_bytes()
    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
        kept = [place for place, name in enumerate(rows[0]) if name not in LEFT_OUT]
        if len(kept) < len(rows[0]):
            return json.dumps([[row[place] for place in kept] for row in rows], ensure_ascii=False).encode()
    if path.suffix == ".json":
        before = json.loads(content)
        after = _without(before)
        return content if after == before else json.dumps(after, ensure_ascii=False).encode()
    return content


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items() if key not in LEFT_OUT}
    return [_without(each) for each in value] if isinstance(value, list) else value


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of the numbers of every file that the list must hold, by path."""
    return {path: hashlib.sha256(numbers_of(folder / path)).hexdigest() for path in expected_files()}


# --- rounding -------------------------------------------------------------------------------------


def one_rounding() -> dict[str, str]:
    """The environment in which every x86-64 processor with AVX2 runs the same kernels, on one thread."""
    extensions = numpy.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": " ".join([*extensions["found"], *extensions["not found"]]),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def arithmetic() -> str:
    """SHA-256 of what elementary operations give on fixed values: equal where torch and numpy round alike."""
    torch.manual_seed(0)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        image_BCHW = torch.rand(2, 3, 32, 64)
        kernels = [torch.rand(8, 3, 7, 7) - 0.5, torch.rand(32, 8, 3, 3) - 0.5, torch.rand(19, 32, 1, 1) - 0.5]
        kernels = [kernel.requires_grad_() for kernel in kernels]
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            hidden = F.conv2d(image_BCHW, kernels[0], stride=2, padding=3)
            hidden = F.max_pool2d(F.relu(F.batch_norm(hidden, None, None, training=True)), 3, 2, 1)
            hidden = F.leaky_relu(F.conv2d(hidden, kernels[1], padding=2, dilation=2))
            logits_BCHW = F.conv2d(hidden, kernels[2])
        large = F.interpolate(logits_BCHW.float(), size=(32, 64), mode="bilinear", align_corners=True)
        loss = (large.softmax(1) * large.log_softmax(1)).sum() + large.sigmoid().log().mean()
        (loss + F.softplus(large).norm()).backward()
        found += [large, loss, *(kernel.grad for kernel in kernels)]
    found.append(torch.rand(20, 300) @ torch.rand(300, 10))
    values = numpy.random.default_rng(0).random((40, 40))
    arrays = [tensor.detach().double().numpy() for tensor in found]
    arrays += [numpy.exp(values), numpy.log(values), values @ values, numpy.sqrt(values).sum(axis=0), values**0.9]
    arrays += [numpy.exp(values.astype(numpy.float32)), values.astype(numpy.float32).mean(axis=1)]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def made_anew(folder: Path) -> dict[str, Any]:
    """The list as this machine makes it, in a process of its own; AssertionError with its output if that fails."""
    command = [sys.executable, __file__, "--make", str(folder)]
    source = str(Path(sys.modules["segadapt"].__file__).parent.parent)
    environment = os.environ | one_rounding() | {"PYTHONPATH": source}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def _made_here(folder: Path) -> dict[str, Any]:
    # Both choose kernels, and how they cut sums, by the processor and its caches.
    torch.backends.mkldnn.set_flags(False)
    torch.backends.nnpack.set_flags(False)
    torch.set_num_threads(1)
    rounding = arithmetic()
    make(folder)
    made_on = f"{processor_name()}, {platform.machine()}, torch {torch.__version__}, numpy {numpy.__version__}"
    return {"made_on": made_on, "arithmetic": rounding, "files": hashes(folder)}


# --- the list -------------------------------------------------------------------------------------


def read_list() -> dict[str, Any]:
    """The committed list: ``made_on`` in words, the hash ``arithmetic``, and ``files``, path to SHA-256."""
    return json.loads(LIST.read_text())


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """A line for every entry that is new, gone or changed, by name."""
    words = {(False, True): "new", (True, False): "gone", (True, True): "changed"}
    every = sorted({*before, *after})
    return [f"{words[path in before, path in after]}: {path}" for path in every if before.get(path) != after.get(path)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="make the pipeline anew and write the list")
    what.add_argument("--make", type=Path, metavar="FOLDER", help="make it in this very process and print its list")
    arguments = parser.parse_args()
    if arguments.make:
        print(json.dumps(_made_here(arguments.make)))
        return
    with tempfile.TemporaryDirectory() as folder:
        made = made_anew(Path(folder) / "project")
    before = read_list()["files"] if LIST.exists() else {}
    print("\n".join(differences(before, made["files"])) or "nothing changed")
    LIST.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
