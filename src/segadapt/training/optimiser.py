"""SGD with momentum as the released code runs it: two learning rates, and backbone tensors updated several times.

The released parameter generator walks nested modules and yields a tensor once for each module around it, so a step
updates it that often with the same gradient (MaxSquareLoss ``graphs/models/deeplab_multi.py`` at 2fbc18f: 940 list
entries for 310 tensors; pytorch/pytorch#40967). What torch makes of such a list differs between versions and
devices; here every tensor is listed once and the repetition is a named option.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.models.network import Group, Network
from segadapt.training.repeated_update import Update, update_at_once, update_in_turn

REPEATED_UPDATES = ("none", "modern", "torch10")


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters by name that share a learning rate of ``lr_factor`` times the scheduled one, and decay or do not.

    ``repeats`` says of a name how often a step of the released code updates it.
    """

    name: str
    lr_factor: float
    parameters: dict[str, nn.Parameter]
    decays: bool = True
    repeats: Callable[[str], int] = lambda name: 1


def parameter_groups(model: Network, head_factor: float = 10.0) -> tuple[ParameterGroup, ...]:
    """The groups that the network names; every tensor exactly once."""
    found: dict[Group, dict[str, nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        found.setdefault(model.group_of(name), {})[name] = parameter
    factors = {group: group.factor * (head_factor if group.at_head_factor else 1.0) for group in found}
    return tuple(
        ParameterGroup(group.name, factors[group], parameters, group.decays, model.released_repeats)
        for group, parameters in found.items()
    )


class RepeatedSGD:
    """SGD, momentum and weight decay on every tensor that has a gradient, k updates a step.

    One update is ``v <- momentum * v + (g + weight_decay * theta)``, ``theta <- theta - lr * v``, with v zero at first.
    ``repeated_updates``:

    - ``none``: k = 1, today's ``torch.optim.SGD``;
    - ``modern``: k = ``group.repeats(name)`` updates with the same g, as today's for-loop SGD does. In a tensor's
      first step each of them starts a momentum of its own, v = g + weight_decay * theta, and the last one's is kept:
      ``torch.optim.SGD`` looks the momentum of all entries up before it updates the first;
    - ``torch10``: likewise, but g keeps the decay added in each update, as the in-place arithmetic of PyTorch 1.0 did
      (pytorch/pytorch#12218), which makes the decay 6 (k = 3) and 10 (k = 4) times as strong a step.

    Tensors whose ``grad`` is None are left alone, decay included: the ASPP branches that are not summed stay as they
    were. UserError for an unknown ``repeated_updates``.
    """

    def __init__(
        self,
        groups: Sequence[ParameterGroup],
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        repeated_updates: str = "none",
    ) -> None:
        if repeated_updates not in REPEATED_UPDATES:
            known = ", ".join(REPEATED_UPDATES)
            raise UserError(f"repeated_updates is {repeated_updates!r}; use one of {known}")
        self.groups = tuple(groups)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.repeated_updates = repeated_updates
        self._parameters = {name: each for group in self.groups for name, each in group.parameters.items()}
        distinct = {id(each) for each in self._parameters.values()}
        assert len(distinct) == sum(len(group.parameters) for group in self.groups), "a tensor is listed twice"
        self._buffers: dict[str, Tensor] = {}

    def zero_grad(self) -> None:
        """Drops all gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """One step at the scheduled rate ``lr``: a plain number or, in a CUDA graph, a 0-dim tensor on the device."""
        update = update_in_turn if isinstance(lr, Tensor) else update_at_once
        for group in self.groups:
            once = Update(lr * group.lr_factor, self.momentum, self.weight_decay if group.decays else 0.0)
            for (repeats, starts), names in self._by_repeats(group).items():
                parameters = [self._parameters[name].detach() for name in names]
                gradients = [_laid_out_as(each, each.grad) for each in map(self._parameters.get, names)]
                velocities = [self._buffer(name) for name in names]
                if starts:
                    update(replace(once, momentum=0.0), repeats - 1, False, parameters, gradients, velocities)
                    repeats = 1
                update(once, repeats, self.repeated_updates == "torch10", parameters, gradients, velocities)

    def momentum_tensors(self) -> dict[str, Tensor]:
        """The momentum buffers by parameter name, for storing; a tensor that was never updated has none."""
        return dict(self._buffers)

    def load_momentum(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what :meth:`momentum_tensors` gave, bit for bit; UserError, with nothing changed, on a misfit."""
        for name, tensor in tensors.items():
            if name not in self._parameters:
                raise UserError(
                    f"stored momentum of {name!r} has no parameter here; resume with the model it was made by"
                )
            want = self._parameters[name]
            if tensor.shape != want.shape or tensor.dtype != want.dtype:
                raise UserError(
                    f"stored momentum of {name!r} is {tensor.dtype} {tuple(tensor.shape)}, not {want.dtype} "
                    f"{tuple(want.shape)}; resume with the model it was made by"
                )
        self._buffers = {
            name: torch.empty_like(self._parameters[name], requires_grad=False).copy_(tensor)
            for name, tensor in tensors.items()
        }

    def _by_repeats(self, group: ParameterGroup) -> dict[tuple[int, bool], list[str]]:
        """Names by how often they are updated, and whether each of several updates starts a momentum of its own."""
        buckets: dict[tuple[int, bool], list[str]] = {}
        for name, parameter in group.parameters.items():
            if parameter.grad is not None:
                repeats = 1 if self.repeated_updates == "none" else group.repeats(name)
                starts = self.repeated_updates == "modern" and repeats > 1 and name not in self._buffers
                buckets.setdefault((repeats, starts), []).append(name)
        return buckets

    def _buffer(self, name: str) -> Tensor:
        if name not in self._buffers:
            self._buffers[name] = torch.zeros_like(self._parameters[name], requires_grad=False)
        return self._buffers[name]


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the parameter's memory layout, which autograd keeps to but does not promise."""
    layouts = zip(parameter.shape, parameter.stride(), gradient.stride(), strict=True)
    if all(size == 1 or one == other for size, one, other in layouts):
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
