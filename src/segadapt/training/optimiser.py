"""Optimisers. SGD with momentum as the released code runs it updates backbone tensors several times a step.

The released parameter generator walks nested modules and yields a tensor once for each module around it, so a step
updates it that often with the same gradient (MaxSquareLoss ``graphs/models/deeplab_multi.py`` at 2fbc18f: 940 list
entries for 310 tensors; pytorch/pytorch#40967). What torch makes of such a list differs between versions and
devices; here every tensor is listed once and the repetition is a named option.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

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


class Optimiser:
    """What all optimisers share: groups in which every tensor stands once, and state by kind and parameter name.

    Tensors whose ``grad`` is None are left alone, decay included: the ASPP branches that are not summed stay as they
    were. A tensor has state from its first update on.
    """

    kinds: ClassVar[tuple[str, ...]]
    """Of tensors that are kept for every parameter."""

    def __init__(self, groups: Sequence[ParameterGroup], weight_decay: float) -> None:
        self.groups = tuple(groups)
        self.weight_decay = weight_decay
        self.state: dict[str, dict[str, Tensor]] = {kind: {} for kind in self.kinds}
        self._parameters = {name: each for group in self.groups for name, each in group.parameters.items()}
        distinct = {id(each) for each in self._parameters.values()}
        assert len(distinct) == sum(len(group.parameters) for group in self.groups), "a tensor is listed twice"

    def zero_grad(self) -> None:
        """Drops all gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    def step(self, lr: float | Tensor) -> None:
        """One step at the scheduled rate ``lr``: a plain number or, in a CUDA graph, a 0-dim tensor on the device."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """The state as ``kind.name``, for storing."""
        return {f"{kind}.{name}": each for kind, named in self.state.items() for name, each in named.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what :meth:`tensors` gave, bit for bit; UserError, with nothing changed, on a misfit."""
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            if kind not in self.kinds or name not in self._parameters:
                raise UserError(
                    f"stored {kind} of {name!r} has no parameter here; resume with the model it was made by"
                )
            want = self._new(kind, name)
            if tensor.shape != want.shape or tensor.dtype != want.dtype:
                raise UserError(
                    f"stored {kind} of {name!r} is {tensor.dtype} {tuple(tensor.shape)}, not {want.dtype} "
                    f"{tuple(want.shape)}; resume with the model it was made by"
                )
        self.state = {kind: {} for kind in self.kinds}
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            self._of(kind, name).copy_(tensor)

    def _with_gradient(self, group: ParameterGroup) -> list[str]:
        return [name for name, parameter in group.parameters.items() if parameter.grad is not None]

    def _tensors_of(self, names: Sequence[str]) -> tuple[list[Tensor], list[Tensor]]:
        """Parameters, and gradients in their layout."""
        parameters = [self._parameters[name] for name in names]
        return [each.detach() for each in parameters], [_laid_out_as(each, each.grad) for each in parameters]

    def _of(self, kind: str, name: str) -> Tensor:
        """The state of a parameter, zeros at first."""
        if name not in self.state[kind]:
            self.state[kind][name] = self._new(kind, name)
        return self.state[kind][name]

    def _new(self, kind: str, name: str) -> Tensor:
        return torch.zeros_like(self._parameters[name], requires_grad=False)

    def _decay_of(self, group: ParameterGroup) -> float:
        return self.weight_decay if group.decays else 0.0


