"""A teacher, a student, and what a method has to know of them before it can say what is to be learned."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.data.batches import input_of
from tutelage.data.lesson import Lesson
from tutelage.keys import Build
from tutelage.models.outline import Outline, outline
from tutelage.objective import Clock, Objective, Term, Weight
from tutelage.taps import Activations
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.task import Task
from tutelage.teachers.frozen import frozen


@dataclass(frozen=True, eq=False)
class Pair:
    """``teacher`` is trained, ``student`` is not; ``named`` is what their builders are called, teacher first.

    ``student_maps`` and ``teacher_maps`` are the layers to learn from, shallow to deep; they are found where they are
    not given. Where one network has more of them, its deepest ones are paired. A method asks for the layers that it
    reads, and only these have to exist: ``ValueError`` says which network lacks them. The student sees a batch's
    ``input``, the teacher what ``teacher_sees`` names.
    """

    teacher: nn.Module
    student: nn.Module
    lesson: Lesson
    epochs: int
    named: tuple[str, str] = ("", "")
    teacher_maps: tuple[str, ...] = ()
    student_maps: tuple[str, ...] = ()
    task: Task = CLASSIFICATION
    teacher_sees: str = "input"

    def labels(self, weight: Weight = 1.0) -> Term:
        """The term of the true labels: the loss of the task."""
        return self.task.labels(weight)

    def truth(self, weight: Weight = 1.0) -> Term:
        """``labels``; where nobody knows any but the teacher, the same loss of what it answers."""
        if self.task.of_teacher:
            return Term(self.task.loss, "student.output", "teacher.output", weight=weight)
        return self.labels(weight)

    def soft(self, weight: Weight = 1.0, temperature: float = 4.0) -> Term:
        """The term of the teacher's answers: the soft loss of the task."""
        return self.task.taught(self.lesson.train, temperature, weight)

    @cached_property
    def examples(self) -> tuple[Tensor, Tensor]:
        """Two samples as the teacher and as the student see them."""
        batch = next(iter(self.lesson.batches()(0, 0)))
        teacher, student = (input_of(batch, name)[:2] for name in (self.teacher_sees, "input"))
        return teacher, student

    @property
    def example(self) -> Tensor:
        """Two samples as the student sees them."""
        return self.examples[1]

    @cached_property
    def outlines(self) -> tuple[Outline, Outline]:
        """Of the teacher and of the student, each with all that it has."""
        of_teacher, of_student = self.examples
        return (
            outline(self.teacher, of_teacher, self.teacher_maps),
            outline(self.student, of_student, self.student_maps),
        )

    @cached_property
    def layers(self) -> tuple[Outline, Outline]:
        """Of the teacher and of the student, with equally many maps."""
        teacher, student = self.outlines
        count = min(len(teacher.maps), len(student.maps))
        return teacher.deepest(count), student.deepest(count)

    @property
    def of_teacher(self) -> Outline:
        return self.layers[0]

    @property
    def of_student(self) -> Outline:
        return self.layers[1]

    def maps(self) -> tuple[list[str], list[str]]:
        """Addresses of all paired layers, the student's first: what a loss on lists of layers takes."""
        return [f"student.{x}" for x in self.of_student.maps], [f"teacher.{x}" for x in self.of_teacher.maps]

    def preactivations(self) -> tuple[list[str], list[str]]:
        """The same before their ReLU."""
        return [f"student.{x}" for x in self.of_student.preactivations], [
            f"teacher.{x}" for x in self.of_teacher.preactivations
        ]

    def blocks(self) -> tuple[list[str], list[str]]:
        """Addresses of the student's maps, and of all blocks of the teacher: what attention looks over."""
        return [f"student.{x}" for x in self.of_student.maps], [f"teacher.{x}" for x in self.outlines[0].blocks]

    def last_maps(self) -> tuple[str, str]:
        """Addresses of the last maps, the student's first."""
        return f"student.{self.outlines[1].last}", f"teacher.{self.outlines[0].last}"

    def embeddings(self) -> tuple[str, str]:
        """Addresses of what the last layers are fed, the student's first; where answers are vectors, of these."""
        if self.task.of_teacher:
            return "student.output", "teacher.output"
        return f"student.{self.outlines[1].embedding}", f"teacher.{self.outlines[0].embedding}"

    def head(self) -> nn.Linear:
        """The teacher's last layer."""
        head = self.teacher.get_submodule(self.outlines[0].head)
        assert isinstance(head, nn.Linear)
        return head

    def channels(self, preactivations: bool = False) -> tuple[list[int], list[int]]:
        """How many channels the paired layers have, the student's first."""
        student, teacher = (self._activations(who, preactivations) for who in ("student", "teacher"))
        return [x.shape[1] for x in student], [x.shape[1] for x in teacher]

    def widths(self) -> tuple[int, int]:
        """How many numbers the last layers are fed, the student's first."""
        student = self.student.get_submodule(self.outlines[1].head)
        assert isinstance(student, nn.Linear)
        return student.in_features, self.head().in_features

    def alike(self, *prefixes: str) -> bool:
        """Whether both builders' names begin with the same one of ``prefixes``."""
        return any(all(name.startswith(prefix) for name in self.named) for prefix in prefixes)

    def growing(self, epochs: int, of: int = 240) -> Callable[[Clock], float]:
        """A weight that grows in equal steps to 1 over ``epochs`` of ``of``, or the same share of another training."""
        share = epochs / of * self.epochs
        return lambda clock: min(1.0, (clock.epoch + 1) / share)

    def shows(self, who: str, names: Iterable[str]) -> Activations:
        """The layers ``names`` of the ``teacher`` or the ``student``, on two samples."""
        of_teacher, of_student = self.examples
        network, example = (self.student, of_student) if who == "student" else (self.teacher, of_teacher)
        return frozen(network)({"batch": {"input": example}}, frozenset(names))

    @torch.no_grad()
    def _activations(self, who: str, preactivations: bool) -> list[Tensor]:
        layers = self.of_student if who == "student" else self.of_teacher
        names = layers.preactivations if preactivations else layers.maps
        answers = self.shows(who, names)
        return [answers[name] for name in names]


Method: TypeAlias = Callable[[Pair], Objective]
Borrow: TypeAlias = Callable[[Build, Build, int], nn.Module]
"""``(student, teacher, size) -> the student that a method trains``, from two builders, for samples of ``size``."""
STUDENT = "student"


def with_student(make: Borrow) -> Callable[[Method], Method]:
    """Marks a method that needs a student of its own, which ``make`` builds from the two networks."""

    def mark(method: Method) -> Method:
        setattr(method, STUDENT, make)
        return method

    return mark


def student_for(methods: Sequence[Method], student: Build, teacher: Build, size: int) -> Build:
    """How the student is built that learns by all ``methods``: as it is, unless one of them needs its own."""
    own = [getattr(getattr(method, "func", method), STUDENT, None) for method in methods]
    make = next((one for one in own if one is not None), None)
    return student if make is None else partial(make, student, teacher, size)
