"""From logits to numbers: predicted labels, confusion matrices, IoU and mIoU, and scores that need no label."""

from typing import TYPE_CHECKING

from segadapt.core.lazy import exports

if TYPE_CHECKING:
    from segadapt.evaluation.confusion import ConfusionMatrix
    from segadapt.evaluation.evaluation import Evaluation
    from segadapt.evaluation.evaluator import Sample, evaluate
    from segadapt.evaluation.measures.iou import iou_from_matrix, miou_from_matrix
    from segadapt.evaluation.measures.label_free import LabelFreeScore, label_free_score
    from segadapt.evaluation.measures.neighbourhood import evenly_spaced
    from segadapt.evaluation.predict import predict_labels
    from segadapt.evaluation.summary import metrics
    from segadapt.evaluation.views import View, all_views

__getattr__ = exports(__name__, __file__)
