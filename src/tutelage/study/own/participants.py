"""Who takes part in a distillation: a trained teacher, how the student is built, the samples; and what was asked."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias, TypedDict

from torch import nn

from tutelage.compress.budget import budget, is_budget
from tutelage.data.lesson import Lesson
from tutelage.foreign.forms import fresh_network, only_answers
from tutelage.keys import Build, already_imported, described, restored
from tutelage.methods.pair import Method, student_for
from tutelage.methods.sums import members
from tutelage.own_data.read import may_hold_texts
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.stages.storage import Finished
from tutelage.study.bounds import Above, AtLeast, AtMost, Seed
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.sought import Sought, build_again, refuse_unsought, standing_in
from tutelage.study.own.teacher import own_teacher
from tutelage.study.own.teacher_builds import num_answers, num_channels, refuse_unknown, teacher_fitted
from tutelage.study.own.teacher_inputs import sees, shown_to, told_by, with_head
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.own.text_students import NAMES, SHARES, fresh_ones, fresh_text_network, text_student
from tutelage.study.own.text_teachers import as_cut, as_long_as
from tutelage.study.own.unlabelled import joined, where_labelled
from tutelage.study.own.views import own_views
from tutelage.study.sets import Sets
from tutelage.tasks.task import Task

Augment: TypeAlias = Literal["none", "light", "strong"]
VIEWS = 16
"""Of a sample that is augmented lightly: few enough that a teacher's answers to all of them are kept."""
MOST_KEPT = 64
"""Of views of a sample for which a teacher's answers are kept; strong augmentation shows it otherwise every time."""
Minutes: TypeAlias = Annotated[float, Above(0), AtMost(10_000)]


@dataclass(frozen=True)
class DistillationSettings:
    """What somebody wants of a distillation: the flags of ``own:distill`` that are about no network and no samples."""

    method: str = "auto"
    minutes: Minutes = 30.0
    epochs: Annotated[int, AtLeast(0), AtMost(10**6)] = 0
    augment: Augment = "light"
    baseline: bool = True
    dry_run: bool = False
    seed: Seed = 0


class DistillationOptions(TypedDict, total=False):
    """The same from Python, as keyword arguments, each as ``DistillationSettings`` has it if it is not given."""

    method: str
    minutes: float
    epochs: int
    augment: Augment
    baseline: bool
    seed: int


@dataclass(frozen=True)
class Participants:
    """A ``teacher`` that is trained, two builders, the samples; ``names`` are what people call the two networks.

    ``teacher_sees`` names that input of a batch which the teacher gets. Where the student is ``sought`` within the
    teacher, ``build_student`` makes what stands in for it until it is found; then it begins with the weights of
    ``start``.
    """

    data: Sets
    teacher: Finished
    build_teacher: Build
    build_student: Build
    names: tuple[str, str]
    teacher_sees: str = "input"
    sought: Sought | None = None
    start: nn.Module | None = None

    def lesson(self, batch_size: int, asked: DistillationSettings) -> Lesson:
        """What the student learns from: the labelled samples and those without labels, in views that come in turn."""
        return replace(self.alone(batch_size, asked), train=joined(self.data.train, self.data.unlabelled))

    def alone(self, batch_size: int, asked: DistillationSettings) -> Lesson:
        """The same without the samples that only a teacher can say something about."""
        data = self.data
        transform, views, _ = own_views(data, asked.augment, VIEWS if asked.augment == "light" else 0, asked.seed)
        return Lesson(
            data.train, data.validation, transform, views, batch_size, asked.seed, test_transform=data.test_transform
        )

    @property
    def teacher_data(self) -> Sets:
        """The samples as the teacher sees them."""
        return shown_to(self.teacher.last, self.data)

    @property
    def task(self) -> Task:
        """What is learnt; with samples that have no labels, from those that have."""
        return self.data.task if self.data.unlabelled is None else where_labelled(self.data.task)

    def student_of(self, method: Method) -> Build:
        """How the student is built that learns by ``method``."""
        return student_for(members(method), self.build_student, self.build_teacher, self.data.example.shape[-1])

    def start_of(self, build: Build) -> nn.Module | None:
        """The weights that what ``build`` makes begins with; a method's own student has others than they are for."""
        return self.start if build is self.build_student else None

    def teaching(self, method: Method, cache_views: int) -> Teaching:
        """How the teacher teaches by ``method``; its answers to ``MOST_KEPT`` views of a sample or fewer are kept."""
        kept = cache_views if cache_views <= MOST_KEPT else 0
        return Teaching(method, self.teacher.last, self.names, cache_views=kept, teacher_sees=self.teacher_sees)


