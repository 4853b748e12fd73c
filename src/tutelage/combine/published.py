"""The merging rules of torchjd by name: MGDA, UPGrad, CAGrad, Nash-MTL, Aligned-MTL and all the others.

For whoever chooses a rule by a word, such as a recipe with a flag; otherwise ``ResolveConflicts(MGDA())`` is shorter.
Which rules there are, and where each was published, stands in torchjd's own documentation, https://torchjd.org.
"""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from tutelage.calls import reason
from tutelage.combine.base import Aggregator, Weighting
from tutelage.combine.granularity import whole_network
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts

INSTALL = "pip install 'tutelage[conflicts]'"


def aggregator(name: str, **settings: Any) -> Aggregator:
    """torchjd's aggregator of that name, such as ``UPGrad``, for ``ResolveConflicts``.

    Where it takes a ``projector``, it gets the exact one, which needs no further library. Raises ``ImportError`` with
    the install line where torchjd, or a solver that the rule wants, is missing, and ``ValueError`` for a name it lacks
    and for settings that do not fit: ``CAGrad`` wants its ``c``, ``NashMTL`` its ``n_tasks``.

    >>> import torch
    >>> aggregator("UPGrad")(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor([0.5000, 0.5000])
    """
    rule: Aggregator = _rule(name, "Aggregator", settings)
    return rule


def weighting(name: str, **settings: Any) -> Weighting:
    """The same rule as a function of the Gramian, for ``AtFeatures``; a few have none. Raises like ``aggregator``.

    >>> import torch
    >>> weighting("UPGrad")(torch.eye(2))
    tensor([0.5000, 0.5000])
    """
    rule: Weighting = _rule(f"{name}Weighting", "Weighting", settings)
    return rule


class Summed(nn.Module):
    """``rule`` times the number of losses.

    Many rules give a mean of the losses' gradients, as UPGrad and MGDA do, where others give a sum. At one learning
    rate such a rule goes a fraction of the way in each step, which says nothing about the way it resolves conflicts.

    >>> import torch
    >>> Summed(aggregator("UPGrad"))(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor([1., 1.])
    """

    def __init__(self, rule: Aggregator) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, rows: Tensor) -> Tensor:
        return len(rows) * self.rule(rows)

    def __repr__(self) -> str:
        return f"Summed({self.rule!r})"


def resolved_by(
    name: str, seed: int = 0, per: Callable[[str], str] = whole_network, *, summed: bool = False, **settings: Any
) -> ResolveConflicts:
    """``ResolveConflicts`` by torchjd's aggregator of that name: ``partial(resolved_by, "UPGrad")`` makes one anew.

    Such a partial can be part of a stage's key, an aggregator cannot. ``summed`` wraps it in ``Summed``. Raises like
    ``aggregator``.

    >>> resolved_by("MGDA", seed=1).seed
    1
    """
    rule = aggregator(name, **settings)
    return ResolveConflicts(Summed(rule) if summed else rule, seed, per=per)


def _rule(name: str, kind: str, settings: dict[str, Any]) -> Any:
    library = _library()
    bases = {"Aggregator", "WeightedAggregator", "GramianWeightedAggregator", "Weighting"}
    rules = {x: getattr(library, x) for x in library.__all__ if x not in bases}
    rules = {x: rule for x, rule in rules.items() if issubclass(rule, getattr(library, kind))}
    if name not in rules:
        close = get_close_matches(name, rules, n=3) or sorted(rules)
        known = ", ".join(x.removesuffix("Weighting") for x in close)
        bare = name.removesuffix("Weighting") if kind == "Weighting" else name
        raise ValueError(f"torchjd has no {bare!r} among its {kind.lower()}s; it has {known}.")
    rule = rules[name]
    takes = inspect.signature(rule)
    if "projector" in takes.parameters:
        settings = {"projector": exact_projector(), **settings}
    try:
        takes.bind(**settings)
    except TypeError as error:
        raise ValueError(f"torchjd's {name} takes {', '.join(takes.parameters)}: {error}.") from None
    try:
        return rule(**settings)
    except ImportError as error:
        hint = str(error).partition("pip install ")[2].replace('"', "'") or "its own documentation tells what"
        raise ImportError(f"{name} needs a solver that is not installed: pip install {hint}") from None
    except Exception as error:  # each refuses in its own way what it cannot work with
        raise ValueError(f"torchjd's {name} makes no rule of these settings: {reason(error)}.") from error


def _library() -> ModuleType:
    try:
        from torchjd import aggregation
    except ModuleNotFoundError:
        raise ImportError(f"Rules of torchjd need an extra: {INSTALL}") from None
    library: ModuleType = aggregation
    return library
