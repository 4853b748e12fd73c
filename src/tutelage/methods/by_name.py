"""Methods by name, for one teacher and for several: ``kd``, ``0.9*kd + 0.5*at``, ``my_lab.methods:mine``."""

from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from inspect import getmembers, isfunction, signature
from math import isfinite
from pkgutil import iter_modules
from typing import Any

import tutelage.methods
from tutelage.calls import lookup
from tutelage.methods.pair import Method, Pair
from tutelage.methods.several import Joint, from_each, refuse_borrowing
from tutelage.methods.sums import added, members
from tutelage.objective import Objective
from tutelage.trust import refuse_other

PUBLISHED = ("response", "feature", "relation", "contrastive")
"""The families that ``all`` stands for. Others are there to answer a question of their own."""
LEAST, MOST = 1e-6, 1e6
"""A method that is there at all counts so much, times as published: float32 adds the losses up."""


def method(text: str) -> Method:
    """The method called ``text``, or the sum of several with a factor for each, as in ``0.9*kd + at``.

    A name with a colon is a function of your own, ``(Pair) -> Objective``, at its dotted path, which is looked for in
    the current directory too; in an installed package it has to be annotated so. Raises ``ValueError`` with the nearest
    names for one that does not exist, for a path that leads nowhere or to something else, for a factor that is not a
    finite number of 0 or more, and for a sum that ``added`` refuses.
    """
    return _method(text)


def _method(text: str, others: Collection[str] = ()) -> Method:
    """As ``method``; ``others`` are names that may be meant where one stands alone."""
    if "+" not in text and "*" not in text:
        return _one(text.strip(), others)
    strengths, names = zip(*(_weighed(part) for part in text.split("+")), strict=True)
    return added([_one(name) for name in names], strengths)


def expanded(names: Sequence[str]) -> list[str]:
    """``names`` with ``all`` and the names of families (``response``, ``attention``, …) replaced by their members."""
    known = methods()
    members = {"all": [name for name, function in known.items() if family(function) in PUBLISHED]}
    for name, function in known.items():
        members.setdefault(family(function), []).append(name)
    return list(dict.fromkeys(one for name in names for one in members.get(name, [name])))


def joint(text: str) -> Joint:
    """How a student learns from several teachers: by a joint method (``arithmetic``, ``adaptive``, …), or from each.

    Whatever else ``method`` takes is learnt from each of them. Raises ``ValueError`` as that does, and for a method
    whose student borrows from its one teacher.
    """
    known = joints()
    if text.strip() in known:
        return known[text.strip()]
    try:
        one = _method(text, known)
    except ValueError as error:
        raise ValueError(f"{error} From several teachers at once there are {', '.join(known)}.") from None
    refuse_borrowing(one)
    return partial(from_each, method=one)


def methods() -> dict[str, Method]:
    """Every method of this package by its name, in the order of its files and of their lines."""
    return dict(sorted(_shipped(Pair), key=lambda pair: (family(pair[1]), pair[1].__code__.co_firstlineno)))


def joints() -> dict[str, Joint]:
    """Every method of this package that is for several teachers at once, by its name, in the order of their lines."""
    return dict(sorted(_shipped(Sequence[Pair]), key=lambda pair: pair[1].__code__.co_firstlineno))


def family(method: Method) -> str:
    """The file a method is written in: response, feature, relation, …; ``combined`` for a sum of several."""
    families = {getattr(member, "func", member).__module__.rpartition(".")[2] for member in members(method)}
    return families.pop() if len(families) == 1 else "combined"


def _weighed(part: str) -> tuple[float, str]:
    factor, times, name = part.rpartition("*")
    try:
        weight = float(factor) if times else 1.0
    except ValueError:
        raise ValueError(f"Methods are added up as in '0.9*kd + at'; {factor.strip()!r} is not a number.") from None
    if not (isfinite(weight) and weight >= 0):
        raise ValueError(f"A method's factor is a finite number, 0 or more; got {factor.strip()} in {part.strip()!r}.")
    if weight and not LEAST <= weight <= MOST:
        raise ValueError(
            f"A method's factor is 0 or from {LEAST:g} to {MOST:g}; got {factor.strip()} in {part.strip()!r}."
        )
    return weight, name.strip()


def _one(name: str, others: Collection[str] = ()) -> Method:
    if ":" in name:
        own: Method = lookup(name)
        if not callable(own):
            raise ValueError(f"{name} is a {type(own).__name__}; a method is a function from a Pair to an Objective.")
        _refuse_loss(name, own)
        refuse_other(own, name, Objective, "an Objective")
        return own
    known = methods()
    if name not in known:
        if name in joints():
            raise ValueError(
                f"There is no method {name!r} for one teacher or for a sum: alone, as joint({name!r}) and as --targets "
                f"of cifar100:ensemble, it makes one target of what several teachers say."
            )
        families = dict.fromkeys(family(function) for function in known.values())
        close = get_close_matches(name.lower(), [*others, *known, *families, "all"], n=3)
        hint = (
            f"Did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"The methods are {', '.join(dict.fromkeys([*expanded(['all']), *known]))}."
        )
        raise ValueError(f"There is no method {name!r}. {hint}")
    return known[name]


def _refuse_loss(name: str, own: Callable[..., object]) -> None:
    """``ValueError`` for what cannot be called with a pair alone, as a loss cannot."""
    try:
        takes = signature(own)
    except ValueError:  # what is compiled need not tell
        return
    try:
        takes.bind("pair")
    except TypeError:
        words = ", ".join(takes.parameters)
        loss = ": a loss, which a method puts into a Term" if len(takes.parameters) > 1 else ""
        raise ValueError(
            f"A method takes a pair of networks and returns an Objective; {name} takes ({words}){loss}."
        ) from None


def _shipped(given: Any) -> Iterator[tuple[str, Any]]:
    """The public functions of this package's methods that make an objective of ``given`` alone."""
    for info in iter_modules(tutelage.methods.__path__, "tutelage.methods."):
        module = import_module(info.name)
        for name, function in getmembers(module, isfunction):
            if function.__module__ != info.name or name.startswith("_"):
                continue
            takes = [parameter.annotation for parameter in signature(function).parameters.values()]
            if takes == [given] and signature(function).return_annotation is Objective:
                yield name, function
