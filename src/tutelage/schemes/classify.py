"""How a stage trains a classifier: on labels alone, from one teacher, from many."""

from collections.abc import Sequence
from functools import partial

from torch import nn
from torch.nn.functional import cross_entropy

from tutelage.data.labelled import Labelled
from tutelage.data.lesson import Lesson
from tutelage.data.views import Transform, plain
from tutelage.learner import Learner
from tutelage.losses.kd import Average, averaged_targets, soft_targets
from tutelage.measure.errors import errors
from tutelage.measure.predict import predict
from tutelage.objective import Loss, Objective, Term, labels
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import Schedule, cosine
from tutelage.schemes.distill import Learn, distill
from tutelage.schemes.ensemble import Teach, ensemble
from tutelage.stages import Metrics, Stage
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import Teacher, frozen


def supervised(
    stage: Stage, model: nn.Module, *, lesson: Lesson, optimizer: Factory, epochs: int, schedule: Schedule = cosine
) -> None:
    """Fit the labels of ``lesson``."""
    learner = Learner(model, Objective(label=labels(1.0)), scheduled(optimizer, schedule(epochs * lesson.steps)))
    learning(stage, model, lesson)({"student": learner}, lesson.batches(), epochs)


def distilled(
    stage: Stage,
    model: nn.Module,
    *,
    teacher: nn.Module,
    temperature: float,
    label: float,
    soft: float,
    lesson: Lesson,
    optimizer: Factory,
    epochs: int,
    schedule: Schedule = cosine,
) -> None:
    """Fit ``label · CE(labels) + soft · soft_targets(teacher, temperature)``; the teacher is asked once a view."""
    loss = partial(soft_targets, temperature=temperature)
    teach = _teach(stage, model, lesson, optimizer, epochs, schedule, loss, label, soft)
    teach(model, _remembered(teacher, lesson))


def taught_by_many(
    stage: Stage,
    model: nn.Module,
    *,
    teachers: Sequence[nn.Module],
    average: Average,
    temperature: float,
    label: float,
    soft: float,
    lesson: Lesson,
    optimizer: Factory,
    epochs: int,
    schedule: Schedule = cosine,
) -> None:
    """Fit ``label · CE(labels) + soft · averaged_targets(teachers, temperature, average)``."""
    loss = partial(averaged_targets, temperature=temperature, average=average)
    teach = _teach(stage, model, lesson, optimizer, epochs, schedule, loss, label, soft)
    ensemble([_remembered(teacher, lesson) for teacher in teachers], model, teach)


def _teach(
    stage: Stage,
    model: nn.Module,
    lesson: Lesson,
    optimizer: Factory,
    epochs: int,
    schedule: Schedule,
    loss: Loss,
    label: float,
    soft: float,
) -> Teach:
    return partial(
        distill,
        batches=lesson.batches(),
        objective=lambda: Objective(
            label=labels(label), soft=Term(loss, "student.output", "teacher.output", weight=soft)
        ),
        optimizer=scheduled(optimizer, schedule(epochs * lesson.steps)),
        epochs=epochs,
        learn=learning(stage, model, lesson),
    )


def _remembered(teacher: nn.Module, lesson: Lesson) -> Teacher:
    return cached(frozen(teacher), samples=int(lesson.train.index.max()) + 1, views=lesson.num_views)


def learning(stage: Stage, model: nn.Module, lesson: Lesson) -> Learn:
    """``stage.train`` with the validation that ``lesson`` provides for."""
    validate = None if lesson.validation is None else partial(figures, model, lesson.validation, lesson.test_transform)
    return partial(stage.train, model=model, validate=validate)


def figures(model: nn.Module, data: Labelled, transform: Transform = plain) -> Metrics:
    """``errors`` among ``count`` samples, and the mean cross entropy, in nats; on ``transform``ed samples."""
    logits = predict(model, data, transform=transform)
    return {
        "errors": errors(logits, data.targets),
        "count": len(data),
        "loss": cross_entropy(logits, data.targets).item(),
    }
