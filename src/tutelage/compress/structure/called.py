"""An operation of torch that ran, as what follows channels sees it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from tutelage.compress.structure.ids import Groups, Ids


class Call(NamedTuple):
    """An operation that ran: the ids of the activations among its arguments, other tensors, and what it answered."""

    operation: Any
    found: Sequence[Ids | None]
    constants: Sequence[Tensor]
    args: Sequence[Any]
    named: Mapping[str, Any]
    out: Sequence[Tensor]

    @property
    def name(self) -> str:
        return self.operation.overloadpacket.__name__  # type: ignore[no-any-return]

    def argument(self, name: str, place: int, default: Any) -> Any:
        """One of its arguments, wherever it stands."""
        return self.named.get(name, self.args[place] if len(self.args) > place else default)


Rule: TypeAlias = Callable[[Groups, Call], "list[Ids | None]"]
"""The ids of an operation's answers, ``None`` where nobody knows; couples channels and fixes them on its way."""


class MixesError(Exception):
    """An operation makes elements of several channels, or nobody knows: what it takes may not go."""


def unknown(_groups: Groups, call: Call) -> list[Ids | None]:
    raise MixesError(f"{call.name} may mix channels")
