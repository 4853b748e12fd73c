"""Every number that a flag takes has bounds, in the annotation where the flag is written: walked, not listed."""

import re
from collections.abc import Iterator
from math import inf, nan
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest

from contract.test_recipes import WRITTEN
from tutelage.cli.flags import flags_of, leaves
from tutelage.cli.sweep import Sweeping
from tutelage.study.bounds import Above, AtLeast, AtMost, Count, Share, Within, refuse_fields, refuse_nonsense
from tutelage.study.dotted import fields_of, unflattened
from tutelage.study.settings import TrainingSettings

BEYOND = (nan, inf, -inf, 1e308, -1e308, 10**30, -(10**30))
"""What no number of a flag may be."""


def unbounded(hint: Any, bounds: tuple[Any, ...] = ()) -> Iterator[Any]:
    """Each number in the annotation that may be one of ``BEYOND``."""
    parts = get_args(hint)
    if get_origin(hint) is Annotated:
        kinds = tuple(x for x in parts[1:] if isinstance(x, Above | AtLeast | AtMost | Within))
        yield from unbounded(parts[0], (*bounds, *kinds))
    elif get_origin(hint) in (Union, UnionType, tuple, list, dict):
        for part in parts:
            yield from unbounded(part, bounds)
    elif hint in (int, float) and not all(any(not bound.holds(x) for bound in bounds) for x in BEYOND):
        yield hint


FLAGS = [(recipe, flag) for recipe in WRITTEN for flag in leaves(flags_of(recipe.function))]


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
def test_every_number_of_a_recipe_has_bounds(recipe):
    free = [flag.spelled for one, flag in FLAGS if one is recipe and [*unbounded(flag.kind)]]
    assert not free, f"{free} of {recipe.name} may be anything; see tutelage.study.bounds"


def test_every_number_of_every_run_has_bounds():
    assert not [name for name, _, hint in fields_of(Sweeping) if [*unbounded(hint)]]


@pytest.mark.parametrize(
    ("hint", "count"),
    [
        *[(int, 1), (float, 1), (tuple[float, ...], 1), (int | None, 1), (bool, 0), (str, 0)],
        *[(Annotated[int, Above(0)], 1), (Annotated[float, AtMost(1)], 1), (Annotated[float, AtLeast(1)], 1)],
        *[(Count, 0), (Share | None, 0), (tuple[Count, float], 1), (Annotated[tuple[float, ...], Within(0, 1)], 0)],
        *[(Literal[1, 2], 0), (dict[str, float], 1)],
    ],
)
def test_a_number_without_bounds_is_found(hint, count):
    assert len([*unbounded(hint)]) == count


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
def test_the_bounds_are_those_of_the_check(recipe):
    defaults = {flag.name: flag.default for flag in flags_of(recipe.function)}
    for flag in (flag for one, flag in FLAGS if one is recipe and {int, float} & {*flag.kinds}):
        for value in BEYOND:
            changed = {flag.name: (value,) if flag.takes_several else value}
            with pytest.raises(ValueError, match=rf"^{flag.spelled} must be .*; got {re.escape(str(value))}\.$"):
                refuse_nonsense(recipe.function, unflattened(defaults, changed))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TrainingSettings(epochs=2.5), "--epochs must be a whole number; got 2.5."),
        (TrainingSettings(epochs=True), "--epochs must be a whole number; got True."),
        (TrainingSettings(lr="0.1"), "--lr must be a number; got '0.1'."),
        (TrainingSettings(epochs=10**30), f"--epochs must be at most 1000000; got {10**30}."),
        (TrainingSettings(lr=1e-320), "--lr must be at least 1e-09; got 1e-320."),
    ],
)
def test_what_is_no_such_number_is_refused_from_python_too(settings, said):
    with pytest.raises(ValueError) as refusal:
        refuse_fields(settings)
    assert str(refusal.value) == said
