"""What recipes ask of a network, its training and the images, said once: every field is a flag, its docstring the help.

``student: Network`` in a recipe's signature is ``--student.name``, ``--student.layers``, ``--student.epochs``, … on the
command line; annotations bound them all: ``Annotated[int, Above(0)]``. No torch here: ``--help`` reads this file.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from functools import partial
from itertools import repeat
from math import inf
from numbers import Real
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from tyro.conf import arg


@dataclass(frozen=True)
class Above:
    """A finite number is more than ``least``: ``Annotated[int, Above(0)]``."""

    least: float

    def holds(self, number: float) -> bool:
        return self.least < number < inf

    def __str__(self) -> str:
        return f"more than {self.least:g}"


@dataclass(frozen=True)
class AtLeast:
    """A finite number is ``least`` or more."""

    least: float

    def holds(self, number: float) -> bool:
        return self.least <= number < inf

    def __str__(self) -> str:
        return f"at least {self.least:g}"


@dataclass(frozen=True)
class Within:
    """A number is between ``low`` and ``high``, both included."""

    low: float
    high: float

    def holds(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __str__(self) -> str:
        return f"between {self.low:g} and {self.high:g}"


_COLLECTIONS = (tuple, list, set, frozenset)

Count: TypeAlias = Annotated[int, Above(0)]
Number: TypeAlias = Annotated[int, AtLeast(0)]
Positive: TypeAlias = Annotated[float, Above(0)]
NotNegative: TypeAlias = Annotated[float, AtLeast(0)]
Share: TypeAlias = Annotated[float, Within(0, 1)]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained."""

    epochs: Count = 240
    """how long it is trained"""
    batch_size: Count = 64
    """samples a step"""
    lr: Positive = 0.05
    """first or highest learning rate"""
    schedule: Literal["steps", "one-cycle", "cosine"] = "steps"
    """a tenth after 5/8, 6/8 and 7/8 of the epochs; up for a fifth of the steps, then down to 0; or half a cosine"""
    optimizer: Literal["sgd", "nesterov", "adam"] = "sgd"
    """gradient descent with a momentum of 0.9, with Nesterov's, or Adam"""
    weight_decay: NotNegative = 5e-4
    """weight decay"""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network by its name, the layers of it that take part, and how it is trained."""

    name: str
    """resnet56, wrn_40_2, …, or a dotted path: timm.create_model('resnet18')"""
    layers: tuple[str, ...] = ()
    """layers that teach or learn, from shallow to deep; found where none are given"""
    views: Annotated[int, Within(0, 162)] = 0
    """how many of the 162 crops and flips it sees, in turn; 0 draws any of them at random"""
    training: Annotated[Training, arg(name="")] = Training()  # flat: --student.epochs, not --student.training.epochs


@dataclass(frozen=True, kw_only=True)
class TeacherNetwork(Network):
    """A network that teaches: trained here, or elsewhere."""

    weights: Path | None = None
    """a file with its trained weights: nothing is trained then"""
    seed: int = 0
    """of its weights, order and views"""
    size: Number = 0
    """pixels a side that it takes; 0 gives it the images as the student sees them"""
    mean: tuple[float, ...] = ()
    """means of the channels (0 to 1) with which it normalises; those of the images if none are given"""
    std: tuple[Positive, ...] = ()
    """their deviations"""


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images, and how many of them are kept for validation."""

    name: Literal["cifar100", "cifar10", "synthetic"] = "cifar100"
    """cifar100, cifar10, or synthetic ones for a run of seconds"""
    validation: Number = 5000
    """training images kept for validation; 0 trains on all of them, without a best epoch"""
    cache_views: Number = 16
    """up to how many views of them the teacher's small answers are kept and shared by all runs"""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which rules make one gradient of several losses, and how they are watched."""

    names: tuple[str, ...] = ("all",)
    """names of rules, torchjd's ('CAGrad(c=0.5)', …) included, or all of our own; the sum is always there"""
    look_every: Count = 50
    """how often gradients are compared, in steps"""
    time_ratio: Annotated[float, AtLeast(1)] = 2.8
    """how many times as long as the sum's a step of a rule takes; 1 leaves out the student with more time"""


