"""The contract of all methods, and what they share: labelled passes, and a loss on target images."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from segadapt.data.batches.batch import Batch
from segadapt.methods.labelled import labelled_loss
from segadapt.methods.passes import Pass, Prediction, Step, joined
from segadapt.methods.settings import Settings


class Method(nn.Module):
    """A training step; as it stands, of source images with labels and, where there are target images, ``target_loss``.

    All that it keeps (a teacher, discriminators, moments) are its parameters and buffers, saved and resumed with the
    network's. ``columns`` are losses it shows beside ``source`` and ``target``, ``measures`` what else. ``replays``: a
    step may be recorded and repeated, for it asks nothing of ``Step`` but its batches and waits for no device;
    ``reads_features``: predictions have what the final head reads."""

    columns: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    replays = True
    reads_features = False

    def __init__(self, settings: Settings, model: nn.Module) -> None:
        """``model`` is the network it will train: to be copied or asked for its sizes, not to be kept."""
        super().__init__()
        self.settings = settings
        self.learns_from_target = settings.lambda_target > 0

    def before(self, step: Step) -> None:
        """Comes before the passes."""

    def passes(self, step: Step) -> Sequence[Pass]:
        """What the network sees, in order; gradients add up."""
        source = self.labelled("source", step.source)
        if step.target is None:
            return (source,)

        def losses(prediction: Prediction) -> dict[str, Tensor]:
            return {"target": self.on_target(prediction, step.target)}

        target = Pass("target", (step.target,), losses, self.learns_from_target)
        return (joined("joint", source, target),) if self.settings.joint_batch else (source, target)

    def after(self, step: Step, predictions: Mapping[str, Sequence[Prediction]]) -> Mapping[str, Tensor]:
        """Comes after the network's update, with the predictions of every pass; returns more that is shown."""
        return {}

    def learned_with_network(self) -> dict[str, nn.Parameter]:
        """Parameters that the network's optimiser learns at its heads' rate, by name."""
        return {}

    def on_target(self, prediction: Prediction, batch: Batch) -> Tensor:
        """``lambda_target`` times the loss and the guidance, if there is one."""
        loss = self.target_loss(prediction, batch)
        if self.settings.guidance is not None:
            loss = loss + self.settings.guidance(prediction, batch.size)
        return self.settings.lambda_target * loss

    def target_loss(self, prediction: Prediction, batch: Batch) -> Tensor:
        """A scalar; ``batch.size`` is the (H, W) it is defined at."""
        raise NotImplementedError

    def labelled(
        self, name: str, batch: Batch, pixel_weight_BHW: Tensor | None = None, denominator: str = "valid",
        coefficient: float = 1.0, **more: Tensor,
    ) -> Pass:  # fmt: skip
        """Cross-entropy with the batch's labels on every head, the low one by ``auxiliary_weight``; see ``Pass``."""
        told = (batch, pixel_weight_BHW, denominator, self.settings.auxiliary_weight)

        def losses(prediction: Prediction) -> dict[str, Tensor]:
            return {name: coefficient * labelled_loss(prediction, *told)}

        return Pass(name, (batch,), losses, coefficient > 0, more)
