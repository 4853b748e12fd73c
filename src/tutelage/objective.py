"""What is compared with what: named losses, each told where to find its arguments."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn
from torch.func import functional_call

from tutelage.outputs import kind_of
from tutelage.ranks import among_several, gathered
from tutelage.shapes import ACROSS

Loss: TypeAlias = Callable[..., Tensor]
Scene: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Who -> what they showed in this step, e.g. ``scene["teacher"]["layer3"]`` or ``scene["batch"]["target"]``.

Tensors, but for what a batch holds besides.
"""
Losses: TypeAlias = dict[str, Tensor]
Address: TypeAlias = str | Sequence[str]
Place: TypeAlias = tuple[str, str]


class Clock(NamedTuple):
    """How far the training is: epochs and optimizer steps done, and the share of its epochs that is done (0 to 1).

    ``epochs`` are those of the training, 0 where that is not known.
    """

    epoch: int
    step: int
    fraction: float
    epochs: int = 0


Weight: TypeAlias = float | Callable[[Clock], float]


class Term(nn.Module):
    """``loss``, called with what stands at ``addresses`` of the scene.

    An address is ``who.what``; a list of addresses hands the loss a list of tensors. ``weight`` is a number or a
    function of the clock; while it is exactly 0, the term costs nothing. ``across=True`` marks a loss that relates the
    samples of a batch to each other, so that the mean over two halves of a batch is not the whole: it sees the batches
    of all ranks together, and refuses to be accumulated.

    Raises ``ValueError`` for a weight that is negative or not finite, for an address that does not read ``who.what``,
    for a loss that takes more or fewer arguments, and for one that returns ``Relational`` or ``BatchScalar`` without
    ``across=True``.

    >>> from torch.nn.functional import cross_entropy
    >>> label = Term(cross_entropy, "student.output", "batch.target", weight=lambda clock: 1 - clock.fraction)
    >>> sorted(label.reads())
    [('batch', 'target'), ('student', 'output')]
    """

    def __init__(self, loss: Loss, *addresses: Address, weight: Weight = 1.0, across: bool = False) -> None:
        super().__init__()
        _refuse_no_loss(loss)
        if _relates_samples(loss) and not across:
            raise ValueError(f"{_name(loss)} relates the samples of a batch to each other; say Term(…, across=True).")
        self.loss = loss
        self.addresses = addresses  # refuses misspelt ones here, where the traceback still shows who wrote them
        self.weight = weight if callable(weight) else checked_weight(weight)
        self.across = across
        _refuse_other_arguments(loss, addresses)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return self._addresses

    @addresses.setter
    def addresses(self, addresses: Iterable[Address]) -> None:
        self._addresses = tuple(addresses)
        self._places = [_places(address) for address in self._addresses]  # a step splits none

    def forward(self, scene: Scene) -> Tensor:
        arguments = [_look_up(scene, place) for place in self._places]
        if self.across and among_several():
            arguments = [[gathered(y) for y in x] if isinstance(x, list) else gathered(x) for x in arguments]
        return self.loss(*arguments)

    def weight_at(self, clock: Clock) -> float:
        return checked_weight(self.weight(clock)) if callable(self.weight) else self.weight

    def counted(self, batch: Mapping[str, Any]) -> int | None:
        """Over how many parts of ``batch`` the loss is a mean, where it knows: valid tokens, labelled pixels.

        A loss that is no mean over samples says so in ``counted(*arguments)``, of which it gets those that the batch
        holds and ``None`` for the others; where that does not tell it raises ``ValueError``.
        """
        loss: Any = self.loss
        named: dict[str, Any] = {}
        while isinstance(loss, partial):
            loss, named = loss.func, {**loss.keywords, **named}
        if (count := getattr(loss, "counted", None)) is None:
            return None
        number: int | None = count(*(_of_batch(batch, address) for address in self.addresses), **named)
        return number

    def reads(self) -> Iterator[tuple[str, str]]:
        for place in self._places:
            yield from place if isinstance(place, list) else [place]


class Objective(nn.Module):
    """Named terms. ``objective(scene, names)`` is one raw loss a name: nothing is weighed, nothing is added up."""

    def __init__(self, /, *unnamed: Any, **terms: Term) -> None:
        super().__init__()
        if unnamed:
            raise ValueError(
                f"The terms of an Objective have names: Objective(label=Term(…)), or Objective(**terms) of a "
                f"dictionary; got {kind_of(unnamed[0])} without one."
            )
        if strange := sorted(name for name, term in terms.items() if not isinstance(term, Term)):
            raise ValueError(f"An Objective is made of terms, such as label=Term(loss, …); {strange} are none.")
        if taken := sorted(name for name in terms if hasattr(self, name)):
            raise ValueError(f"An Objective has attributes called {taken}; name these terms differently.")
        for name, term in terms.items():
            self.add_module(name, term)

    def forward(self, scene: Scene, names: Sequence[str]) -> Losses:
        modules = self._modules
        return {name: modules[name](scene) for name in names}  # type: ignore[misc]

    @property
    def terms(self) -> dict[str, Term]:
        return {name: term for name, term in self._modules.items() if isinstance(term, Term)}  # named_children is slow

    def weights(self, clock: Clock) -> dict[str, float]:
        return {name: term.weight_at(clock) for name, term in self.terms.items()}

    def reads(self, names: Sequence[str]) -> set[tuple[str, str]]:
        """Everything ``(who, what)`` that the terms called ``names`` look at: exactly what has to be shown."""
        terms = self.terms
        return {read for name in names for read in terms[name].reads()}


