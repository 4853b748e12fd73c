"""Whether networks suit the data and the methods that are to be tried on them, before hours are spent."""

from collections.abc import Mapping
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.arguments import refuse_probabilities
from tutelage.calls import reason
from tutelage.checks import named_in_errors
from tutelage.methods.pair import Method, Pair
from tutelage.methods.sums import members
from tutelage.methods.transfer import NoLabelsError, as_labels_allow
from tutelage.objective import Objective
from tutelage.outputs import in_words, kind_of, sole_tensor
from tutelage.teachers.frozen import frozen


def check_network(network: nn.Module, example: Tensor, num_classes: int, name: str) -> None:
    """``ValueError`` unless the network called ``name`` answers ``example`` with one logit a sample and class."""
    ask = frozen(network, read={"output": lambda answer: _tensor(answer, name)})
    try:
        answer = ask({"batch": {"input": example}}, frozenset({"output"}))["output"]
    except _NoTensorError:
        raise
    except Exception as failure:
        shape = tuple(example.shape[1:])
        raise ValueError(f"{name} does not answer samples of shape {shape}: {_words(failure)}") from failure
    if answer.ndim == 2 and len(answer) == len(example) and answer.shape[1] != num_classes:
        raise ValueError(f"There are {num_classes} classes; {name} answers with {answer.shape[1]}.")
    if answer.shape != (len(example), num_classes):
        raise ValueError(
            f"{name} answers {len(example)} samples with numbers of shape {tuple(answer.shape)}; a classifier's have "
            f"({len(example)}, {num_classes})."
        )
    with named_in_errors(name):
        refuse_probabilities("output", answer, dim=1)


def check_methods(pair: Pair, methods: Mapping[str, Method]) -> None:
    """``ValueError`` for the first method that needs what the two networks lack, with the need; nothing is drawn.

    Each is called on ``pair``, and each layer that it wants to read is read once, on two samples. A method that wants
    another student (SimKD) is checked on a pair with that.
    """
    for name, method in methods.items():
        for member in members(method):
            title = name if member is method else f"{getattr(member, '__name__', 'one')}, of {name},"
            try:
                with torch.random.fork_rng(devices=[]):
                    _check(pair, member)
            except NoLabelsError as lack:
                raise ValueError(
                    f"The method {title} cannot learn from a transfer set without labels: {lack}"
                ) from lack
            except Exception as lack:
                words = str(lack) if isinstance(lack, ValueError) else f"{reason(lack)}."
                raise ValueError(f"The method {title} cannot be used on these networks: {words}") from lack


def _check(pair: Pair, method: Method) -> None:
    objective = method(pair)
    if not isinstance(objective, Objective):
        raise ValueError(f"it returns {kind_of(objective)}, and a method returns an Objective.")
    objective = as_labels_allow(objective, pair.lesson.train)
    reads = objective.reads(list(objective.terms))
    for who in ("student", "teacher"):
        if wanted := [what for owner, what in sorted(reads) if owner == who]:
            pair.shows(who, wanted)


class _NoTensorError(ValueError):
    pass


def _tensor(answer: Any, name: str) -> Tensor:
    found = sole_tensor(answer)
    if found is None:
        raise _NoTensorError(
            f"{name} answers with {in_words(answer)}, where one tensor is wanted; name a function of yours that "
            f"returns tutelage.outputs.TensorOutput(network, at=…)."
        )
    return found


def _words(failure: Exception) -> str:
    """What our own code says to users, as it is; of anybody else's code also what kind of error it was, and where."""
    *_, (frame, _) = walk_tb(failure.__traceback__)
    ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] == "tutelage"
    return str(failure) if ours and isinstance(failure, ValueError) else f"{reason(failure)}."
