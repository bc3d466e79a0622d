"""The adversarial training that AdaptSegNet and AdvEnt share: one discriminator for each head that takes part."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from segadapt.core.errors import UserError
from segadapt.data.batches.batch import Batch
from segadapt.losses.domain import SOURCE, TARGET, domain_loss
from segadapt.methods import Method, Prediction, Settings, Step
from segadapt.methods.adversarial.adam import Adam
from segadapt.models import initialise
from segadapt.models.discriminator import Discriminator


class OutputMaps(Method):
    """Discriminators, by head, of ``output_map(logits_BCHW, size)``, drawn from the seed alone; ``beside`` is a method
    whose loss on target images is added."""

    replays = False
    output_map = None

    def __init__(self, settings: Settings, model: nn.Module, beside: Method | None = None) -> None:
        super().__init__(settings, model)
        said = settings.adversarial
        self.beside, self.objective, self.learning_rate = beside, said["objective"], said["learning_rate"]
        self.learns_from_target = True
        self.lambdas = {head: said[f"lambda_{head}"] for head in ("final", "low") if said[f"lambda_{head}"] > 0}
        self.columns = tuple(f"discriminator_{head}" for head in self.lambdas)
        with torch.random.fork_rng(devices=[]):  # PyTorch's own draws, which are written over, move no one's state.
            networks = nn.ModuleDict({head: Discriminator(model.num_classes, said["width"]) for head in self.lambdas})
        self.discriminators = initialise(networks, settings.seed, "torch")
        self.adam = Adam(self.discriminators.parameters(), settings.protocol["adam_epsilon"])

    def on_target(self, prediction: Prediction, batch: Batch) -> Tensor:
        loss = self.generator_loss(prediction, batch.size)
        return loss if self.beside is None else self.beside.on_target(prediction, batch) + loss

    def generator_loss(self, prediction: Prediction, size: tuple[int, int]) -> Tensor:
        """What the network minimises on target images: to be taken for source, lambdas included; discriminators get no
        gradient. UserError if a head that takes part is missing."""
        losses = []
        for head, weight in self.lambdas.items():
            network, map_BCHW = self.discriminators[head], self.output_map(_logits(prediction, head), size)
            constants = {name: parameter.detach() for name, parameter in network.named_parameters()}
            score_B1HW = functional_call(network, constants, (map_BCHW,))
            losses.append(weight * domain_loss(score_B1HW, SOURCE, self.objective))
        return sum(losses[1:], losses[0])

    def after(self, step: Step, predictions: Mapping[str, Sequence[Prediction]]) -> Mapping[str, Tensor]:
        """One update of the discriminators by Adam; their losses before it."""
        (source,), (target,) = predictions["source"], predictions["target"]
        losses = self.discriminator_losses(source, step.source.size, target, step.target.size)
        parameters, total = list(self.discriminators.parameters()), sum(losses.values())
        rate = step.rate(self.learning_rate)
        self.adam.update(parameters, torch.autograd.grad(total, parameters), rate, step.number)
        return {f"discriminator_{head}": loss.detach() for head, loss in losses.items()}

    def discriminator_losses(
        self, source: Prediction, source_size: tuple[int, int], target: Prediction, target_size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """By head, half the loss on source maps plus half that on target maps; neither prediction gets a gradient."""
        losses = {}
        for head, network in self.discriminators.items():
            halves = []
            for domain, seen, size in ((SOURCE, source, source_size), (TARGET, target, target_size)):
                score_B1HW = network(self.output_map(_logits(seen, head).detach(), size))
                halves.append(0.5 * domain_loss(score_B1HW, domain, self.objective))
            losses[head] = halves[0] + halves[1]
        return losses


def _logits(prediction: Prediction, head: str) -> Tensor:
    logits_BCHW = prediction.logits_final_BCHW if head == "final" else prediction.logits_low_BCHW
    if logits_BCHW is None:
        raise UserError("adversarial.lambda_low needs a model with the auxiliary head; use one, or set it to 0")
    return logits_BCHW
