"""One pass of a network, watched: which module made what another reads, and what the code between them does to it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
RECTIFYING = (aten.relu, aten.relu_)
MOVING = (
    *RECTIFYING, aten.view, aten._unsafe_view, aten.alias, aten.clone, aten.permute, aten.transpose, aten.t,
    aten.squeeze, aten.unsqueeze, aten.expand, aten.slice, aten.select, aten.split, aten.split_with_sizes, aten.unbind,
    aten.detach, aten.max_pool2d_with_indices,
)  # fmt: skip
"""Operations that put out some of the numbers that they are given, or 0: rounded numbers stay rounded. Of a reshape,
a chunk or a flattening these are left."""


class Code(Enum):
    """What a module's own code, and no other module, does with an activation."""

    RECTIFIES = "rectifies"
    READS = "reads"


Reader: TypeAlias = nn.Module | Code


class Made(NamedTuple):
    """By whom the numbers of a tensor were made; ``moved`` where code has moved them since."""

    by: nn.Module | None
    moved: bool = False


UNKNOWN = Made(None)


class Pass(TorchDispatchMode):
    """A pass in which ``leaves`` compute, and ``containers`` call them and have code of their own.

    ``reads`` has for each leaf, in the order in which they first ran, who made what it was given first, ``None`` for
    nobody that is known; ``readers`` for each maker who reads just what it made, and ``moved`` the leaves that were
    given what code had moved. A container makes what it puts out, where its own code computed that. Who puts out what
    it was given, as a dropout in eval mode does, is not there at all. ``quantiser`` is the name of the child whose
    answer counts as that of its parent.
    """

    def __init__(self, leaves: Sequence[nn.Module], containers: Sequence[nn.Module], quantiser: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.leaves, self.containers, self.quantiser = leaves, containers, quantiser
        self.reads: dict[nn.Module, set[nn.Module | None]] = {}
        self.readers: dict[nn.Module, set[Reader]] = {}
        self.moved: set[nn.Module] = set()
        self._made: dict[int, Made] = {}
        self._kept: list[object] = []  # alive, so that no two have one id
        self._versions: list[int] = []  # of what the leaves that run were given, the innermost last

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What runs within is seen."""
        with ExitStack() as stack:
            for leaf in self.leaves:
                stack.callback(leaf.register_forward_pre_hook(self._begins).remove)
                stack.callback(leaf.register_forward_hook(self._ran, with_kwargs=True).remove)
            for container in self.containers:
                if not isinstance(container, nn.Sequential | nn.ModuleList | nn.ModuleDict):  # they run their children
                    stack.callback(container.register_forward_hook(self._put_out).remove)
            stack.enter_context(self)
            yield

    def maker_of(self, x: Tensor) -> nn.Module | None:
        return self._made.get(id(x), UNKNOWN).by

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._versions:
            return result
        given = _tensors((args, kwargs))
        for x in given:
            self._read(x, Code.RECTIFIES if func.overloadpacket in RECTIFYING else Code.READS)
        source = self.maker_of(given[0]) if given and func.overloadpacket in MOVING else None
        for y in _tensors(result):
            self._made[id(y)] = Made(source, moved=source is not None)
        self._kept.extend((given, result))
        return result

    def _read(self, x: Tensor, reader: Reader) -> None:
        made = self._made.get(id(x), UNKNOWN)
        if made.by is not None and not made.moved:
            self.readers.setdefault(made.by, set()).add(reader)

    def _begins(self, _leaf: nn.Module, args: tuple[Any, ...]) -> None:
        self._versions.append(args[0]._version if args and isinstance(args[0], Tensor) else 0)

    def _ran(self, leaf: nn.Module, args: tuple[Any, ...], named: Any, output: Any) -> None:
        version = self._versions.pop()
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if first is output and first is not None and first._version == version:
            return
        self._kept.extend((args, named, output))
        known = first is not None and isinstance(output, Tensor)
        for x in _tensors((args, named)):
            self._read(x, leaf if x is first and known else Code.READS)
        if first is None or not isinstance(output, Tensor):
            return
        made = self._made.get(id(first), UNKNOWN)
        self.reads.setdefault(leaf, set()).add(made.by)
        if made.moved:
            self.moved.add(leaf)
        self._made[id(output)] = Made(leaf)

    def _put_out(self, container: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor) or any(x is output for x in _tensors(args)):
            return
        self._kept.append(output)
        if self.maker_of(output) in (None, container._modules.get(self.quantiser)):
            self._made[id(output)] = Made(container)


def _tensors(given: object) -> list[Tensor]:
    return [x for x in tree_leaves(given) if isinstance(x, Tensor)]
