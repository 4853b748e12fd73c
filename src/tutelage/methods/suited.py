"""Whether what is compared with a teacher's answers is what the task's answers are."""

from inspect import signature
from typing import Any, get_type_hints

from tutelage.arguments import class_dim_of, hinted
from tutelage.objective import Objective, innermost
from tutelage.shapes import LabelLogits, LogitMap, Logits, MemberLogits, Numbers
from tutelage.taps import OUTPUT
from tutelage.tasks.task import Task

KINDS = {
    Logits: "logits of classes of which one holds",
    LabelLogits: "logits of labels of which any number hold",
    LogitMap: "maps of logits",
    Numbers: "numbers as they are",
}


def refuse_unsuited(objective: Objective, task: Task) -> None:
    """Raise ``ValueError`` for a term that takes answers for what those of ``task`` are not.

    Of what kind the answers of a task are, its soft loss says: by the shape type of its first argument. A term of
    another kind would compute something all the same, such as probabilities over labels that do not exclude each other.
    Losses that were told the dimension of the classes, losses without shape types and what reads layers suit all tasks.
    """
    kind = answers_of(task)
    for name, term in objective.terms.items():
        told = class_dim_of(term.loss) is not None
        for hint, address in hinted(term):
            read = Logits if hint == MemberLogits else hint
            if read in KINDS and read != kind and address.endswith(f".{OUTPUT}") and not told and kind in KINDS:
                raise ValueError(
                    f"Term {name!r} compares {KINDS[read]}, and the answers of the task {task.name} are {KINDS[kind]}; "
                    f"kd compares the answers of any task, and at, hint, sp and others of layers read none."
                )


def answers_of(task: Task) -> Any:
    """The shape type of what ``task`` answers with: that of the first argument of its soft loss, if it has one."""
    loss = task.soft(1.0)
    first = next(iter(signature(loss).parameters))
    return get_type_hints(innermost(loss), include_extras=True).get(first)
