"""Who takes part in a distillation: a trained teacher, how the student is built, the samples; and what was asked."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias, TypedDict

from tutelage.data.lesson import Lesson
from tutelage.keys import Build, already_imported, described, restored
from tutelage.methods.pair import Method, student_for
from tutelage.methods.sums import members
from tutelage.models.named import named
from tutelage.models.scaled import SHARES, scaled
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.stages.storage import Finished
from tutelage.study.bounds import Above, AtLeast, AtMost, Seed
from tutelage.study.joints import OwnTeacher, augmented, own_sets, own_teacher
from tutelage.study.own_settings import DataSettings
from tutelage.study.sets import Sets
from tutelage.study.unlabelled import joined, where_labelled
from tutelage.tasks.task import Task

Augment: TypeAlias = Literal["none", "light", "strong"]
Minutes: TypeAlias = Annotated[float, Above(0), AtMost(10_000)]


@dataclass(frozen=True)
class Asked:
    """What somebody wants of a distillation: the flags of ``own:distill`` that are about no network and no samples."""

    method: str = "auto"
    minutes: Minutes = 30.0
    epochs: Annotated[int, AtLeast(0), AtMost(10**6)] = 0
    augment: Augment = "light"
    baseline: bool = True
    dry_run: bool = False
    seed: Seed = 0


class Wishes(TypedDict, total=False):
    """The same from Python, as keyword arguments, each as ``Asked`` has it if it is not given."""

    method: str
    minutes: float
    epochs: int
    augment: Augment
    baseline: bool
    seed: int


@dataclass(frozen=True)
class Cast:
    """A ``teacher`` that is trained, two builders, the samples; ``names`` are what people call the two networks.

    ``teacher_sees`` names that input of a batch which the teacher gets.
    """

    data: Sets
    teacher: Finished
    build_teacher: Build
    build_student: Build
    names: tuple[str, str]
    teacher_sees: str = "input"

    def lesson(self, batch_size: int, asked: Asked) -> Lesson:
        """What the student learns from: the labelled samples and those without labels, in views that come in turn."""
        return replace(self.alone(batch_size, asked), train=joined(self.data.train, self.data.unlabelled))

    def alone(self, batch_size: int, asked: Asked) -> Lesson:
        """The same without the samples that only a teacher can say something about."""
        data, (transform, views) = self.data, augmented(self.data, asked.augment)
        return Lesson(
            data.train, data.validation, transform, views, batch_size, asked.seed, test_transform=data.test_transform
        )

    @property
    def task(self) -> Task:
        """What is learnt; with samples that have no labels, from those that have."""
        return self.data.task if self.data.unlabelled is None else where_labelled(self.data.task)

    def student_of(self, method: Method) -> Build:
        """How the student is built that learns by ``method``."""
        return student_for(members(method), self.build_student, self.build_teacher, self.data.example.shape[-1])

    def teaching(self, method: Method, cache_views: int) -> Teaching:
        return Teaching(method, self.teacher.last, self.names, cache_views=cache_views, teacher_sees=self.teacher_sees)


def cast_of(run: Run, own: OwnTeacher, where: str, student: str, settings: DataSettings) -> Cast:
    """Everybody, as flags name them: the samples read, the teacher measured, the student known.

    ``student`` is a name, or ``half`` or ``quarter`` of a teacher that is one of ours. Raises ``ValueError`` and
    ``FileNotFoundError`` for what is not there or does not fit, each in one sentence.
    """
    data = own_sets(run, where, settings)
    builder = student_builder(student, own.name, data)
    teacher, build = own_teacher(run, data, own)
    title = f"{student} of {own.name}" if student in SHARES else student
    return Cast(data, teacher, build, builder, (own.name, title))


def student_builder(student: str, teacher: str, data: Sets) -> Build:
    """How the student called ``student`` is built: by its name, or as a part of the teacher of that name.

    Raises ``ValueError`` for what nobody knows, and for one that could not be built again from the run's folder.
    """
    classes, channels = len(data.train.classes), data.example.shape[1] if data.example.ndim == 4 else 0
    if student in SHARES:
        builder = scaled(named(teacher, classes, channels), SHARES[student], teacher)
    else:
        builder = named(student, classes, channels)
    restored(described(builder), already_imported)
    return builder
