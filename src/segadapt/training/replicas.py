"""Data parallel: processes that split every batch and train one network as one process would.

Each passes its own images through the network, here and back; what is said of them is gathered, so that every process
forms the losses of the whole batch: means over valid pixels, weights, mixing partners, pseudo-labels, discriminators.
Gradients are the sums over all processes. torch's DistributedDataParallel fits none of this: it averages the gradients
of losses that are each a share's own, at every backward of a step that has several, and wraps a network whose other
functions teachers and methods call. Its parts do: collectives, and batch norm over processes.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Event, Thread

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segadapt.core.edge import MISTAKE, guarded
from segadapt.core.errors import UserError
from segadapt.models import BatchNormPolicy
from segadapt.training.dropout import dropouts

HOST = "127.0.0.1"
TELLS_SECONDS = 10.0
"""How long a process whose connection broke waits to be ended by who watches the one that broke it."""


@dataclass(frozen=True)
class Replica:
    """Process ``rank`` of the ``count`` that train one network; alone it does what it is asked, and nothing more."""

    rank: int = 0
    count: int = 1

    def prepared(self, model: nn.Module, batch_norm: BatchNormPolicy, device: torch.device) -> nn.Module:
        """The network, with batch norm over whole batches and dropout as it is drawn for them; the same parameters.

        UserError where the machine has no GPU for each process, or the batch norm asks for GPUs and it has none.
        """
        if self.count == 1:
            return model
        key = f"training.processes is {self.count}"
        if device.type == "cuda" and torch.cuda.device_count() < self.count:
            raise UserError(f"{key}, each on a GPU of its own, and this job sees {torch.cuda.device_count()}; lower it")
        for module in dropouts(model):
            module.register_forward_pre_hook(self._among_all)
            module.register_forward_hook(self._own_of_all)
        if not (batch_norm.batch_statistics and any(isinstance(each, _BatchNorm) for each in model.modules())):
            return model
        if device.type == "cpu":
            raise UserError(
                f"{key}, and batch norm over processes (torch's SyncBatchNorm) needs GPUs, which this job has none of; "
                "set it to 1, or batch_norm.batch_statistics and update_running to false"
            )
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)

    def own(self, all_BX: Tensor) -> Tensor:
        """The images of a batch that this process passes through the network."""
        if self.count == 1:
            return all_BX
        assert len(all_BX) % self.count == 0, f"{len(all_BX)} images for {self.count} processes"
        return all_BX.tensor_split(self.count)[self.rank]

    def gathered(self, own_bX: Tensor) -> Tensor:
        """What all processes have, in the batch's order; a gradient goes to this one's part alone."""
        if self.count == 1:
            return own_bX
        own_bX = own_bX.contiguous()
        parts = [torch.empty_like(own_bX) for _ in range(self.count)]
        dist.all_gather(parts, own_bX.detach())
        parts[self.rank] = own_bX
        return torch.cat(parts)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Adds the gradients of all processes up, in each of them."""
        self._at_once(dist.all_reduce, [each.grad for each in parameters if each.grad is not None])

    def take_over(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gives parameters that every process learned from the whole batch the first one's last digits: a GPU's sums
        are not always the same."""
        learned = [each.detach() for each in parameters if each.requires_grad]
        self._at_once(partial(dist.broadcast, src=0), learned)

    def _at_once(self, operation: Callable[[Tensor], None], tensors: list[Tensor]) -> None:
        if self.count == 1 or not tensors:
            return
        flat_N = torch.cat([each.reshape(-1) for each in tensors])
        operation(flat_N)
        parts = flat_N.split([each.numel() for each in tensors])
        torch._foreach_copy_(tensors, [part.view(each.shape) for part, each in zip(parts, tensors, strict=True)])

    def _among_all(self, module: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
        """Dropout draws as many numbers as for the whole batch, whose others are zeros."""
        if not module.training:
            return None
        (own_bX,) = inputs
        return torch.cat([own_bX if rank == self.rank else torch.zeros_like(own_bX) for rank in range(self.count)])

    def _own_of_all(self, module: nn.Module, inputs: tuple[Tensor], all_BX: Tensor) -> Tensor | None:
        return self.own(all_BX) if module.training else None


ALONE = Replica()


@contextmanager
def joined(count: int, follow: Callable[..., None], *about: object) -> Iterator[None]:
    """In the block this process, the first of ``count``, has others beside it, which call ``follow(replica, *about)``.

    They are started here, on this machine, and end with the block, or with this process, however it dies; if one of
    them fails, it says why, and this process ends, too. ``follow`` and ``about`` are pickled.
    """
    if count == 1:
        yield
        return
    # A port that the system chooses: nothing is left behind by a kill.
    store = dist.TCPStore(HOST, 0, count, is_master=True, wait_for_workers=False)
    make = partial(get_context("spawn").Process, target=_follow, daemon=True)
    others = [make(args=(Replica(rank, count), store.port, follow, about)) for rank in range(1, count)]
    for each in others:
        each.start()
    over = Event()
    watching = Thread(target=_end_with_one, args=(others, over), daemon=True)
    watching.start()
    try:
        _meet(Replica(0, count), store)
        yield
    except RuntimeError:
        # Perhaps of a connection that broke because its other end died.
        watching.join(TELLS_SECONDS)
        raise
    finally:
        over.set()
        for each in others:
            each.kill()
            each.join()
        if dist.is_initialized():
            dist.destroy_process_group()


def _meet(replica: Replica, store: dist.Store) -> None:
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(replica.rank)
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=replica.rank, world_size=replica.count)


def _follow(replica: Replica, port: int, follow: Callable[..., None], about: tuple[object, ...]) -> None:
    """What another process does: the first one alone hears of signals, and says what both have to say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()

    def work() -> None:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            _meet(replica, dist.TCPStore(HOST, port, replica.count, is_master=False))
            follow(replica, *about)

    if status := guarded(work):
        sys.exit(status)
    # Not before the first one, which may still be reading what this one sent.
    wait([parent_process().sentinel])


def _end_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(0)


def _end_with_one(others: list, over: Event) -> None:
    """Ends this process if one of the others does before the work is over: it may wait for it for ever, on a GPU."""
    wait([each.sentinel for each in others])
    if not over.is_set():
        print("segadapt: a process of this training has ended, and with it the others", file=sys.stderr, flush=True)
        os._exit(MISTAKE)
