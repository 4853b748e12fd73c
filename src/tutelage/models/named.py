"""Networks by name: one of ours, or anything that an installed package makes, without a change to it."""

import inspect
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from torch import nn

import tutelage.models
from tutelage.calls import Call, call


def named(text: str, num_classes: int) -> Callable[[], nn.Module]:
    """The function that builds the network ``text`` speaks of, for ``num_classes`` classes.

    ``resnet8`` and ``wide_resnet(16, 2)`` are of this package; anything else goes by its dotted path, with the
    arguments that it wants: ``timm.create_model('resnet18', pretrained=True)``, ``my_lab.nets.Small(width=3)``.
    ``num_classes`` is handed on unless ``text`` says it, to whatever takes it. Arguments are plain values.

    Raises ``ValueError`` for a name that nobody knows, with the nearest ones, and for text that is not a name or call.

    >>> sum(p.numel() for p in named("resnet(depth=14)", 10)().parameters())
    175258
    """
    path, arguments, options = _read(text)
    function = _found(path)
    if "num_classes" not in options and _takes_classes(function):
        options = {**options, "num_classes": num_classes}
    return partial(function, *arguments, **options)


def known() -> dict[str, Callable[..., nn.Module]]:
    """Every network of this package, by its name."""
    return dict(_ours())


def _ours() -> Iterator[tuple[str, Callable[..., nn.Module]]]:
    for info in iter_modules(tutelage.models.__path__, "tutelage.models."):
        module = import_module(info.name)
        for name, thing in vars(module).items():
            made = thing.func if isinstance(thing, partial) else thing
            if not inspect.isfunction(made) or made.__module__ != info.name or name.startswith("_"):
                continue
            returns = inspect.signature(made).return_annotation
            if isinstance(returns, type) and issubclass(returns, nn.Module) and _takes_classes(made):
                yield name, thing


def _read(text: str) -> Call:
    try:
        return call(text)
    except ValueError:
        raise ValueError(
            f"A network is named like resnet8, wide_resnet(16, 2) or timm.create_model('resnet18', pretrained=True), "
            f"with plain values as arguments; {text!r} is not."
        ) from None


def _found(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    if not module:
        ours = known()
        if path in ours:
            return ours[path]
        close = get_close_matches(path, ours, n=3) or sorted(ours)[:5]
        raise ValueError(
            f"There is no network {path!r} here. Did you mean one of {close}? Others go by their dotted path."
        )
    try:
        function = getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        raise ValueError(f"{path} cannot be imported: there is no module {missing.name!r} here.") from None
    except AttributeError:
        raise ValueError(f"{module} has no {name!r}.") from None
    if not callable(function):
        raise ValueError(f"{path} is not a function or class that makes a network.")
    return function  # type: ignore[no-any-return]


def _takes_classes(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters
    return "num_classes" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
