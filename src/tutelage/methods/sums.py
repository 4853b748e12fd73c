"""A method's terms, weighed otherwise than published or for some epochs only, and those of several at once."""

from collections.abc import Sequence
from copy import copy
from functools import partial

from tutelage.methods.pair import Method, Pair
from tutelage.methods.weights import refuse_no_switch, until
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
    if "soft" not in terms:  # how vectors stand to each other does not say where they are
        terms["label"] = pair.truth()
    return Objective(**terms)


def stopped(method: Method, epoch: int) -> Method:
    """``method`` for ``epoch`` epochs; from then on labels alone, of weight 1: exactly their loss, and no teacher.

    What a term of weight 0 would have read is neither computed nor asked for. The method refuses, with ``ValueError``,
    a training that ends before the switch, and to be stopped where it, or its lesson, has no labels to go on with.

    Cho & Hariharan, "On the Efficacy of Knowledge Distillation", ICCV 2019, arXiv:1910.01348 (early-stopped KD).
    """
    return partial(stopped_method, method=method, epoch=epoch)


def stopped_method(pair: Pair, *, method: Method, epoch: int) -> Objective:
    """The terms of ``method`` in the first ``epoch`` epochs, then the labels alone."""
    refuse_no_switch(epoch, pair.epochs)
    if not (data := pair.lesson.train).has_targets:
        raise ValueError(
            f"The samples of {data.name!r} have no labels, and a method is stopped to go on with these: after epoch "
            f"{epoch} nothing would train; let it teach to the end."
        )
    terms = {name: copy(term) for name, term in method(pair).terms.items()}
    if "label" not in terms:
        raise ValueError(f"A method is stopped to go on with the labels, and this one has none; it has {list(terms)}.")
    for name, term in terms.items():
        term.weight = partial(until, epoch=epoch, before=term.weight, after=float(name == "label"))
    return Objective(**terms)


def members(method: Method) -> tuple[Method, ...]:
    """The methods that a sum adds up, whether or not it is stopped on the way; of any other, itself."""
    if isinstance(method, partial) and method.func is stopped_method:
        return members(method.keywords["method"])
    return method.keywords["methods"] if isinstance(method, partial) and method.func is sum_of_methods else (method,)


def _times(weight: Weight, strength: float) -> Weight:
    if not callable(weight):
        return checked_weight(weight * strength)

    def stronger(clock: Clock) -> float:
        return weight(clock) * strength

    return stronger
