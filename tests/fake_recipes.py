"""Recipes as a user would write them: a module of one's own, torch imported only where something is trained."""
# ruff: noqa: ARG001 - flags of every kind: for most only the type matters

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Literal

from tutelage.recipes.cifar100.settings import Images
from tutelage.results import Claim, Metric, Score
from tutelage.results import Network as Measured
from tutelage.study.bounds import Number, Positive
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings

INTERRUPT: list[int] = []  # a signal that arrives once, in the middle of the second epoch


def toy(
    run,
    *,
    temperature: float = 4.0,
    epochs: int = 3,
    widths: tuple[int, ...] = (30, 300),
    betas: tuple[float, float] = (0.9, 0.99),
    kind: Literal["soft", "hard"] = "soft",
    jitter: bool = False,
    limit: int | None = None,
    teacher: Path = Path("teacher"),
    pause: float = 0.0,
    seed: int = 0,
) -> None:
    """Train one tiny network at a temperature.

    The body of the docstring, which the help shows.

    Args:
        temperature: softness of the targets, above 0
        epochs: how often the data is
            shown
        seed: of everything that is drawn
    """
    if temperature <= 0:
        raise ValueError(f"The temperature must be above 0, but is {temperature}.")
    from examples import linear

    trained = run.stage("student", linear, partial(_fit, epochs=epochs, pause=pause), seed=seed)
    errors = float(10 * temperature + seed)
    interval = errors - 2, errors + 2
    run.claim(Claim("errors", 74, errors, "test errors", "nobody, 2026", high=25, interval=interval))
    network = Measured("student", "student", "tiny", 100, {"errors": Score(errors, interval)}, "student", parameters=45)
    headline = f"At temperature {temperature} it makes {errors} errors."
    run.publish(headline=headline, metrics=[Metric("errors")], networks=[network])
    run.deliver(trained.last)


toy_quick = partial(toy, epochs=1, temperature=2.0)
toy_paper = partial(toy, epochs=120)


TEACHER, STUDENT, IMAGES = TeacherSettings(name="wide"), NetworkSettings(name="narrow", views=3), Images()


def pair(
    run,
    *,
    temperature: Positive = 4.0,
    strengths: tuple[Positive, ...] = (1.0,),
    teacher: TeacherSettings = TEACHER,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Number = 0,
) -> None:
    """Train one tiny network as its settings say.

    Args:
        temperature: softness of the targets
        strengths: of the losses
        seed: of everything that is drawn
    """
    from examples import linear

    trained = run.stage("student", linear, partial(_fit, epochs=student.training.epochs, pause=0.0), seed=seed)
    run.publish(headline=f"{student.name} had {student.training.epochs} epochs.")
    run.deliver(trained.last)


pair_smoke = partial(
    pair,
    student=NetworkSettings(name="tiny", training=TrainingSettings(epochs=2, lr=0.5)),
    images=Images(name="synthetic", validation=50),
)
pair_paper = partial(pair)


def failing(run, *, how: Literal["value", "bug", "nan", "disk", "interrupt", "terminate"] = "value") -> None:
    """Fail in one of many ways."""
    match how:
        case "value":
            raise ValueError("The weight must not be negative, but is -1.")
        case "bug":
            int("x")
        case "nan":
            raise FloatingPointError("Term 'soft' is nan in epoch 3, batch 7.")
        case "disk":
            raise OSError(28, "No space left on device", "log.jsonl")
        case "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)


def _fit(stage, model, *, epochs, pause):
    from examples import SGD, label, vectors
    from tutelage.learner import Learner
    from tutelage.objective import Objective

    def batches(epoch, first):
        for batch in vectors()[first:]:
            time.sleep(pause)
            if epoch == 1 and INTERRUPT:
                os.kill(os.getpid(), INTERRUPT.pop())
            yield batch

    learners = {"student": Learner(model, Objective(label=label()), SGD)}
    stage.train(learners, batches, epochs, model=model, validate=partial(_wrong, model))


def _wrong(model):
    from examples import vectors

    wrong = [(model(batch["input"]).argmax(-1) != batch["target"]).sum().item() for batch in vectors()]
    return {"errors": sum(wrong), "count": 32}


def _private(run, *, seed: int = 0) -> None:
    """Not a recipe."""


def helper(model, *, seed: int = 0) -> None:
    """Not a recipe either."""
