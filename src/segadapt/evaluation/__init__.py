"""From logits to numbers: predicted labels, confusion matrices, IoU and mIoU."""

from segadapt.evaluation.confusion import ConfusionMatrix, iou_from_matrix, miou_from_matrix
from segadapt.evaluation.evaluator import Evaluation, Sample, evaluate
from segadapt.evaluation.predict import predict_labels
from segadapt.evaluation.summary import metrics

__all__ = [
    "ConfusionMatrix",
    "Evaluation",
    "Sample",
    "evaluate",
    "iou_from_matrix",
    "metrics",
    "miou_from_matrix",
    "predict_labels",
]
