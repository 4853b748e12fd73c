"""Writes MNIST as folders of PNG files, and a file of trained weights: what a person comes with. Needs pillow.

    python examples/mnist_as_pictures.py tour

makes ``tour/digits/<part>/<class>/<number>.png`` and ``tour/teacher.safetensors``, the weights of a lenet5 that is
trained here for a few epochs, in about a minute on two cores.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from tutelage.checkpoint import save_weights
from tutelage.data.labelled import Labelled
from tutelage.data.lesson import Lesson
from tutelage.data.mnist import mnist
from tutelage.data.split import held_out, sample
from tutelage.data.views import JITTERS, jitter, normalised, plain
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.measures.predict import predict
from tutelage.models.named import named
from tutelage.objective import Objective
from tutelage.optimizers.schedules import one_cycle
from tutelage.optimizers.usual import adam
from tutelage.schemes.plan import Plan
from tutelage.tasks.classification import CLASSIFICATION

TEACHER = "lenet5"
MEAN, STD = (0.1307,), (0.3081,)
EPOCHS = 3


def write_pictures(data: Labelled, folder: Path) -> None:
    """Each picture as a PNG file, in a folder for its class."""
    for name in data.classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for picture, target, number in zip(data.inputs, data.targets.tolist(), data.index.tolist(), strict=True):
        Image.fromarray(picture[0].numpy()).save(folder / data.classes[target] / f"{number:05}.png")


def write_teacher(train_set: Labelled, test: Labelled, file: Path) -> float:
    """The weights of a network that is trained here; returns the share of test pictures that it gets right."""
    torch.manual_seed(0)
    lesson = Lesson(train_set, None, normalised(jitter, MEAN, STD), JITTERS, 128)
    plan = Plan(lesson, partial(adam, lr=2e-3), EPOCHS, one_cycle)
    model = named(TEACHER, 10, 1)()
    learner = Learner(model, Objective(label=CLASSIFICATION.labels()), plan.scheduled_optimizer)
    for epoch in train({"teacher": learner}, lesson.batches(), EPOCHS):
        print(f"teacher: epoch {epoch.number + 1} of {EPOCHS}, loss {epoch.losses['teacher']['label']:.3f}")
    save_weights(file, model)
    answers = predict(model, test, transform=normalised(plain, MEAN, STD))
    return (answers.argmax(1) == test.targets).float().mean().item()


def main(folder: Path) -> None:
    train_set, test = mnist()
    rest, validation = held_out(sample(train_set, 8000), 2000)
    test = sample(test, 2000)
    for part, data in (("train", rest), ("val", validation), ("test", test)):
        write_pictures(data, folder / "digits" / part)
    print(f"{folder / 'digits'}: {len(rest)} pictures to train on, {len(validation)} to choose on, {len(test)} to test")
    right = write_teacher(rest, test, folder / "teacher.safetensors")
    print(f"{folder / 'teacher.safetensors'}: {TEACHER}, {right:.1%} right")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("tour"))
    main(parser.parse_args().folder)
