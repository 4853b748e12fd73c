"""Several processes, one training: what crosses between ranks, launched by ``torchrun``. One process pays nothing."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def among_several() -> bool:
    """Whether there are other processes, which would not wait for what this one tries alone."""
    return dist.is_available() and dist.is_initialized()


def average_over_ranks(gradients: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over all ranks, in place. Without a process group, nothing happens."""
    if among_several():
        for gradient in gradients:
            dist.all_reduce(gradient)
            gradient.div_(dist.get_world_size())


def mean_over_ranks(count: int, device: torch.device) -> float:
    """The mean of a count over all ranks, by way of ``device``; the count itself without a process group."""
    if not among_several():
        return count
    total = torch.tensor(count, device=device)
    dist.all_reduce(total)
    return total.item() / dist.get_world_size()


def gathered(x: Tensor) -> Tensor:
    """``x`` of all ranks, one after the other along the first dimension, with the gradient of them all.

    Every rank then computes the same loss on the whole batch; averaged over ranks, the gradients of its own rows are
    exactly those of one process with the whole batch. All ranks must hold equally many rows.
    """
    return _Gather.apply(x) if x.is_floating_point() else _gather(x)  # type: ignore[no-untyped-call]


def _gather(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        return _gather(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].clone(memory_format=torch.contiguous_format)  # the incoming one may be shared
        dist.all_reduce(whole)
        return whole.narrow(0, dist.get_rank() * ctx.rows, ctx.rows)
