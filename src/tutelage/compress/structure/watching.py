"""What is known while a pass of a network goes on: which activation is which, and whose channels are whose."""

from collections.abc import Sequence
from typing import Any
from weakref import ref

from torch import Tensor, nn

from tutelage.compress.structure.ids import NONE, Ids, is_rest
from tutelage.compress.structure.plain import Selecting
from tutelage.compress.structure.seen import DiffersError, Narrowed, Seen, Step, Traced


class Watch:
    """Remembers activations by themselves, and writes down what a pass shows in ``traced``."""

    def __init__(self, model: nn.Module, narrowed: Narrowed | None) -> None:
        self.model, self.traced, self.narrowed = model, Traced(), narrowed
        if narrowed is not None:
            self.traced.groups.new(len(narrowed.before.groups))
        self.names = {module: name or type(model).__name__ for name, module in model.named_modules()}
        self.put_in: set[nn.Module] = set()  # of a narrowed network: what selects and did not before
        cut = narrowed.before.layers if narrowed is not None else {}
        for module, name in [*self.names.items()] if cut else ():
            if isinstance(module, Selecting) and name in cut:
                self.names[module[1]] = name  # the layer that it was before
                self.put_in.add(module[0])
        self.seen: dict[int, Seen] = {}
        self.where: list[nn.Module] = []  # the modules that run, the innermost last
        self.fresh = 0  # how often there were new channels since the last step

    def find(self, x: Tensor) -> Seen | None:
        """What is known of an activation; ``None`` of what is none."""
        seen = self.seen.get(id(x))
        return seen if seen is not None and seen.tensor() is x else None

    def remember(self, x: Tensor, ids: Ids | None, depth: int = 0, **facts: Any) -> None:
        """``x`` is an activation of these channels."""
        self.seen[id(x)] = Seen(ref(x), x.shape, ids, depth, **facts)

    def take(self, seen: Seen) -> None:
        """Somebody reads it."""
        if seen.chain is not None:
            seen.chain.taken += 1

    def slots(self, seen: Seen, axis: int, count: int) -> list[int] | None:
        """The channel of each slot of an input axis; those that nobody knows stay."""
        if seen.ids is None:
            fresh = self.new(count, seen.chosen)
            self.traced.groups.fix(fresh, "nobody knows where it comes from")
            return fresh
        numbers = seen.ids.along(axis % len(seen.ids.shape))
        if numbers is None:
            return None
        slots: list[int] = numbers.tolist()
        if NONE in slots:
            (blank,) = self.new(1)
            self.traced.groups.fix([blank], "it is padding")
            slots = [blank if x == NONE else x for x in slots]
        return slots

    def new(self, count: int, places: Sequence[int] | None = None) -> list[int]:
        """Channels that were not there before; of a narrowed network, those that it had in these ``places``, or all."""
        key = (len(self.traced.steps), self.fresh)
        self.fresh += 1
        if self.narrowed is None:
            self.traced.born[key] = self.traced.groups.new(count)
            return self.traced.born[key]
        made = self.narrowed.before.born.get(key, [])
        if places is not None:
            made = [made[place] for place in places if place < len(made)]
        if len(made) != count:
            raise DiffersError
        return made

    def left_to_make(self, layer: str) -> Sequence[int] | None:
        """The places of the channels that a layer still makes, of a network that was narrowed."""
        return None if self.narrowed is None else self.narrowed.made.get(layer)

    def step(
        self,
        operation: str,
        taken: Sequence[Ids | None],
        made: Sequence[Ids | None],
        numbers: Sequence[float] = (),
    ) -> None:
        """Something ran: of a narrowed network, with what is left of the channels that it had, and the same numbers."""
        if self.narrowed is not None:
            place = len(self.traced.steps)
            before = self.narrowed.before.steps
            if place >= len(before) or before[place].operation != operation:
                raise DiffersError
            if before[place].numbers != numbers:
                raise DiffersError("is by a number that follows from sizes")
            for now, then in ((taken, before[place].taken), (made, before[place].made)):
                if len(now) != len(then) or not all(map(self._is_rest, now, then)):
                    raise DiffersError
        self.fresh = 0
        self.traced.steps.append(Step(operation, self.place(), list(taken), list(made), numbers))

    def _is_rest(self, now: Ids | None, then: Ids | None) -> bool:
        assert self.narrowed is not None
        if now is None or then is None:
            return now is then
        return is_rest(now, then, self.narrowed.gone)

    def refuse(self, name: str, reason: str, ids: Ids | None = None) -> None:
        """The layer keeps all its channels."""
        self.traced.refused.setdefault(name, reason)
        words = f"{name} reads it, and {reason}"
        if ids is not None:
            self.traced.groups.fix(ids.per_element(), words)
        ran = self.traced.layers.pop(name, None)
        if ran is not None:
            self.traced.groups.fix([*ran.slots, *ran.made], words)

    def place(self) -> str:
        """The name of the innermost module that runs."""
        return self.names[self.where[-1] if self.where else self.model]
