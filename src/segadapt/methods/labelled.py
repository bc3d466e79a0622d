"""Cross-entropy with labels on all that a network predicts."""

from torch import Tensor

from segadapt.data.batches.batch import Batch
from segadapt.losses import cross_entropy
from segadapt.methods.passes import Prediction


def labelled_loss(
    prediction: Prediction, batch: Batch, pixel_weight_BHW: Tensor | None, denominator: str, auxiliary_weight: float
) -> Tensor:
    """A scalar: of the final logits; the low ones beside it by ``auxiliary_weight``; a detail's in the place of that
    share of it (HRDA, Eq. 10).
    """
    told = {"pixel_weight_BHW": pixel_weight_BHW, "denominator": denominator}
    loss = cross_entropy(prediction.logits_final_BCHW, batch.label_BHW, batch.size, **told)
    if prediction.logits_low_BCHW is not None:
        loss = loss + auxiliary_weight * cross_entropy(prediction.logits_low_BCHW, batch.label_BHW, batch.size, **told)
    if prediction.logits_detail_BCHW is not None:
        label_BHW, told["pixel_weight_BHW"] = (
            None if each is None else each[:, *prediction.box].contiguous()
            for each in (batch.label_BHW, pixel_weight_BHW)
        )
        detail = cross_entropy(prediction.logits_detail_BCHW, label_BHW, tuple(label_BHW.shape[1:]), **told)
        loss = (1 - auxiliary_weight) * loss + auxiliary_weight * detail
    return loss
