"""Networks as settings name them: built, refused where they do not fit, and a teacher that is trained or given."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial

from torch import nn

from tutelage.folders import departures
from tutelage.keys import Build, already_imported, described, restored
from tutelage.methods.check import check_methods, check_network
from tutelage.methods.pair import Method, student_for
from tutelage.methods.sums import members
from tutelage.models.named import named
from tutelage.models.trained import comes_trained
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, pair_of
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study.costs import stepping
from tutelage.study.diagnosis.measured_first import measured_first
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.memory import refuse_too_large
from tutelage.study.sets import Sets
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings
from tutelage.study.trials import Trial
from tutelage.teachers.adapted import adapted, renormalised
from tutelage.teachers.frozen import frozen


@dataclass(frozen=True)
class PairOfNetworks:
    """A teacher and a student as settings name them, for the classes and pictures of ``data``.

    A teacher that sees the samples otherwise has data of its own, ``shown_to_teacher``, and ``teacher_sees`` says what
    batches for the student call it.
    """

    teacher: TeacherSettings
    student: NetworkSettings
    data: Sets
    shown_to_teacher: Sets | None = None
    teacher_sees: str = "input"

    @property
    def teacher_data(self) -> Sets:
        return self.shown_to_teacher or self.data

    @property
    def build_teacher(self) -> Build:
        return teacher_builder(self.teacher, self.teacher_data)

    @property
    def build_student(self) -> Build:
        return named(self.student.name, len(self.data.train.classes), _channels(self.data))

    def student_of(self, method: Method) -> Build:
        """How the student is built that learns by ``method``."""
        return student_for(members(method), self.build_student, self.build_teacher, self.data.example.shape[-1])

    def teaching(self, method: Method, teacher: nn.Module, cache_views: int) -> Teaching:
        names = self.teacher.name, self.student.name
        layers = self.teacher.layers, self.student.layers
        return Teaching(method, teacher, names, 1.0, *layers, cache_views, teacher_sees=self.teacher_sees)

    def refuse_strangers(self, run: Run, plan: Plan, methods: Mapping[str, Method]) -> None:
        """Before hours are spent: raise ``ValueError`` for networks that cannot be built, do not fit the memory, take
        no such samples or have other classes, for a student that could not be loaded again, and for methods that need
        a layer which one of them lacks, or several samples where a batch has one.
        """
        for build in (self.build_student, *map(self.student_of, methods.values())):
            restored(described(build), already_imported)  # the run delivers one of them in the end
        cast = (
            (self.teacher, self.build_teacher, self.teacher_data),
            (self.student, self.build_student, self.data),
        )
        for network, build, data in cast:
            refuse_too_large(network.name, build, data, network.training.batch_size)
        device = self.data.train.inputs.device
        teacher, student = (build().to(device) for build in (self.build_teacher, self.build_student))
        refuse_stranger(self.teacher.name, teacher, self.teacher_data)
        refuse_stranger(self.student.name, student, self.data)
        refuse_unknown_layers(self.teacher, teacher, self.teacher_data)
        refuse_unknown_layers(self.student, student, self.data)
        for name, method in methods.items():
            own = self.student_of(method)().to(device)
            teaching = self.teaching(method, teacher, 0)
            check_methods(pair_of(own, teaching, plan), {name: method})
            if plan.lesson.batch_size == 1:
                refuse_single_samples(run, name, Trial(self.student_of(method), plan, teaching))


def refuse_single_samples(run: Run, name: str, trial: Trial) -> None:
    """Raise ``ValueError`` for a method that cannot learn from batches of one sample: a step of it is tried."""
    try:
        with suppress(FloatingPointError):  # of a teacher that is not trained yet
            stepping(run, trial)()
    except ValueError as lack:
        raise ValueError(f"The method {name} cannot learn from batches of one sample: {lack}") from lack


def refuse_stranger(name: str, model: nn.Module, data: Sets) -> None:
    """Raise ``ValueError`` for a network that does not answer samples as the task wants: with a number a class, say."""
    example = data.example
    check_network(model, example, len(data.train.classes), name, data.task, data.test.targets[: len(example)])


def refuse_unknown_layers(network: NetworkSettings, model: nn.Module, data: Sets) -> None:
    """Raise ``ValueError`` for layers that were named and that the network does not have, even if nobody reads them."""
    frozen(model)({"batch": {"input": data.example}}, frozenset(network.layers))


def teacher_builder(network: TeacherSettings, data: Sets) -> Build:
    """How the teacher is built, with the size and the normalisation of its own pictures in front."""
    build = named(network.name, len(data.train.classes), _channels(data))
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    if network.mean or network.std:
        scale, shift = renormalised(*data.normalisation, network.mean, network.std)
    if not (scale or network.size):
        return build
    return partial(adapted, build, scale=scale, shift=shift, size=network.size)


def _channels(data: Sets) -> int:
    """Of the pictures as a network sees them; 0 where they are none."""
    return data.example.shape[1] if data.example.ndim == 4 else 0


def teacher_of(run: Run, data: Sets, network: TeacherSettings, plan: Plan, name: str = "teacher") -> Finished:
    """The teacher, trained as ``plan`` says, or with the weights that were given: then it is measured first.

    Raises ``ValueError`` for given weights that do no better than one constant answer, with what would help as far as
    it was found, and for a builder whose network is trained already.
    """
    build = teacher_builder(network, data)
    if network.weights is None and comes_trained(build):
        raise ValueError(
            f"{network.name} comes with trained weights, which training again would ruin: name the network without "
            "them, and give their file with --teacher.weights."
        )
    if network.weights is None:
        return run.stage(name, build, partial(supervised, plan=plan), seed=network.seed)
    given = run.given(name, build, network.weights)
    if unused := _unused(run):
        run.progress.note(f"{name}: {', '.join(unused)} has no effect beside given weights: nothing is trained")
    pictures = Way(network.mean, network.std, network.size)
    called = f"{network.name} with the weights in {network.weights}"
    for sentence in measured_first(given.last, data, pictures, 0.0, called, "--teacher."):
        run.progress.note(f"{name}: {sentence}")
    return given


def _unused(run: Run) -> list[str]:
    """The flags of a teacher's training that were set otherwise than the preset does."""
    names = {field.name for field in fields(TrainingSettings)} | {"seed", "views"}
    flags = departures(run.arguments, run.defaults, ())
    return [x for x in flags if x.startswith("--teacher") and x.rpartition(".")[2].replace("-", "_") in names]
