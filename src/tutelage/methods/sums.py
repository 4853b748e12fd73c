"""A method's terms, weighed otherwise than published, and those of several methods at once."""

from collections.abc import Sequence
from copy import copy
from functools import partial

from tutelage.methods.pair import Method, Pair
from tutelage.objective import Clock, Objective, Term, Weight, checked_weight


def stronger(objective: Objective, strength: float) -> Objective:
    """The same terms, all but the label's with ``strength`` times their weight; refuses what ``Term`` refuses."""
    strength = checked_weight(strength)
    terms = {name: copy(term) for name, term in objective.terms.items()}
    for name, term in terms.items():
        if name != "label":
            term.weight = _times(term.weight, strength)
    return Objective(**terms)


def added(methods: Sequence[Method], strengths: Sequence[float]) -> Method:
    """The method that adds up ``methods``, each ``strengths`` times as strong as published.

    Raises ``ValueError`` for a strength that ``Term`` would refuse as a weight, and for strengths that are all 0.
    """
    if not sum(map(checked_weight, strengths)):
        raise ValueError("A sum of methods adds up one or more; here every factor is 0, and nothing is left to learn.")
    return partial(sum_of_methods, methods=tuple(methods), strengths=tuple(strengths))


def sum_of_methods(pair: Pair, *, methods: tuple[Method, ...], strengths: tuple[float, ...]) -> Objective:
    """``CE + Σ λ_i · what method i adds to the labels at its published weights``, any number of methods at once.

    For three of them it is L = L_CE + λ₁ L_logits + λ₂ L_feature + λ₃ L_relation of the multi-knowledge proposal.
    """
    terms: dict[str, Term] = {"label": pair.labels()}
    for method, strength in zip(methods, strengths, strict=True):
        for name, term in stronger(method(pair), strength).terms.items():
            if name != "label":
                terms[name if name not in terms else f"{name}_{len(terms)}"] = term
    return Objective(**terms)


def members(method: Method) -> tuple[Method, ...]:
    """The methods that a sum adds up; of any other, itself."""
    return method.keywords["methods"] if isinstance(method, partial) and method.func is sum_of_methods else (method,)


def _times(weight: Weight, strength: float) -> Weight:
    if not callable(weight):
        return checked_weight(weight * strength)

    def stronger(clock: Clock) -> float:
        return weight(clock) * strength

    return stronger
