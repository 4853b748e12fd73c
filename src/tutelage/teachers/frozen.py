"""A finished network as a teacher."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.fold import fold
from tutelage.data.batches import input_of
from tutelage.objective import Scene, misfit
from tutelage.outputs import in_words, kind_of
from tutelage.taps import AS_IT_IS, OUTPUT, Activations, Read, Tapped
from tutelage.teachers.manner import manner_of

Teacher: TypeAlias = Callable[[Scene, frozenset[str]], Activations]
"""Asked with the scene so far and what is wanted of it; any function may answer."""
Call: TypeAlias = Callable[[nn.Module, Scene], Activations]
"""How a network is called; it answers with its activations, because it is tapped."""


def on_input(model: nn.Module, scene: Scene, name: str = "input") -> Activations:
    """The usual call: ``model(batch.input)``. Raises ``ValueError`` if there is none, or none that it takes."""
    x = input_of(scene["batch"], name)
    try:
        activations: Activations = model(x)
    except (TypeError, AttributeError) as error:
        if isinstance(x, Tensor):
            raise
        stars = "**" if isinstance(x, Mapping) else "*"
        raise ValueError(
            f"The network does not take the batch's {name} as it is, {in_words(x)} ({error}); say how it is called, "
            f"such as call=lambda model, scene: model({stars}scene['batch'][{name!r}])."
        ) from error
    return activations


def on(name: str) -> Call:
    """How a network is called that sees the batch's ``name``: ``frozen(teacher, call=on("luminance"))``.

    >>> scene = {"batch": {"input": torch.zeros(1, 2), "luminance": torch.ones(1, 2)}}
    >>> on("luminance")(nn.Identity(), scene)
    tensor([[1., 1.]])
    """
    return on_input if name == "input" else partial(on_input, name=name)


def networks_of(teacher: Any) -> tuple[nn.Module, ...]:
    """The networks that ``teacher`` asks, as far as it says so: all that are made here do."""
    networks: tuple[nn.Module, ...] = getattr(teacher, "networks", ())
    return networks


def asking(teacher: Teacher, networks: Iterable[nn.Module], manner: str = "") -> Teacher:
    """``teacher``, which says of itself that it asks ``networks``, and in which ``manner`` if not as usual."""
    vars(teacher).update(networks=tuple(networks), manner=manner)
    return teacher


def refuse_no_teacher(who: str, teacher: Any) -> None:
    """Raises ``ValueError`` for a network, or whatever else cannot be asked ``(scene, wanted)``."""
    if isinstance(teacher, nn.Module):
        raise ValueError(f"{who} is a network ({type(teacher).__name__}), not a teacher yet; give frozen(network).")
    if isinstance(teacher, type):
        raise ValueError(f"{who} is {kind_of(teacher)}, not a teacher yet; make a network of it: frozen(network).")
    if not callable(teacher):
        kind = kind_of(teacher)
        raise ValueError(f"{who} is a function (scene, wanted) -> activations, such as frozen(network); got {kind}.")
    if reason := misfit(teacher, ({}, frozenset())):
        raise ValueError(f"{who} is asked with (scene, wanted): {reason}.")


def frozen(model: nn.Module, call: Call = on_input, read: Mapping[str, Read] = AS_IT_IS) -> Teacher:
    """``model`` in eval mode, without gradient, showing exactly what is wanted of it: any number of layers at once.

    It is tapped for the length of one call, so nothing is ever left behind, and the model's own mode comes back, even
    if the call fails. Learners that share a network should share its teacher, which is then asked once a batch.
    ``call`` says how the model is called, ``read`` how a tensor is got from a layer that returns none.

    Raises ``ValueError`` for what is no network and, as ``Tapped`` does, for a layer that does not exist, stays silent,
    runs twice, or is later overwritten in place.

    >>> teacher = frozen(nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 2)))
    >>> shown = teacher({"batch": {"input": torch.ones(3, 4)}}, frozenset({"0", "output"}))
    >>> {name: tuple(x.shape) for name, x in sorted(shown.items())}
    {'0': (3, 8), 'output': (3, 2)}
    """
    _refuse_no_network(model)
    checked: set[frozenset[str]] = set()
    plain = Tapped(model, [OUTPUT], read)  # without a tap on any layer, so it may stay: making one takes its time

    @torch.no_grad()
    def answer(scene: Scene, wanted: frozenset[str]) -> Activations:
        whole = wanted if wanted in checked else wanted | {OUTPUT}  # once to the end: finds layers that run twice
        training = _in_training(model)  # the only ones touched: setting an attribute of a module is slow
        tapped = plain if whole == {OUTPUT} else Tapped(model, whole, read)
        try:
            for module in training:
                module.training = False
            shown = call(tapped, scene)
        finally:
            if tapped is not plain:
                tapped.untap()
            for module in training:
                module.training = True
        checked.add(wanted)
        return {what: shown[what] for what in wanted}

    return asking(answer, [model], _manner(call, read))


def folded(model: nn.Module, call: Call = on_input, read: Mapping[str, Read] = AS_IT_IS) -> Teacher:
    """``frozen(model)`` for a finished network, faster: its batch norms do their work inside the layers before them.

    Answers equal those of ``frozen`` up to rounding, and ``model`` stays as it is. What is asked is a copy in the same
    layout, made by ``tutelage.compress.fold.fold`` when a set of layers is wanted for the first time, so that each of
    them shows what it showed before. A copy whose original has changed is made anew: right, but slow for a network that
    goes on learning, for which ``frozen`` is meant. Changes that hide from autograd (through ``.data``) go unnoticed.

    Raises ``ValueError`` as ``frozen`` does.

    >>> teacher = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> scene, wanted = {"batch": {"input": torch.randn(2, 3, 5, 5)}}, frozenset({"1", "output"})
    >>> there, here = frozen(teacher)(scene, wanted), folded(teacher)(scene, wanted)
    >>> all(torch.allclose(there[what], here[what], atol=1e-6) for what in wanted)
    True
    """
    _refuse_no_network(model)
    copies: dict[frozenset[str], _Copy] = {}

    @torch.no_grad()
    def answer(scene: Scene, wanted: frozenset[str]) -> Activations:
        copy = copies.get(wanted)
        if copy is None or copy.stamps != _stamps(copy.weights):
            weights = [*model.parameters(), *model.buffers()]
            plain = fold(model, lambda network: call(network, scene), wanted, read)
            # The copy is nobody else's, so its taps may stay.
            copy = copies[wanted] = _Copy(Tapped(plain, wanted, read), weights, _stamps(weights))
        shown = call(copy.tapped, scene)
        return {what: shown[what] for what in wanted}

    return asking(answer, [model], f"folded {_manner(call, read)}".rstrip())  # other last bits than frozen


def _manner(call: Call, read: Mapping[str, Read]) -> str:
    return "" if call is on_input and not read else manner_of(call, read)


def _refuse_no_network(model: Any) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"A teacher is made of a network, an nn.Module; got {kind_of(model)}.")


class _Copy(NamedTuple):
    """A folded network under its taps; the weights it was made from, and when they had changed last."""

    tapped: Tapped
    weights: list[Tensor]
    stamps: list[tuple[int, int]]


def _stamps(weights: list[Tensor]) -> list[tuple[int, int]]:
    return [(x.data_ptr(), x._version) for x in weights]


def _in_training(model: nn.Module) -> list[nn.Module]:
    """The parts of ``model`` in train mode. ``modules()`` gives names as well, which takes three times as long."""
    modules = [model]
    for module in modules:
        modules.extend(filter(None, module._modules.values()))
    return [module for module in modules if module.training]