def through(model: nn.Module) -> Callable[..., Any]:
    """``model`` as a function that gradients pass through but that learns nothing: for adversaries and critics.

    A functional call with detached parameters. Nothing is registered, so no objective owns the model and no optimizer
    moves it; its own training mode stays in force.

    >>> import torch
    >>> critic, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    >>> through(critic)(x).sum().backward()
    >>> x.grad is not None, critic.weight.grad is None
    (True, True)
    """

    def call(*inputs: Any, **named: Any) -> Any:
        weights = {name: p.detach() for name, p in model.named_parameters()}
        return functional_call(model, weights, inputs, named)

    return call


def checked_weight(weight: float) -> float:
    """``weight`` as a float; raises ``ValueError`` for what is no finite number of 0 or more."""
    try:
        good = isfinite(weight) and weight >= 0
    except (TypeError, ValueError, RuntimeError):  # of a tensor of several numbers
        good = False
    if not good:
        raise ValueError(f"The weight of a term is a finite number, 0 or more; got {weight!r}.")
    return float(weight)


def _refuse_no_loss(loss: Any) -> None:
    if isinstance(loss, str):
        raise ValueError(
            f"A term's loss is a function of tensors; got a str, {loss!r}, in its place: it comes first, as in "
            f"Term(loss, 'student.output', …)."
        )
    if not callable(loss):
        raise ValueError(f"A term's loss is a function of tensors; got {kind_of(loss)}.")
    if isinstance(made := innermost(loss), type):
        raise ValueError(
            f"A term's loss is a function of tensors; got {kind_of(made)}: make one of it, such as {made.__name__}()."
        )


def innermost(loss: Any) -> Any:
    """The function in a ``partial``, however many of them are around it."""
    while isinstance(loss, partial):
        loss = loss.func
    return loss


def _refuse_other_arguments(loss: Loss, addresses: Sequence[Address]) -> None:
    if reason := misfit(loss.forward if isinstance(loss, nn.Module) else loss, addresses):
        raise ValueError(f"{_name(loss)} does not fit a term of {len(addresses)} addresses: {reason}.")


def misfit(function: Callable[..., Any], arguments: Sequence[Any]) -> str | None:
    """Why ``function`` cannot be called with these arguments, if it shows what it takes and it cannot."""
    try:
        takes = signature(function)
    except (TypeError, ValueError):  # of some built-in functions nobody knows
        return None
    try:
        takes.bind(*arguments)
    except TypeError as error:
        return f"it takes ({', '.join(takes.parameters)}), {error}"
    return None


def _relates_samples(loss: Loss) -> bool:
    loss = innermost(loss)
    if isinstance(loss, nn.Module):  # one that lifts another loss to lists of layers holds it
        held = [x for part in vars(loss).values() for x in (part if isinstance(part, list) else [part]) if callable(x)]
        if any(_relates_samples(part) for part in (*loss.children(), *held)):
            return True
    function = type(loss).forward if isinstance(loss, nn.Module) else loss
    promise = getattr(function, "__annotations__", {}).get("return")
    return promise in ("Relational", "BatchScalar") or ACROSS in getattr(promise, "__metadata__", ())


def _name(loss: Loss) -> str:
    loss = innermost(loss)
    return getattr(loss, "__name__", type(loss).__name__)


def _split(address: Any) -> Place:
    who, _, what = address.partition(".") if isinstance(address, str) else ("", "", "")
    if not (who and what):
        raise ValueError(f"An address reads 'who.what', such as 'teacher.layer3'; got {address!r}.")
    return who, what


def _places(address: Address) -> Place | list[Place]:
    if isinstance(address, str) or not isinstance(address, Iterable):
        return _split(address)
    return [_split(one) for one in address]


def _of_batch(batch: Mapping[str, Any], address: Address) -> Any:
    who, what = _split(address) if isinstance(address, str) else ("", "")
    return batch.get(what) if who == "batch" else None


def _look_up(scene: Scene, place: Place | list[Place]) -> Any:
    return [_at(scene, one) for one in place] if isinstance(place, list) else _at(scene, place)


def _at(scene: Scene, place: Place) -> Any:
    who, what = place
    try:
        return scene[who][what]
    except KeyError:
        shown = sorted(f"{w}.{x}" for w in scene for x in scene[w])
        raise ValueError(f"Nothing at {f'{who}.{what}'!r} in this step. On stage: {', '.join(shown)}.") from None
