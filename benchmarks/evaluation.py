"""From a network's logits to a confusion matrix: the released code's way, a careful user's, in planes, by cells.

``python benchmarks/evaluation.py``; about a minute. Logits as they are after training: smooth fields of classes, sure
inside and undecided at their borders, with noise; in two cells of five classes meet. A tenth of the labels is ignored.
First all matrices must be equal, but for pixels on which two forms of the interpolation may differ by rounding: no
more than ``TIES``. In planes and by cells they are equal, always.

* as written: MaxSquareLoss's sequence (``tools/train_source.py``, ``utils/eval.py``): both heads up-sampled and
  soft-maxed, the final one's largest probability by numpy, a histogram of the labelled pixels by a mask as an index.
* plain vectorised: one head, its logits up-sampled, torch's argmax, one histogram.
* planes: ``segadapt.evaluation`` as it runs on a GPU, one class plane after the other.
* cells: ``segadapt.evaluation`` as it runs on a CPU.

Confusion alone starts from the predicted labels. Extra memory is the highest resident size above that before, in a
process of its own whose allocator gives back at once what is freed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch
from common import bar, markdown_table, measure, write_results
from loss_baselines import CLASSES, IGNORED, upsample
from losses import draw_logits, resident
from torch import Tensor

from segadapt.evaluation import ConfusionMatrix, predict_labels
from segadapt.evaluation.predict import plain_labels

# The network's size and the labels'.
SIZES = {"2048x1024": ((129, 257), (1024, 2048)), "1280x640": ((81, 161), (640, 1280))}
LARGEST = "2048x1024"
# At least so many times faster than as written and than plain vectorised, at the largest size.
BARS = {"evaluation": (15, 3), "confusion alone": (2.5, None)}
TIES, REPEATS = 8, 5

Variants = dict[str, Callable[[], np.ndarray]]


def draw(name: str) -> tuple[Tensor, Tensor, np.ndarray]:
    """Both heads' logits and uint8 labels that mostly agree with them, a tenth ignored."""
    low, size = SIZES[name]
    final = draw_logits(1, low, 0, torch.float32)
    other = 0.6 * final + 0.4 * draw_logits(1, low, 1, torch.float32)
    label_HW = predict_labels(0.8 * final + 0.2 * draw_logits(1, low, 2, torch.float32), size)[0].numpy()
    label_HW[: size[0] // 10] = IGNORED
    return final, other, label_HW


def written_matrix(label_HW: np.ndarray, prediction_HW: np.ndarray) -> np.ndarray:
    """Labelled pixels picked by a mask, one number a pair, counted."""
    known = (label_HW >= 0) & (label_HW < CLASSES)
    pairs = CLASSES * label_HW[known].astype("int") + prediction_HW[known]
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def written_evaluation(final: Tensor, low: Tensor, label_HW: np.ndarray) -> np.ndarray:
    p_final, p_low = (upsample(each, label_HW.shape).softmax(1) for each in (final, low))
    del p_low
    return written_matrix(label_HW, np.argmax(p_final.numpy(), axis=1)[0])


def vectorised_matrix(label_HW: np.ndarray, prediction_HW: Tensor) -> np.ndarray:
    """Ignored labels as one more class, dropped at the end."""
    label_HW = torch.from_numpy(label_HW).long().clamp_(max=CLASSES)
    counts = torch.bincount((label_HW * CLASSES + prediction_HW).flatten(), minlength=(CLASSES + 1) * CLASSES)
    return counts.view(CLASSES + 1, CLASSES)[:CLASSES].numpy()


def vectorised_evaluation(final: Tensor, low: Tensor, label_HW: np.ndarray) -> np.ndarray:
    return vectorised_matrix(label_HW, upsample(final, label_HW.shape).argmax(1)[0])


def our_matrix(label_HW: np.ndarray, prediction_HW: Tensor) -> np.ndarray:
    confusion = ConfusionMatrix(CLASSES)
    confusion.update(label_HW, prediction_HW)
    return confusion.matrix


def variants_of(part: str, final: Tensor, low: Tensor, label_HW: np.ndarray) -> Variants:
    """Each variant of a part as a call that returns the matrix."""
    if part == "confusion alone":
        prediction_HW = predict_labels(final, label_HW.shape)[0]
        wide_HW = prediction_HW.long()
        wide = wide_HW.numpy()
        return {
            "as written": lambda: written_matrix(label_HW, wide),
            "plain vectorised": lambda: vectorised_matrix(label_HW, wide_HW),
            "cells": lambda: our_matrix(label_HW, prediction_HW),
        }
    return {
        "as written": lambda: written_evaluation(final, low, label_HW),
        "plain vectorised": lambda: vectorised_evaluation(final, low, label_HW),
        "planes": lambda: our_matrix(label_HW, plain_labels(final[0], label_HW.shape)),
        "cells": lambda: our_matrix(label_HW, predict_labels(final, label_HW.shape)[0]),
    }


def check(results: dict[str, np.ndarray]) -> None:
    """SystemExit unless all variants count the same."""
    for name, matrix in results.items():
        ties = 0 if name == "cells" else TIES
        against = results.get("planes", results["as written"]) if name == "cells" else results["as written"]
        differ = int(np.abs(matrix - against).sum()) // 2
        if differ > ties or matrix.sum() != against.sum():
            raise SystemExit(f"{name}: {differ} pixels are counted elsewhere")


def peak_memory() -> dict[str, dict[str, float]]:
    """MiB of highest resident memory above that before the call, a part and variant; in this process."""
    made = {}
    for part in BARS:
        made[part] = {}
        for variant, run in variants_of(part, *draw(LARGEST)).items():
            run()
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            before = resident("VmRSS")
            run()
            made[part][variant] = round((resident("VmHWM") - before) / 1024, 1)
    return made


def bench_size(name: str, memory: dict[str, dict[str, float]]) -> list[dict]:
    """A row a part: times of every variant, ratios, MiB."""
    rows = []
    for part, bars in BARS.items():
        variants = variants_of(part, *draw(name))
        timings = measure(variants, check=check, repeats=REPEATS, warm_ups=1, title=f"bench evaluation {name} {part}")
        fast = timings["cells"].cpu_median
        row = {
            "part": part,
            "times_as_written": round(timings["as written"].cpu_median / fast, 2),
            "times_vectorised": round(timings["plain vectorised"].cpu_median / fast, 2),
            "bars": bars if name == LARGEST else None,
            "timings": {each: timing.as_json() for each, timing in timings.items()},
        }
        rows.append(row | ({"extra_mib": memory[part]} if name == LARGEST else {}))
    return rows


def table(rows: list[dict]) -> str:
    """One row a part."""
    names = ["as written", "plain vectorised", "planes", "cells"]
    header = ["part", *(f"{each}, ms" for each in names), "times as written", "bar", "times vectorised", "bar"]
    with_memory = "extra_mib" in rows[0]
    header += [f"{each}, MiB" for each in names] if with_memory else []
    lines = []
    for row in rows:
        bars = ["" if bar is None else bar for bar in row["bars"] or (None, None)]
        line = [row["part"]]
        line += [row["timings"][each]["cpu_median"] * 1e3 if each in row["timings"] else "" for each in names]
        line += [row["times_as_written"], bars[0], row["times_vectorised"], bars[1]]
        lines.append(line + ([row["extra_mib"].get(each, "") for each in names] if with_memory else []))
    return markdown_table(header, lines)


@torch.no_grad()
def main() -> None:
    """Memory in a child, then both sizes."""
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--memory"]:
        print(json.dumps(peak_memory()))
        return
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    child = subprocess.run(
        [sys.executable, __file__, "--memory"], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    results, tables = {}, []
    for name, (low, _) in SIZES.items():
        results[name] = bench_size(name, json.loads(child.stdout))
        tables += [f"## {name}, from {low[1]}x{low[0]} logits, {CLASSES} classes\n", table(results[name]), ""]
    sizes = {name: {"logits": low, "labels": size} for name, (low, size) in SIZES.items()}
    settings = {"classes": CLASSES, "sizes": sizes}
    bars = []
    for row in results[LARGEST]:
        bars += bar(f"{row['part']}, times as written", row["times_as_written"], row["bars"][0])
        bars += bar(f"{row['part']}, times vectorised", row["times_vectorised"], row["bars"][1])
    write_results("evaluation", 1, settings, results, "\n".join(tables), bars)


if __name__ == "__main__":
    main()
