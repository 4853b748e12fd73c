"""Whether networks suit the data and the methods that are to be tried on them, before hours are spent."""

from collections.abc import Mapping
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.arguments import refuse_probabilities, refuse_sigmoids
from tutelage.calls import reason
from tutelage.checks import named_in_errors
from tutelage.methods.pair import Method, Pair
from tutelage.methods.suited import kind_of_answers, refuse_unsuited
from tutelage.methods.sums import members
from tutelage.methods.transfer import NoLabelsError, as_labels_allow
from tutelage.objective import Objective
from tutelage.outputs import in_words, kind_of, sole_tensor
from tutelage.plurals import counted
from tutelage.shapes import LabelLogits, LogitMap, Logits, Numbers
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.task import Task
from tutelage.teachers.frozen import frozen


def check_network(
    network: nn.Module,
    example: Tensor,
    num_classes: int,
    name: str,
    task: Task = CLASSIFICATION,
    targets: Tensor | None = None,
) -> None:
    """``ValueError`` unless the network called ``name`` answers ``example`` as ``task`` wants it to.

    That is one logit a sample and class in a classification; in others the shape follows from the ``targets`` of the
    samples of the example.
    """
    ask = frozen(network, read={"output": lambda answer: tensor_of(answer, name)})
    try:
        answer = ask({"batch": {"input": example}}, frozenset({"output"}))["output"]
    except _NoTensorError:
        raise
    except Exception as failure:
        shape = tuple(example.shape[1:])
        raise ValueError(f"{name} does not answer samples of shape {shape}: {failure_in_words(failure)}") from failure
    wanted = task.answers(example.new_empty(len(example), 0) if targets is None else targets, num_classes, len(example))
    refuse_other_answers(name, tuple(answer.shape), tuple(wanted), task, num_classes)
    with named_in_errors(name):
        if kind_of_answers(task) == LabelLogits:
            refuse_sigmoids("output", answer)
        elif kind_of_answers(task) in (Logits, LogitMap):
            refuse_probabilities("output", answer, dim=1)


def refuse_other_answers(
    name: str, shape: tuple[int, ...], wanted: tuple[int, ...], task: Task, num_classes: int
) -> None:
    samples, *rest = wanted
    if shape == wanted or {shape, wanted} == {(samples,), (samples, 1)}:
        return
    named = num_classes > 0 and num_classes in rest and kind_of_answers(task) != Numbers
    if len(shape) == 2 == len(wanted) and shape[0] == samples and named:
        one = " A single logit for two classes is of the task binary classification." if shape[1] == 1 else ""
        raise ValueError(f"There are {num_classes} classes; {name} answers with {shape[1]}.{one}")
    who = "a classifier's" if task.name == CLASSIFICATION.name else f"those of the task {task.name}"
    raise ValueError(f"{name} answers {counted(samples, 'sample')} with numbers of shape {shape}; {who} have {wanted}.")


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
    refuse_unsuited(objective, pair.task)
    objective = as_labels_allow(objective, pair.lesson.train)
    reads = objective.reads(list(objective.terms))
    for who in ("student", "teacher"):
        if wanted := [what for owner, what in sorted(reads) if owner == who]:
            pair.shows(who, wanted)


class _NoTensorError(ValueError):
    pass


def tensor_of(answer: Any, name: str) -> Tensor:
    """The tensor that the network called ``name`` means by an answer. Raises ``ValueError`` where that is left open."""
    found = sole_tensor(answer)
    if found is None:
        raise _NoTensorError(
            f"{name} answers with {in_words(answer)}, where one tensor is wanted; name a function of yours that "
            f"returns tutelage.outputs.TensorOutput(network, at=…)."
        )
    return found


def failure_in_words(failure: BaseException) -> str:
    """What our own code says to users, as it is; of anybody else's code also what kind of error it was, and where."""
    *_, (frame, _) = walk_tb(failure.__traceback__)
    ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] == "tutelage"
    return str(failure) if ours and isinstance(failure, ValueError) else f"{reason(failure)}."
