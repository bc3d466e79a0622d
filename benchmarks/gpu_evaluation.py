"""Evaluation for ``gpu.py``: from the network's logits to confusion counts."""

from typing import Any

import losses
import torch
import torch.nn.functional as F

from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation.evaluator import MatrixCounts
from segadapt.evaluation.predict import unchecked_labels


def measure_evaluation(section: Any) -> None:
    """Logits of one image to confusion counts at 2048x1024: as written, on the host, against ours."""
    low, size = ((9, 17), (64, 128)) if section.quick else ((129, 257), (1024, 2048))
    logits = losses.draw_logits(1, low, 0, torch.float32).to(section.device)
    label = F.interpolate(losses.draw_logits(1, low, 1, torch.float32), size, mode="bilinear").argmax(1).byte()
    label[:, : size[0] // 10] = losses.IGNORED
    on_host = label.numpy()

    def as_written() -> torch.Tensor:
        predicted = losses.upsample(logits, size).cpu().numpy().argmax(axis=1)
        kept = on_host < losses.CLASSES
        pairs = torch.from_numpy(losses.CLASSES * on_host[kept].astype(int) + predicted[kept])
        return torch.bincount(pairs, minlength=losses.CLASSES**2).view(losses.CLASSES, losses.CLASSES)

    def ours() -> torch.Tensor:
        counts, mode = MatrixCounts(losses.CLASSES), ScoringMode()
        predicted = unchecked_labels(logits, size)[0]
        counts.add("synthetic", mode, on_host[0], predicted, torch.isfinite(logits).all())
        return torch.from_numpy(counts.matrices()[mode][0])

    def measured() -> dict[str, Any]:
        difference = int((as_written() - ours()).abs().sum())
        calls = {"as written": as_written, "ours": ours}
        return {"pixels_counted_elsewhere": difference // 2, "milliseconds": section.milliseconds(calls, 20, 30)}

    section.attempt("labels_and_counts", measured)
