"""The processes that ``torchrun`` started for one run: rank 0 leads, and what it decides holds for all.

With one process, all of this is free: rank 0 of 1 decides for itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_map

from tutelage.ranks import among_several

T = TypeVar("T")


def size() -> int:
    """How many processes work together: those of the process group, or of ``torchrun`` where there is none yet."""
    if among_several():
        return dist.get_world_size()
    return _launched("WORLD_SIZE", 1) if "RANK" in os.environ else 1


def rank() -> int:
    """Which of them this one is; 0 leads."""
    if among_several():
        return dist.get_rank()
    return _launched("RANK", 0) if size() > 1 else 0


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """This process in a group with the others that ``torchrun`` started; nothing to do for one, or if it is in one.

    A rank that ends, or fails, is noticed by the others when they next wait for it, at the latest after the group's
    timeout.
    """
    if size() == 1 or among_several():
        yield
        return
    if device.type == "cuda" and device.index is None:
        torch.cuda.set_device(_launched("LOCAL_RANK", 0))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def _launched(name: str, usual: int) -> int:
    """A whole number of those that ``torchrun`` tells its processes. Raises ``ValueError`` for anything else."""
    text = os.environ.get(name, str(usual))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"The environment variable {name} is set by torchrun to a whole number; got {text!r}: unset it."
        )
    return int(text)


def decided(decision: Callable[[], T]) -> T:
    """What ``decision`` returns on rank 0, on every rank; only there is it called, and the others wait for it.

    Where it raises, so do the others: a ``RuntimeError`` that says what happened.
    """
    if size() == 1:
        return decision()
    outcome: list[Any] = [None, ""]
    if rank() == 0:
        try:
            outcome[0] = decision()
        except BaseException as error:
            dist.broadcast_object_list([None, f"{type(error).__name__}: {error}"])
            raise
    dist.broadcast_object_list(outcome)
    if outcome[1]:
        raise RuntimeError(f"The run was stopped by its rank 0 ({outcome[1]}).")
    value: T = outcome[0]
    return value


def highest(*numbers: int) -> tuple[int, ...]:
    """For each of the numbers, the highest that any rank gave."""
    if size() == 1:
        return numbers
    given = torch.tensor(numbers, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(given, op=dist.ReduceOp.MAX)
    return tuple(given.tolist())


def others(state: T) -> list[T]:
    """On rank 0 what the other ranks gave, in their order and on the CPU; on these, nothing."""
    if size() == 1:
        return []
    states: list[Any] = [None] * size()
    if rank() == 0:
        dist.gather_object(None, states)
        return states[1:]
    dist.gather_object(tree_map(_on_cpu, state))
    return []


def _on_cpu(x: Any) -> Any:
    return x.detach().cpu() if isinstance(x, Tensor) else x
