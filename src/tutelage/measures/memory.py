"""How much memory a piece of work takes at most."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(work: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """The most bytes that tensors made by ``work`` took at once, beyond what was there before.

    On a CPU every tensor is counted from the operation that makes it until its memory is freed; what an operation
    takes and gives back inside itself is not seen. On an accelerator the allocator is asked. ``work`` runs once.

    >>> def twice() -> None:
    ...     for _ in range(2):
    ...         x = torch.zeros(256)  # 1024 bytes; the second is made before the first is let go
    >>> peak_bytes(twice)
    2048
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _Counting() as counting:
        work()
    return int(counting.peak)


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.alive: dict[int, ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        answer = func(*args, **(kwargs or {}))
        for x in tree_leaves(answer):
            if isinstance(x, Tensor) and (storage := x.untyped_storage())._cdata not in {*given, *self.alive}:
                self._count(storage)
        return answer

    def _count(self, storage: torch.UntypedStorage) -> None:
        size, number = storage.nbytes(), storage._cdata
        self.now += size
        self.peak = max(self.peak, self.now)
        self.alive[number] = ref(storage, partial(self._forget, number, size))

    def _forget(self, number: int, size: int, _dead: object) -> None:
        self.now -= size
        self.alive.pop(number, None)
