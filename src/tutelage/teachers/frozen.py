"""A finished network as a teacher."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.fold import fold
from tutelage.objective import Scene
from tutelage.taps import AS_IT_IS, OUTPUT, Activations, Read, Tapped

Teacher: TypeAlias = Callable[[Scene, frozenset[str]], Activations]
"""Asked with the scene so far and what is wanted of it; any function may answer."""
Call: TypeAlias = Callable[[nn.Module, Scene], Activations]
"""How a network is called; it answers with its activations, because it is tapped."""


def on_input(model: nn.Module, scene: Scene) -> Activations:
    """The usual call: ``model(batch.input)``."""
    shown: Activations = model(scene["batch"]["input"])
    return shown


def frozen(model: nn.Module, call: Call = on_input, read: Mapping[str, Read] = AS_IT_IS) -> Teacher:
    """``model`` in eval mode, without gradient, showing exactly what is wanted of it: any number of layers at once.

    It is tapped for the length of one call, so nothing is ever left behind, and the model's own mode comes back, even
    if the call fails. Learners that share a network should share its teacher, which is then asked once a batch.
    ``call`` says how the model is called, ``read`` how a tensor is got from a layer that returns none.

    Raises ``ValueError``, as ``Tapped`` does, for a layer that does not exist, stays silent, runs twice, or is later
    overwritten in place.

    >>> teacher = frozen(nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 2)))
    >>> shown = teacher({"batch": {"input": torch.ones(3, 4)}}, frozenset({"0", "output"}))
    >>> {name: tuple(x.shape) for name, x in sorted(shown.items())}
    {'0': (3, 8), 'output': (3, 2)}
    """
    checked: set[frozenset[str]] = set()
    plain = Tapped(model, [OUTPUT], read)  # without a tap on any layer, so it may stay: making one takes its time

    @torch.no_grad()
    def answer(scene: Scene, wanted: frozenset[str]) -> Activations:
        whole = wanted if wanted in checked else wanted | {OUTPUT}  # once to the end: finds layers that run twice
        with _evaluating(model):
            tapped = plain if whole == {OUTPUT} else Tapped(model, whole, read)
            try:
                shown = call(tapped, scene)
            finally:
                if tapped is not plain:
                    tapped.untap()
        checked.add(wanted)
        return {what: shown[what] for what in wanted}

    return answer


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

    return answer


class _Copy(NamedTuple):
    """A folded network under its taps; the weights it was made from, and when they had changed last."""

    tapped: Tapped
    weights: list[Tensor]
    stamps: list[tuple[int, int]]


def _stamps(weights: list[Tensor]) -> list[tuple[int, int]]:
    return [(x.data_ptr(), x._version) for x in weights]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Only modules in train mode are touched: setting an attribute of every module at every step is slow."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
