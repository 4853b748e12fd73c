"""Whether what is compared with a teacher's answers is what the task's answers are."""

from collections.abc import Iterator
from inspect import signature
from typing import Any, get_type_hints

from torch import nn

from tutelage.arguments import class_dim_of, shape_types
from tutelage.objective import Loss, Objective, Term, innermost
from tutelage.shapes import LabelLogits, LogitMap, Logits, MemberLogits, Numbers, SpanLogits
from tutelage.taps import OUTPUT
from tutelage.tasks.task import Task

KINDS = {
    Logits: "logits of classes of which one holds",
    LabelLogits: "logits of labels of which any number hold",
    LogitMap: "maps of logits",
    SpanLogits: "logits of each token",
    Numbers: "numbers as they are",
}


def refuse_unsuited(objective: Objective, task: Task) -> None:
    """Raise ``ValueError`` for a term that takes answers for what those of ``task`` are not.

    Of what kind the answers of a task are, its soft loss says: by the shape type of its first argument. A term of
    another kind would compute something all the same, such as probabilities over labels that do not exclude each other.
    Losses that were told the dimension of the classes, losses without shape types and what reads layers suit all tasks.
    """
    kind = kind_of_answers(task)
    for name, term in objective.terms.items():
        for taken in _taken_for_answers(term):
            if taken != kind and kind in KINDS:
                raise ValueError(
                    f"Term {name!r} compares {KINDS[taken]}, and the answers of the task {task.name} are "
                    f"{KINDS[kind]}; kd compares the answers of any task, and at, hint and sp read layers alone."
                )


def _taken_for_answers(term: Term) -> Iterator[Any]:
    """The kinds that a term takes the answers for which it reads, each as a shape type of ``KINDS``."""
    if class_dim_of(term.loss) is None:
        given = [hint for hint, address in shape_types(term) if address.endswith(f".{OUTPUT}")]
        yield from (read for hint in given if (read := Logits if hint == MemberLogits else hint) in KINDS)
    if any(what == OUTPUT for _, what in term.reads()):
        for loss in getattr(term.loss, "losses", ()):  # of a loss that is lifted to lists of layers
            if class_dim_of(loss) is None and (read := _first_type(loss)) in KINDS:
                yield read


def kind_of_answers(task: Task) -> Any:
    """The shape type of what ``task`` answers with: that of the first argument of its soft loss, if it has one."""
    return _first_type(task.soft(1.0))


def _first_type(loss: Loss) -> Any:
    """The type of a loss's first argument; nothing where it says none."""
    call = innermost(loss.forward if isinstance(loss, nn.Module) else loss)
    try:
        first = next(iter(signature(call).parameters), "")
        return get_type_hints(call, include_extras=True).get(first)
    except (TypeError, ValueError, NameError):
        return None
