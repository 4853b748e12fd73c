"""Networks by name: one of ours, or anything that an installed package or a module of yours makes, as it is."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from torch import nn

import tutelage.models
from tutelage.calls import Call, call, lookup, reason
from tutelage.outputs import kind_of
from tutelage.stopped import Stopped
from tutelage.trust import refuse_other

CLASSES = ("num_classes", "classes")
"""What the argument is called that the number of classes is handed to."""
CHANNELS = ("num_channels", "in_chans", "in_channels")
"""What the argument is called that the number of channels of a picture is handed to."""

_NUMBERS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}


class Builder(partial[nn.Module]):
    """A partial of what makes a network. Whatever keeps it from making one is a ``ValueError`` of one sentence."""

    def __call__(self, /, *arguments: Any, **options: Any) -> nn.Module:
        where = f"{self.func.__module__}.{getattr(self.func, '__qualname__', type(self.func).__name__)}"
        try:
            network = super().__call__(*arguments, **options)
        except OSError:  # weights that cannot be read or fetched: that is no matter of the arguments
            raise
        except Stopped:
            raise
        except (Exception, SystemExit) as failure:
            if isinstance(failure, ValueError) and where.startswith("tutelage."):
                raise
            raise ValueError(f"{where} makes no network of these arguments: {reason(failure)}.") from failure
        if not isinstance(network, nn.Module):
            raise ValueError(f"{where} makes {kind_of(network)}; a network is a torch.nn.Module.")
        return network


def named(text: str, num_classes: int, num_channels: int = 0) -> Builder:
    """The function that builds the network ``text`` speaks of, for ``num_classes`` classes.

    ``resnet8`` and ``wide_resnet(16, 2)`` are of this package; anything else goes by its dotted path, looked for in the
    current directory too, with the arguments that it wants: ``my_lab.nets.small(width=3)``, or
    ``my_lab.nets:small(width=3)``, as recipes are spelled. ``num_classes`` is handed
    on unless ``text`` says it, to whatever takes ``num_classes`` or ``classes``; so is ``num_channels``, of a picture,
    unless it is 0 or what the network has anyway, to whatever takes ``num_channels``, ``in_chans`` or ``in_channels``.
    Arguments are plain values. The path leads to a class of networks, or to a function that is annotated to return one
    or stands in a module of your own.

    Raises ``ValueError`` for a name that nobody knows, with the nearest ones, for text that is not a name or call, for
    a path that leads to something else, and for arguments that do not fit; the function itself, for what then makes no
    network.

    >>> sum(p.numel() for p in named("resnet(depth=14)", 10)().parameters())
    175258
    """
    path, arguments, options = _read(text)
    function = _lookup(path)
    options = _with_counts(path, function, arguments, options, num_classes, num_channels)
    if isinstance(function, partial):  # one partial, so that the network has one description
        return Builder(function.func, *function.args, *arguments, **{**function.keywords, **options})
    return Builder(function, *arguments, **options)


def known() -> dict[str, Callable[..., nn.Module]]:
    """Every network of this package, by its name."""
    return dict(_ours())


@cache
def _ours() -> tuple[tuple[str, Callable[..., nn.Module]], ...]:
    return tuple(_found())


def _found() -> Iterator[tuple[str, Callable[..., nn.Module]]]:
    for info in iter_modules(tutelage.models.__path__, "tutelage.models."):
        module = import_module(info.name)
        for name, thing in vars(module).items():
            builder = thing.func if isinstance(thing, partial) else thing
            if not inspect.isfunction(builder) or builder.__module__ != info.name or name.startswith("_"):
                continue
            signature = inspect.signature(builder)
            returns = signature.return_annotation
            if isinstance(returns, type) and issubclass(returns, nn.Module) and "num_classes" in signature.parameters:
                yield name, thing


def _read(text: str) -> Call:
    path, bracket, arguments = text.partition("(")
    if file := re.fullmatch(r"(?:\./)?([\w/]+)\.py(?:[:.](.*))?", path):
        module, name = file[1].strip("/").replace("/", "."), file[2] or "Net"
        raise ValueError(
            f"A module goes by its name, without .py: write {module}:{name}{bracket}{arguments} for {text}."
        )
    try:
        return call(path.replace(":", ".", 1) + bracket + arguments)
    except ValueError:
        raise ValueError(
            f"A network is named like resnet8, wide_resnet(16, 2) or my_lab.nets.small(width=3), with plain values as "
            f"arguments; {text!r} is not."
        ) from None


def _lookup(path: str) -> Callable[..., Any]:
    if "." not in path:
        ours = known()
        if path in ours:
            return ours[path]
        if Path(f"{path}.py").is_file():
            raise ValueError(f"{path} is a module here: name what makes the network in it, such as {path}:Net.")
        close = get_close_matches(path, ours, n=3) or sorted(ours)[:5]
        likely = ", ".join(map(repr, close))
        raise ValueError(f"There is no network {path!r} here. Did you mean one of {likely}? Others go by dotted paths.")
    function = lookup(path)
    if isinstance(function, nn.Module):
        raise ValueError(f"{path} is a network; name a function that makes one, so that it can be built again.")
    refuse_other(function, path, nn.Module, "a network")
    return function  # type: ignore[no-any-return]


def _with_counts(
    path: str,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    options: dict[str, Any],
    num_classes: int,
    num_channels: int,
) -> dict[str, Any]:
    """``options`` with the numbers of classes and channels, if the function takes them and was not given them."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # what is compiled need not tell
        return options
    try:
        word = _word_for_classes(signature)
        words = {*signature.bind_partial(*arguments, **options).arguments, *options}
        if word is not None and not words & {*CLASSES}:
            options = {**options, word: num_classes}
        channels = next((word for word in CHANNELS if word in signature.parameters), None)
        if channels is not None and num_channels and not words & {*CHANNELS}:
            own = signature.parameters[channels].default
            options = options if own == num_channels else {**options, channels: num_channels}
        bound = signature.bind(*arguments, **options)
    except TypeError as misfit:
        takes = ", ".join(signature.parameters) or "nothing"
        raise ValueError(f"{path} cannot be called so: {misfit}; it takes {takes}.") from None
    if str(getattr(getattr(function, "func", function), "__module__", "")).startswith("tutelage."):
        _refuse_other_types(path, signature, bound.arguments)
    return options


def _refuse_other_types(path: str, signature: inspect.Signature, given: Mapping[str, Any]) -> None:
    """``ValueError`` for what is no number where ours want one; what others annotate need not be so."""
    for name, value in given.items():
        kinds = _NUMBERS.get(signature.parameters[name].annotation)
        if kinds and (isinstance(value, bool) or not isinstance(value, kinds[0])):
            raise ValueError(f"{path} takes {kinds[1]} as its {name}; got {value!r}.")


def _word_for_classes(signature: inspect.Signature) -> str | None:
    parameters = signature.parameters.values()
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return next((word for word in CLASSES if word in named), CLASSES[0] if takes_any else None)
