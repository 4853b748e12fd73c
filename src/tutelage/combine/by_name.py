"""Rules by name that make one gradient of several losses: ours, and every one that torchjd has.

A function ``rule(Given) -> (() -> Combine)``; what it returns is a partial, so that it can be part of a stage's key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from inspect import isfunction
from typing import Any, TypeAlias

from tutelage.calls import call
from tutelage.combine.base import Combine
from tutelage.combine.decompose import decomposed, longest_first, pair_by_pair, symmetric, weights
from tutelage.combine.dot import DOT
from tutelage.combine.granularity import each_layer, each_stage, each_tensor
from tutelage.combine.learned import LearnedWeights, softmax
from tutelage.combine.published import aggregator, resolved_by
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.shared_features import AtFeatures
from tutelage.combine.target import cosine_weighted, gated, protected
from tutelage.combine.weighted_sum import WeightedSum

Make: TypeAlias = Callable[[], Combine]
TARGET = "label"


@dataclass(frozen=True)
class Given:
    """What a rule may want to know: the losses' names, a seed, a feature that all losses share, the weight decay."""

    terms: Sequence[str] = (TARGET,)
    seed: int = 0
    feature: str = "student.output"
    decay: float = 0.0


def weighted_sum(_given: Given) -> Make:
    """One backward pass through the sum: what everybody does."""
    return WeightedSum


def pcgrad(given: Given) -> Make:
    """PCGrad, the proposal's symmetric form: each gradient gives way to each other one, in an order drawn anew."""
    return partial(ResolveConflicts, partial(decomposed, by=symmetric), seed=given.seed)


def sequential(given: Given) -> Make:
    """The proposal to the letter: of each conflicting pair one gives way, and later pairs see what is left of it."""
    return partial(ResolveConflicts, partial(decomposed, by=pair_by_pair), seed=given.seed)


def pcgrad_ordered(given: Given) -> Make:
    """PCGrad with the longest gradient first, so that nothing is left to chance."""
    return partial(ResolveConflicts, partial(decomposed, by=partial(symmetric, order=longest_first)), seed=given.seed)


def pcgrad_stages(given: Given) -> Make:
    """PCGrad in each stage of the network apart."""
    return partial(ResolveConflicts, partial(decomposed, by=symmetric), seed=given.seed, per=each_stage)


def pcgrad_layers(given: Given) -> Make:
    """PCGrad in each layer apart."""
    return partial(ResolveConflicts, partial(decomposed, by=symmetric), seed=given.seed, per=each_layer)


def pcgrad_tensors(given: Given) -> Make:
    """PCGrad in each tensor of weights apart."""
    return partial(ResolveConflicts, partial(decomposed, by=symmetric), seed=given.seed, per=each_tensor)


def labels_first(given: Given) -> Make:
    """Cross entropy is the target: every other loss loses what points against it."""
    return partial(ResolveConflicts, partial(decomposed, by=protected), seed=given.seed, target=TARGET)


def labels_gate(given: Given) -> Make:
    """A loss whose gradient opposes that of the cross entropy does not count in that step."""
    return partial(ResolveConflicts, partial(decomposed, by=gated), seed=given.seed, target=TARGET)


def labels_weigh(given: Given) -> Make:
    """Every other loss counts by the cosine of its gradient with that of the cross entropy."""
    return partial(ResolveConflicts, partial(decomposed, by=cosine_weighted), seed=given.seed, target=TARGET)


def upgrad(given: Given) -> Make:
    """UPGrad (torchjd), as a sum: each gradient is brought to where it opposes none, then they are added up."""
    return partial(_of_torchjd("UPGrad", given), summed=True)


def cheap(given: Given) -> Make:
    """PCGrad's weights from the gradients at one layer that all losses share, then one backward pass."""
    return partial(AtFeatures, partial(weights, by=symmetric), given.feature, seed=given.seed)


def dot(given: Given) -> Make:
    """DOT: momenta of their own for the labels and for what is distilled; over SGD without momentum or decay."""
    return partial(DOT, [TARGET], weight_decay=given.decay)


def uncertainty(given: Given) -> Make:
    """Weights learned by homoscedastic uncertainty."""
    return partial(LearnedWeights, list(given.terms))


def learned_softmax(given: Given) -> Make:
    """Weights learned as a softmax that is kept from one-sidedness."""
    return partial(LearnedWeights, list(given.terms), price=softmax)


def rule(text: str, given: Given) -> Make:
    """The rule that ``text`` names: one of this file, or an aggregator of torchjd: ``MGDA``, ``CAGrad(c=0.5)``.

    Those of torchjd step as far as published: many give a mean of the gradients, the rules of this file give a sum.

    Raises ``ValueError`` with the nearest names for one that nobody has, and for settings that it lacks or does not
    have; ``ImportError`` with the install line for one whose extra is missing.
    """
    ours = rules()
    if text in ours:
        return ours[text](given)
    if not text[:1].isupper():
        close = get_close_matches(text, ours, n=3) or sorted(ours)
        likely = ", ".join(map(repr, close))
        raise ValueError(f"There is no rule {text!r}. Did you mean one of {likely}? torchjd's begin with a capital.")
    name, settings = _published(text)
    return _of_torchjd(name, given, **settings)


def _of_torchjd(name: str, given: Given, **settings: Any) -> partial[ResolveConflicts]:
    aggregator(name, **settings)  # says now what is missing
    return partial(resolved_by, name, seed=given.seed, **settings)


def _published(text: str) -> tuple[str, dict[str, Any]]:
    try:
        name, arguments, settings = call(text)
        if not arguments:
            return name, settings
    except ValueError:
        pass
    raise ValueError(f"A rule of torchjd is named like UPGrad or CAGrad(c=0.5); {text!r} is not.")


def rules() -> dict[str, Callable[[Given], Make]]:
    """The rules of this file by their names, in the order of its lines."""
    own = {name: x for name, x in globals().items() if isfunction(x) and x.__module__ == __name__}
    return {name: x for name, x in own.items() if x.__annotations__.get("return") == Make and name != "rule"}