def participants_of(
    run: Run, own: OwnTeacherSettings, where: str, student: str, settings: DataSettings
) -> Participants:
    """Everybody, as flags name them: the samples read, the teacher measured, the student known.

    ``student`` is a name, or a budget: ``90 MMACs``, ``quarter``. Raises ``ValueError`` and ``FileNotFoundError`` for
    what is not there or does not fit, each in one sentence.
    """
    refuse_unknown(own)
    if student.partition("(")[0] not in NAMES or not may_hold_texts(where):
        refuse_unknown_student(own, student)  # a misspelt one is found before anything is read
    settings = as_cut(settings, own.teacher, run.progress.note)
    data = own_sets(run.device, where, settings, run.progress.note, run.root)
    if data.tokenisation is not None:
        return of_texts(run, data, own, student)
    refuse_unknown_student(own, student)
    if not is_budget(student):
        student_builder(student, data)  # and one that does not suit them before the teacher is measured
    teacher = own_teacher(run, data, own)
    data = with_head(data, teacher.last)
    if is_budget(student):
        return with_sought(run, data, teacher, build_again(teacher), own.teacher, student)
    names = own.teacher, student
    build = student_builder(student, data)
    return Participants(data, teacher, teacher_fitted(data, own), build, names, sees(teacher.last))


def of_texts(run: Run, data: Sets, own: OwnTeacherSettings, student: str) -> Participants:
    """Everybody where the samples are texts. Raises as ``own_teacher`` and ``with_text_student``."""
    refuse_unknown_text_student(student, data)
    teacher = own_teacher(run, data, own)
    return with_text_student(run, data, teacher, teacher_fitted(data, own), own.teacher, student)


def refuse_unknown_text_student(student: str, data: Sets) -> None:
    """Raise ``ValueError`` for a student of texts that is none, whoever the teacher is."""
    known = (*SHARES, *fresh_ones(data))
    if student.partition("(")[0] in known:
        return
    if is_budget(student):
        raise ValueError(f"A student of texts is {', '.join(known)} or a dotted path of yours; got {student!r}.")
    refuse_unbuildable(fresh_text_network(student, data))


def with_text_student(
    run: Run, data: Sets, teacher: Finished, build_teacher: Build, called: str, student: str | Build
) -> Participants:
    """A trained ``teacher`` of texts, ``called`` so, and a student by its name, or what builds it.

    Raises as ``text_student``, and ``ValueError`` for a teacher that answers no vectors where these are learnt.
    """
    data = with_head(told_by(teacher.last, as_long_as(teacher.last, data), called), teacher.last)
    if not isinstance(student, str):
        names = called, type(student()).__name__
        return Participants(data, teacher, build_teacher, student, names, sees(teacher.last))
    build, start = text_student(run, student, data, teacher, called)
    data = data if start is None else as_long_as(start, data)
    names = called, f"{student} of {called}" if start is not None else student
    return Participants(data, teacher, build_teacher, build, names, sees(teacher.last), start=start)


def refuse_unknown_student(own: OwnTeacherSettings, student: str) -> None:
    """Raise ``ValueError`` for a student that is none whatever the pictures or numbers are."""
    if is_budget(student):
        budget(student)
        refuse_unsought(own.teacher, own.weights)
    else:
        student_builder(student)


def with_sought(
    run: Run, data: Sets, teacher: Finished, build_teacher: Build, called: str, budget_in_words: str
) -> Participants:
    """A trained ``teacher``, ``called`` so, and the student that is to be sought in it. Raises as ``standing_in``."""
    lesson = Lesson(data.train, test_transform=data.test_transform)
    build, sought = standing_in(run, called, teacher.last, build_teacher, lesson, budget(budget_in_words))
    names = called, f"{budget_in_words.strip()} of {called}"
    return Participants(data, teacher, build_teacher, build, names, sought=sought)


def student_builder(student: str, data: Sets | None = None) -> Build:
    """How the student called ``student`` is built.

    Without ``data`` for two classes, whatever comes: to know whether there is such a network at all.

    Raises ``ValueError`` for what nobody knows, and for one that could not be built again from the run's folder.
    """
    if only_answers(student):
        raise ValueError(f"{student} only answers, and cannot be trained; name a network, such as resnet8.")
    counts = {"num_classes": 2, "num_channels": 0}
    if data is not None:
        counts = {"num_classes": num_answers(data), "num_channels": num_channels(data)}
    builder: Build = fresh_network(student, **counts)
    refuse_unbuildable(builder)
    return builder


def refuse_unbuildable(builder: Build) -> None:
    """Raise ``ValueError`` for a student that could not be built again from the run's folder."""
    restored(described(builder), already_imported)