def refuse_nonsense(recipe: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise ``ValueError``, before hours are spent, for an argument that the recipe's annotations do not allow.

    ``refuse_nonsense(hinton, locals())`` is a recipe's first line: what else is among its locals does not matter.
    Settings are held against the annotations of their fields. Bounds hold for every element of a tuple or dictionary,
    and beside ``None``; a ``Literal`` is a bound. What has no bounds may be anything.

    >>> def recipe(run, *, student: Network): ...
    >>> refuse_nonsense(recipe, {"student": Network(name="resnet20", training=Training(batch_size=0))})
    Traceback (most recent call last):
    ValueError: --student.batch-size is more than 0; got 0.
    """
    for name, hint in hints_of(recipe).items():
        for refusal in _refusals(name, arguments[name], hint) if name in arguments else ():
            raise ValueError(refusal)


def flattened(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Every value by its dotted name: what the command's flags are called, and what ``arguments.json`` holds.

    >>> flat = flattened({"student": Network(name="resnet20", training=Training(epochs=3)), "temperature": 4.0})
    >>> flat["student.name"], flat["student.epochs"], flat["temperature"]
    ('resnet20', 3, 4.0)
    """
    return {leaf: content for name, value in arguments.items() for leaf, content in _leaves(name, value)}


def unflattened(defaults: Mapping[str, Any], dotted: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments ``defaults`` with the values of ``dotted`` in them, so that ``flattened`` gives those back.

    Raises ``ValueError`` for a dotted name that no default has.

    >>> unflattened({"student": Network(name="resnet20"), "seed": 0}, {"student.epochs": 3})["student"].training.epochs
    3
    """
    known = flattened(defaults)
    if unknown := [name for name in dotted if name not in known]:
        raise ValueError(f"There is no {', '.join(unknown)} among the arguments; they are {', '.join(known)}.")
    return {name: _replaced(name, value, dotted) for name, value in defaults.items()}


def hints_of(recipe: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only argument -> its annotation, of a function or a partial of one. ``run: "Run"`` need not resolve."""
    function = root(recipe)
    keywords = [x for x in inspect.signature(function).parameters.values() if x.kind is x.KEYWORD_ONLY]
    alone = SimpleNamespace(__annotations__={x.name: x.annotation for x in keywords if x.annotation is not x.empty})
    return get_type_hints(alone, globalns=inspect.unwrap(function).__globals__, include_extras=True)


def root(function: Any) -> Any:
    """The function itself, of however many partials: one that was given a docstring is not flattened."""
    while isinstance(function, partial):
        function = function.func
    return function


def fields_of(settings: type[Any]) -> Iterator[tuple[str, Field[Any], Any]]:
    """What each field is called in a dotted name, the field, and its annotation; a nested one that is flat, nothing."""
    hints = get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        if field.init:
            metadata = getattr(hints[field.name], "__metadata__", ())
            name = next((x.name for x in metadata if getattr(x, "name", None) is not None), field.name)
            yield name, field, hints[field.name]


def joined(name: str, within: str) -> str:
    """The dotted name of what is called ``within`` there."""
    return f"{name}.{within}" if within else name


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    if not _is_settings(value):
        return [(name, value)]
    inner = [(joined(name, within), getattr(value, field.name)) for within, field, _ in fields_of(type(value))]
    return [leaf for pair in inner for leaf in _leaves(*pair)]


def _replaced(name: str, value: Any, dotted: Mapping[str, Any]) -> Any:
    if not _is_settings(value):
        return dotted.get(name, value)
    inner = [(joined(name, within), field.name) for within, field, _ in fields_of(type(value))]
    return replace(value, **{field: _replaced(leaf, getattr(value, field), dotted) for leaf, field in inner})


def _is_settings(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _refusals(name: str, value: Any, hint: Any) -> Iterator[str]:
    """A sentence for everything about ``value`` that its annotation, or those of its fields, do not allow."""
    origin, parts = get_origin(hint), get_args(hint)
    if _is_settings(value):
        for within, field, inner in fields_of(type(value)):
            yield from _refusals(joined(name, within), getattr(value, field.name), inner)
    elif origin is Annotated:
        numbers = [x for x in (value if isinstance(value, _COLLECTIONS) else [value]) if isinstance(x, Real)]
        yield from (_refusal(name, bound, x) for bound in parts[1:] for x in numbers if _is_beyond(bound, x))
        yield from _refusals(name, value, parts[0])
    elif origin is Literal and value not in parts:
        yield _refusal(name, f"one of {', '.join(map(str, parts))}", value)
    elif origin in (Union, UnionType):
        possible = [list(_refusals(name, value, part)) for part in parts if _may_be(value, part)]
        yield from min(possible, key=len, default=[])
    elif isinstance(value, Mapping):
        for content in value.values():
            yield from _refusals(name, content, parts[-1] if parts else Any)
    elif isinstance(value, _COLLECTIONS):
        each = parts if origin is tuple and ... not in parts else repeat(parts[0] if parts else Any)
        for content, inner in zip(value, each, strict=False):
            yield from _refusals(name, content, inner)


def _refusal(name: str, rule: object, value: Any) -> str:
    return f"--{name.replace('_', '-')} is {rule}; got {value}."


def _is_beyond(bound: Any, number: Any) -> bool:
    return isinstance(bound, Above | AtLeast | Within) and not bound.holds(number)


def _may_be(value: Any, hint: Any) -> bool:
    """Whether ``hint`` is the part of a union that ``value`` belongs to."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind = get_origin(bare) or bare
    if kind is Literal:
        return type(value) in map(type, get_args(bare))
    return isinstance(value, Real if kind in (int, float) else kind) if isinstance(kind, type) else True
