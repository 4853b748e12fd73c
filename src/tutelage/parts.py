"""What a learner is made of: refused in a sentence where it is something else, and its optimizer made."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from tutelage.objective import misfit
from tutelage.optimizers.factory import Factory
from tutelage.outputs import kind_of

FACTORY = "partial(torch.optim.SGD, lr=0.1)"


def refuse_no_factory(optimizer: Any) -> None:
    if isinstance(optimizer, Optimizer) or not callable(optimizer):
        raise ValueError(
            f"The optimizer of a learner is a function that makes one of its parameters, such as {FACTORY}; got "
            f"{kind_of(optimizer)}."
        )


def refuse_no_functions(call: Any, trains: Any, read: Mapping[str, Any]) -> None:
    asked: list[tuple[str, Any, tuple[Any, ...], str]] = [
        ("call", call, (None, {}), "lambda model, scene: model(scene['batch']['input'])"),
        ("trains", trains, ("",), "lambda name: name.startswith('student.fc.')"),
        *((f"read[{layer!r}]", reader, (None,), "lambda shown: shown[0]") for layer, reader in read.items()),
    ]
    for what, function, arguments, such in asked:
        reason = misfit(function, arguments) if callable(function) else f"got {kind_of(function)}"
        if reason:
            raise ValueError(f"A learner's {what} is a function such as {such}; {reason}.")


def made(factory: Factory, parameters: Mapping[str, nn.Parameter], learner: str) -> Optimizer:
    """The optimizer of ``parameters``. Raises ``ValueError`` where ``factory`` makes none, or one of others."""
    try:
        optimizer = factory(list(parameters.items()))
    except TypeError as error:
        reason = misfit(factory, ([],))
        why = f"it cannot be made of a list, {reason}" if reason else error
        raise ValueError(
            f"The optimizer of learner {learner!r} was not made: {why}; give a function of a list of its parameters "
            f"with their names, such as {FACTORY}."
        ) from error
    if not isinstance(optimizer, Optimizer):
        raise ValueError(
            f"The optimizer of learner {learner!r} is {kind_of(optimizer)}; let the function return an optimizer."
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = set(map(id, parameters.values()))
    if held.isdisjoint(own):
        raise ValueError(
            f"The optimizer of learner {learner!r} holds none of its parameters, so that nothing would train; "
            f"make it of those that the function is given."
        )
    if strange := len(held - own):
        raise ValueError(
            f"The optimizer of learner {learner!r} holds {strange} parameters that it was not given, and would move "
            f"what is not its own; make it of those that the function is given."
        )
    return optimizer
