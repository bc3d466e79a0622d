"""Features of both domains made alike by discriminators, whose optimisers and those against them are the method's."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from segadapt.core.seeding import torch_seed
from segadapt.data.batches.batch import Batch
from segadapt.losses.alignment import SOURCE, TARGET
from segadapt.losses.upsample import compute_dtype
from segadapt.methods import Method, Pass, Prediction, Settings, Step
from segadapt.methods.adversarial.alignment import Alignment, Kind, behind_features
from segadapt.models.feature_discriminators import FeatureDiscriminators
from segadapt.models.features import num_features


class AlignedFeatures(Method):
    """Discriminators of the ``kinds`` see features of both passes; ``lambda_target`` scales the rate against them."""

    replays = False
    reads_features = True

    def __init__(self, settings: Settings, model: nn.Module, kinds: Mapping[str, Kind]) -> None:
        super().__init__(settings, model)
        self.kinds, self.columns, self.alignments = kinds, tuple(kinds), nn.ModuleDict()
        for name, kind in kinds.items():
            about = num_features(model), settings.options.width, kind.count, settings.options.dropout
            made = FeatureDiscriminators(*about, settings.seed, name)
            self.alignments[name] = Alignment(made, behind_features(model))

    def shares(self, domain: int, prediction: Prediction, batch: Batch) -> Tensor:
        """share_BCHW of each cell of the features that each of several discriminators sees."""

    def against(self, steps: int) -> float:
        """How fast features learn, over the network's rate, so many steps after the start of a kind."""

    def passes(self, step: Step) -> Sequence[Pass]:
        self.shown: dict[str, Tensor] = {}
        source, gather = self.labelled("source", step.source, denominator="all"), partial(self._gather, step)

        def on_source(prediction: Prediction) -> dict[str, Tensor]:
            gather(SOURCE, prediction, step.source)
            return source.losses(prediction)

        def on_target(prediction: Prediction) -> dict[str, Tensor]:
            return {"target": gather(TARGET, prediction, step.target)}

        return Pass("source", (step.source,), on_source), Pass("target", (step.target,), on_target)

    def after(self, step: Step, predictions: Mapping[str, Sequence[Prediction]]) -> Mapping[str, Tensor]:
        steps, behind = self.settings.accumulate, behind_features(step.model)
        if (step.number + 1) % steps == 0:
            rate = step.rate()
            for name, kind in self._learning(step):
                moved = self.settings.lambda_target * self.against(step.number - kind.start)
                number = step.number // steps - kind.start // steps
                self.alignments[name].update(behind, kind.factor * rate, moved * rate, number, steps)
        return self.shown

    def _learning(self, step: Step) -> list[tuple[str, Kind]]:
        return [(name, kind) for name, kind in self.kinds.items() if step.number >= kind.start]

    def _gather(self, step: Step, domain: int, prediction: Prediction, batch: Batch) -> Tensor:
        """What the features of a domain lose against all discriminators."""
        read_BFHW, behind = prediction.features_BFHW, behind_features(step.model)
        features_BFHW = read_BFHW.to(compute_dtype(read_BFHW.dtype))
        total = features_BFHW.new_zeros(())
        for name, kind in self._learning(step):
            share_BCHW = None if kind.count == 1 else self.shares(domain, prediction, batch)
            random = torch.Generator(features_BFHW.device)
            random.manual_seed(torch_seed(self.settings.seed, name, domain, step.number))
            own, lost = self.alignments[name].gather(features_BFHW, domain, share_BCHW, behind, random)
            self.shown[name] = self.shown.get(name, 0) + own
            total = total + lost
        return total
