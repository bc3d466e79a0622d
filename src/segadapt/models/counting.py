"""FLOPs and bytes of a network's passes, counted on tensors without memory: no weights, no data, no device.

Every operation that torch would run is seen on its way and put down with what it computes and moves. Losses, optimisers
and loading are no network's, hence not counted.
"""

import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from segadapt.core.parameters import BatchNormPolicy
from segadapt.core.workload import DiscriminatorPass, NetworkPass, Operation, Pass, Work
from segadapt.models.architecture import FIRST_1X1, Architecture
from segadapt.models.batchnorm import apply_batchnorm_policy
from segadapt.models.discriminator import Discriminator
from segadapt.models.networks import outline

_ALLOCATES = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}


class _Counting(TorchDispatchMode):
    """Puts down every operation that moves memory: views and allocations do not."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[Operation] = Counter()
        self.peak = self._held = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        given = {each.untyped_storage()._cdata for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        for each in (each.untyped_storage() for each in tree_leaves(result) if isinstance(each, Tensor)):
            if each._cdata not in self._known and each._cdata not in given:
                self._hold(each)
        packet = function.overloadpacket
        if function.is_view or packet.__name__ in _ALLOCATES:
            return result
        tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, Tensor)]
        formula = _grouped_backward if packet.__name__ == "convolution_backward" else flop_registry.get(packet)
        flops = 0 if formula is None else formula(*args, **kwargs, out_val=result)
        moved = sum(map(_bytes, tensors)) + _second_reading(packet.__name__, args)
        half = bool(tensors) and tensors[0].element_size() == 2
        self.operations[Operation(int(flops), moved, half)] += 1
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        """Counts a result's memory until nothing refers to it any more."""
        key, size = storage._cdata, storage.nbytes()
        self._known.add(key)
        self._held += size
        self.peak = max(self.peak, self._held)
        weakref.finalize(storage, self._let_go, key, size)

    def _let_go(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._held -= size


def _grouped_backward(gradient: Tensor, image: Tensor, weight: Tensor, *rest: Any, out_val: Any) -> int:
    """Of a convolution: its forward's, for the image and for the weights; torch's formula takes groups for one."""
    *_, groups, wanted = rest
    if groups == 1:
        return flop_registry[torch.ops.aten.convolution_backward](gradient, image, weight, *rest, out_val=out_val)
    return 2 * gradient.numel() * weight[0].numel() * sum(wanted[:2])


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _second_reading(name: str, args: tuple) -> int:
    """Bytes that batch norm reads again: it must have seen all of a channel before it can write any of it."""
    if name == "native_batch_norm":
        image, training = args[0], args[5]
        return _bytes(image) if training else 0
    if name == "native_batch_norm_backward":
        gradient, image, training, wanted = args[0], args[1], args[7], args[9]
        return _bytes(gradient) + _bytes(image) if training or any(wanted[1:]) else 0
    return 0


def count(run: Callable[[], object]) -> Work:
    """The operations that ``run`` does on tensors of device ``meta`` (or any other), backward passes too."""
    counting = _Counting()
    with counting:
        run()
    return Work(counting.operations, counting.peak)


@cache
def pass_work(each: Pass) -> Work:
    """The operations of a pass, counted once and remembered; UserError for a network that there is not."""
    return _discriminator_work(each) if isinstance(each, DiscriminatorPass) else _network_work(each)


def _network_work(each: NetworkPass) -> Work:
    architecture = Architecture(
        each.backbone, each.num_classes, each.aspp_branches, each.auxiliary, each.stride_placement or FIRST_1X1,
        task=each.task, bottleneck=each.bottleneck,
    )  # fmt: skip
    number_format = torch.bfloat16 if each.bf16 else torch.float32
    network = outline(architecture).to(number_format)
    policy = BatchNormPolicy(
        batch_statistics=each.batch_statistics,
        update_running=each.batch_statistics,
        train_affine=each.train_affine,
        train_stem_affine=each.train_affine and each.train_stem_affine,
    )
    # A pass without a backward is an evaluation, or one whose batch norm alone learns: ``batch_statistics`` says which.
    apply_batchnorm_policy(network, policy)
    image_BCHW = _on_meta(each.batch_size, 3, each.size, number_format)
    work = count(lambda: _run(network, image_BCHW, each.learns))
    return replace(work, parameters=sum(each.numel() for each in network.parameters()))


def _run(network: torch.nn.Module, image_BCHW: Tensor, learns: bool) -> None:
    with torch.set_grad_enabled(learns):
        passed = network if learns else network.whole
        heads = [logits for logits in passed(image_BCHW)[:2] if logits is not None]
    if learns:
        torch.autograd.backward(heads, [torch.empty_like(logits) for logits in heads])


def _discriminator_work(each: DiscriminatorPass) -> Work:
    with torch.device("meta"):
        network = Discriminator(each.num_channels, each.width).requires_grad_(each.learns)
    map_BCHW = _on_meta(each.batch_size, each.num_channels, each.size, torch.float32)
    map_BCHW.requires_grad_(not each.learns)

    def run() -> None:
        score_B1HW = network(map_BCHW)
        torch.autograd.backward([score_B1HW], [torch.empty_like(score_B1HW)])

    return count(run)


def _on_meta(batch_size: int, channels: int, size: tuple[int, int], number_format: torch.dtype) -> Tensor:
    width, height = size
    return torch.empty((batch_size, channels, height, width), dtype=number_format, device="meta")