class RepeatedSGD(Optimiser):
    """SGD, momentum and weight decay, k updates a step.

    One update is ``v <- momentum * v + (g + weight_decay * theta)``, ``theta <- theta - lr * v``, with v zero at first.
    ``repeated_updates``:

    - ``none``: k = 1, today's ``torch.optim.SGD``;
    - ``modern``: k = ``group.repeats(name)`` updates with the same g, as today's for-loop SGD does. In a tensor's
      first step each of them starts a momentum of its own, v = g + weight_decay * theta, and the last one's is kept:
      ``torch.optim.SGD`` looks the momentum of all entries up before it updates the first;
    - ``torch10``: likewise, but g keeps the decay added in each update, as the in-place arithmetic of PyTorch 1.0 did
      (pytorch/pytorch#12218), which makes the decay 6 (k = 3) and 10 (k = 4) times as strong a step.

    UserError for an unknown ``repeated_updates``.
    """

    kinds = ("momentum",)

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
        super().__init__(groups, weight_decay)
        self.momentum = momentum
        self.repeated_updates = repeated_updates

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """See :meth:`Optimiser.step`."""
        update = update_in_turn if isinstance(lr, Tensor) else update_at_once
        for group in self.groups:
            once = Update(lr * group.lr_factor, self.momentum, self._decay_of(group))
            for (repeats, starts), names in self._by_repeats(group).items():
                parameters, gradients = self._tensors_of(names)
                velocities = [self._of("momentum", name) for name in names]
                if starts:
                    update(replace(once, momentum=0.0), repeats - 1, False, parameters, gradients, velocities)
                    repeats = 1
                update(once, repeats, self.repeated_updates == "torch10", parameters, gradients, velocities)

    def _by_repeats(self, group: ParameterGroup) -> dict[tuple[int, bool], list[str]]:
        """Names by how often they are updated, and whether each of several updates starts a momentum of its own."""
        buckets: dict[tuple[int, bool], list[str]] = {}
        for name in self._with_gradient(group):
            repeats = 1 if self.repeated_updates == "none" else group.repeats(name)
            starts = self.repeated_updates == "modern" and repeats > 1 and name not in self.state["momentum"]
            buckets.setdefault((repeats, starts), []).append(name)
        return buckets


class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), as ``torch.optim.AdamW`` computes it."""

    kinds = ("mean", "square", "updates")
    # What torch.optim.AdamW calls; the class imports the compiler, which costs seconds a job.
    _update = staticmethod(torch._fused_adamw_)

    def __init__(
        self, groups: Sequence[ParameterGroup], beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(groups, weight_decay)
        self.betas, self.epsilon = (beta1, beta2), epsilon

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """See :meth:`Optimiser.step`."""
        for group in self.groups:
            if names := self._with_gradient(group):
                states = [[self._of(kind, name) for name in names] for kind in self.kinds]
                torch._foreach_add_(states[2], 1)
                self._update(
                    *self._tensors_of(names), states[0], states[1], [], states[2], lr=lr * group.lr_factor,
                    beta1=self.betas[0], beta2=self.betas[1], weight_decay=self._decay_of(group), eps=self.epsilon,
                    amsgrad=False, maximize=False,
                )  # fmt: skip

    def _new(self, kind: str, name: str) -> Tensor:
        if kind == "updates":
            return torch.zeros((), device=self._parameters[name].device)
        return super()._new(kind, name)


class Adam(AdamW):
    """Adam (Kingma and Ba 2015), as ``torch.optim.Adam`` computes it: decay is added to the gradients."""

    _update = staticmethod(torch._fused_adam_)


OPTIMISERS: dict[str, Callable[[Sequence[ParameterGroup], Any, str], Optimiser]] = {
    "repeated_sgd": lambda groups, its, repeated: RepeatedSGD(groups, its.momentum, its.weight_decay, repeated),
    "sgd": lambda groups, its, repeated: RepeatedSGD(groups, its.momentum, its.weight_decay),
    "adam": lambda groups, its, repeated: Adam(groups, its.beta1, its.beta2, its.epsilon, its.weight_decay),
    "adamw": lambda groups, its, repeated: AdamW(groups, its.beta1, its.beta2, its.epsilon, its.weight_decay),
}
"""By the names that ``optimiser`` has in params.yaml: from groups, the section and the protocol's switch."""


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in the parameter's memory layout, which autograd keeps to but does not promise."""
    layouts = zip(parameter.shape, parameter.stride(), gradient.stride(), strict=True)
    if all(size == 1 or one == other for size, one, other in layouts):
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
