"""One gradient a loss, merged: where a parameter is reached by several losses, a rule decides what it gets."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import reduce
from math import inf
from operator import add

import torch
from torch import Tensor, nn

from tutelage.combine.base import Aggregator, Combine, Parameters
from tutelage.combine.granularity import whole_network
from tutelage.combine.rows import Row, Rows, jacobian, put
from tutelage.combine.seeded import seeded
from tutelage.combine.state import State, kept, restore
from tutelage.combine.target import refuse_unnamed
from tutelage.objective import Losses, Scene


class ResolveConflicts(Combine):
    """One gradient a loss, merged by ``aggregator``: a function of the Jacobian (losses, weights), one row a loss.

    Such are ``partial(decomposed, by=symmetric)`` (``combine.decompose``, ``combine.target``), and every
    ``torchjd.aggregation.Aggregator`` such as ``MGDA()``; UPGrad and DualProj want ``projector=exact_projector()``.

    What a parameter gets depends on the losses that reach it: none, and ``.grad`` stays ``None``; one, and it is that
    loss's plain gradient; two or more, and it takes part in the aggregation. Rows are in the order of the terms, with
    ``target`` first where one is named. Weights that the target does not reach, where nothing of it is at stake, take
    no part: they get the plain sum of the others. ``per`` says which weights form one vector
    (``combine.granularity``); each such part has its own copy of the aggregator's state. Where all gradients are 0,
    the merged one is, whatever the rule. Rules that draw at random draw from ``(seed, number of steps)``.

    Warns in the first step where there is nothing to merge: for want of a second loss, which a scheduled weight may
    bring later, or of a parameter that two losses reach.

    Costs one backward pass a loss and twice the memory of the losses' gradients.
    Raises ``ValueError`` for a decomposition of ``combine.target`` without a ``target``, in a step in which ``target``
    has no loss, and where the aggregator is for another number of losses than reach a part.
    """

    step: Tensor

    def __init__(
        self,
        aggregator: Aggregator,
        seed: int = 0,
        *,
        target: str | None = None,
        per: Callable[[str], str] = whole_network,
    ) -> None:
        super().__init__()
        refuse_unnamed(target, aggregator)
        self.seed, self.target, self.per = seed, target, per
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self._template = [aggregator]  # in a list, no submodule: see combine.state
        self._aggregators: dict[str, Aggregator] = {}  # part -> a copy with the state of this part
        self._rows = Rows()

    def names(self) -> set[str]:
        return {self.target} if self.target is not None else set()

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:  # noqa: ARG002
        self._rows.add(losses, parameters)

    def settle(self, parameters: Parameters) -> None:
        rows = self._target_first(self._rows.take())
        parts: dict[str, dict[str, nn.Parameter]] = {}
        for p, parameter in parameters.items():
            reached = {name: row[p] for name, row in rows.items() if p in row}
            if len(reached) > 1 and (self.target is None or self.target in reached):
                parts.setdefault(self.per(p), {})[p] = parameter
            elif reached:
                put(reduce(add, reached.values()), parameter)
        step = int(self.step)
        if step == 0 and rows and not parts:
            self._say_that_nothing_is_shared(list(rows))
        with seeded(self.seed + step, next(iter(parameters.values())).device):
            for part, shared in parts.items():
                # A loss that reaches nothing shared would be a row of zeros, and rules such as MGDA would stop at it.
                self._merge(part, {name: row for name, row in rows.items() if row.keys() & shared.keys()}, shared)
        self.step += 1

    def _target_first(self, rows: dict[str, Row]) -> dict[str, Row]:
        if self.target is None or not rows:
            return rows
        if self.target not in rows:
            raise ValueError(f"The target is the loss {self.target!r}, but this step has {sorted(rows)}.")
        return {self.target: rows[self.target], **rows}

    def _say_that_nothing_is_shared(self, names: list[str]) -> None:
        pair = "two" if self.target is None else f"the target {self.target!r} and another"
        why = f"{names[0]!r} is the only loss" if len(names) == 1 else f"no parameter is reached by {pair} of {names}"
        warnings.warn(f"Nothing to merge for ResolveConflicts in the first step: {why}.", stacklevel=3)

    def _merge(self, part: str, rows: dict[str, Row], shared: Parameters) -> None:
        matrix = jacobian(rows, shared)
        largest = float(torch.linalg.vector_norm(matrix, inf))
        merged = self._merged(part, rows, matrix) if 0 < largest < inf else matrix.sum(0)  # nan decides nothing either
        for p, gradient in zip(shared.values(), merged.split([p.numel() for p in shared.values()]), strict=True):
            put(gradient, p)

    def _merged(self, part: str, rows: dict[str, Row], matrix: Tensor) -> Tensor:
        try:
            return self._of(part)(matrix)
        except ValueError as error:
            which = f"{len(rows)} losses, {list(rows)}" + (f" that reach {part!r}" if part else "")
            raise ValueError(f"{self._template[0]!r} does not merge the gradients of {which}: {error}") from error

    def _of(self, part: str) -> Aggregator:
        if part not in self._aggregators:
            self._aggregators[part] = deepcopy(self._template[0])
        return self._aggregators[part]

    def get_extra_state(self) -> dict[str, State]:
        return {part: kept(aggregator) for part, aggregator in self._aggregators.items()}

    def set_extra_state(self, state: dict[str, State]) -> None:
        for part, remembered in state.items():
            restore(self._of(part), remembered, self.step.device)
