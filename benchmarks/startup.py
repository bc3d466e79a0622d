"""From the command to the first step: imports, the network with its weights, one step; and ``--help``.

``python benchmarks/startup.py``; a minute. Every start is a process of its own, variants in turns, CPU seconds. The
network is a DeepLab-v2 with ResNet-101 from a file of its weights, the step one of adaptation on small images. All
variants must have read the same network: the same logits of one image, to the bit.

* as written: what MaxSquareLoss's scripts import as far as it is installed here, which leaves out torchvision,
  tensorboardX and imageio; random weights, then a pickled file over them; the library's SGD, whose imports count as
  imports. Options are read after all of them.
* plain: torch and numpy alone; the file mapped; the library's SGD.
* segadapt: what a stage imports, how it opens a model (which checks the hash of its content), its step.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from common import bar, markdown_table, write_results
from started import SIZE, VARIANTS

from segadapt.core.progress import progress
from segadapt.models import deeplabv2, save_model

REPEATS = 5
PARTS = ("imports", "network and weights", "first step", "to the first step")
HELP = "--help"
# At least so many times faster than as written.
BARS = {"imports": 1.5}
STARTED = Path(__file__).with_name("started.py")
HELPS = {
    "as written": "import started; started.import_as_written()",
    "plain": "import started; started.import_plain()",
    "segadapt": "import sys; sys.argv = ['segadapt', '--help']\nfrom segadapt.cli import main\n"
    "try:\n    main()\nexcept SystemExit:\n    pass",
}


def printed(*arguments: str) -> str:
    """The last line that a fresh interpreter prints; SystemExit if it fails."""
    child = subprocess.run([sys.executable, *arguments], cwd=STARTED.parent, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        raise SystemExit(f"exit code {child.returncode} of python {' '.join(arguments)}")
    return child.stdout.splitlines()[-1]


def one_turn(variant: str, weights: Path) -> tuple[dict[str, float], float]:
    """CPU seconds of every part, and what the network said."""
    found = json.loads(printed(str(STARTED), variant, str(weights)))
    seconds = dict(zip(PARTS, found["seconds"], strict=True))
    seconds[HELP] = float(printed("-c", f"{HELPS[variant]}\nimport time\nprint(time.process_time())"))
    return seconds, found["logits"]


def main() -> None:
    """Writes the weights, then starts all variants in turns."""
    torch.manual_seed(0)
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        weights, model = Path(folder) / "weights", deeplabv2("resnet101", num_classes=19)
        save_model(weights.with_suffix(".safetensors"), model, {})
        torch.save(model.state_dict(), weights.with_suffix(".pth"))
        # The first turn is not counted: it finds nothing in the file cache.
        for turn in progress(range(REPEATS + 1), "bench startup", REPEATS + 1, "turn"):
            said = {}
            for name in VARIANTS:
                seconds, said[name] = one_turn(name, weights)
                if turn:
                    samples[name].append(seconds)
            if len(set(said.values())) > 1:
                raise SystemExit(f"the variants have read different networks: {said}")
    medians = {
        part: {name: statistics.median(each[part] for each in taken) for name, taken in samples.items()}
        for part in (*PARTS, HELP)
    }
    results = [
        {
            "part": part,
            "times_as_written": round(seconds["as written"] / seconds["segadapt"], 2),
            "times_vectorised": round(seconds["plain"] / seconds["segadapt"], 2),
            "cpu_seconds": {name: round(value, 4) for name, value in seconds.items()},
        }
        for part, seconds in medians.items()
    ]
    header = ["part", *(f"{name}, s" for name in VARIANTS), "times as written", "bar", "times plain"]
    rows = [
        [
            row["part"],
            *row["cpu_seconds"].values(),
            row["times_as_written"],
            BARS.get(row["part"], ""),
            row["times_vectorised"],
        ]
        for row in results
    ]
    bars = []
    for row in results:
        bars += bar(f"{row['part']}, times as written", row["times_as_written"], BARS.get(row["part"]))
    write_results("startup", 1, {"repeats": REPEATS, "image": SIZE}, results, markdown_table(header, rows), bars)


if __name__ == "__main__":
    main()
