"""The stages on a GPU, on toy data: ``PYTHONPATH=src python benchmarks/gpu_pipeline.py --out pipeline.json``.

Runs preparation, training of every kind and evaluation as their jobs would, without Snakemake, in several settings of
``precision``; then scores each model on the processor too, which must count the same pixels but for ties. Says for
every setting how long the stages took, what the records name as the machine, and how many pixels are counted elsewhere.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))

ROWS = ("source_only", "maxsquare_iw_multi", "adaptsegnet")
PRECISIONS = {
    "as shipped": {},
    "bf16, channels-last, CUDA graphs": {"bf16": True, "channels_last": True, "cuda_graphs": True},
}


def run_setting(precision: dict[str, bool], folder: Path) -> dict[str, Any]:
    """What came of a toy project with this precision."""
    import tiny

    parameters = tiny.tiny_parameters(ROWS)
    preset = parameters["presets"]["tiny"]
    preset["precision"] = precision
    for stage in ("pretrain", "adapt", "refine", "joint"):
        preset[stage] |= {"steps": 12, "horizon": 12, "batch_size": 1, "learning_rate": 0.001}
    project = tiny.make_project(folder / "project", parameters)
    metrics = [f"work/tiny/metrics/{'source' if row == 'source_only' else row}/seed1/metrics.json" for row in ROWS]
    started = time.monotonic()
    tiny.make_here(project, *metrics)
    seconds = time.monotonic() - started
    records = [json.loads(path.read_text()) for path in sorted(project.glob("work/tiny/*/*/seed1/provenance.json"))]
    on_gpu = {path: counts(project / path) for path in metrics}
    return {
        "seconds": round(seconds, 1),
        "machines": sorted({record["machine"] for record in records}),
        "jobs": {record["identity"]["name"]: round(record["seconds"], 2) for record in records},
        "share_of_counts_that_differ": {path: difference(on_gpu[path], on_cpu(project, path)) for path in metrics},
    }


def counts(metrics: Path) -> dict[str, np.ndarray]:
    """Every table of counts that an evaluation keeps, by name."""
    from safetensors.numpy import load_file

    return load_file(metrics.with_name("confusion.safetensors"))


def on_cpu(project: Path, metrics: str) -> dict[str, np.ndarray]:
    """The same model, scored anew in a process that has no GPU."""
    for path in (project / metrics).parent.iterdir():
        path.unlink()
    name = Path(metrics).parent.parent.name
    command = [sys.executable, "-m", "segadapt.stages.evaluate", f"work/tiny/cards/evaluate/{name}/seed1.json"]
    subprocess.run(command, cwd=project, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, check=True)
    return counts(project / metrics)


def difference(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Of all tables of whole counts the worst: the sum of differences over twice the sum of counts."""
    assert one.keys() == other.keys()
    whole = [name for name in one if np.issubdtype(one[name].dtype, np.integer)]
    return max(
        float(np.abs(one[name].astype(float) - other[name]).sum() / 2 / max(1, one[name].sum())) for name in whole
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("pipeline.json"))
    given = parser.parse_args()
    from segadapt.core.provenance import commit, machine, packages

    found: dict[str, Any] = {"benchmark": "gpu_pipeline", "commit": commit(), "packages": packages(), "settings": {}}
    for name, precision in PRECISIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                found["settings"][name] = run_setting(precision, Path(folder))
            except (Exception, SystemExit) as error:
                traceback.print_exc()
                found["settings"][name] = {"error": f"{type(error).__name__}: {error}"[:500]}
        found["machine"] = machine()
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
