"""Writes CIFAR-100 as folders of PNG files, as a person comes with pictures. Needs pillow.

    python examples/cifar100_as_pictures.py pictures
    python examples/cifar100_as_pictures.py tenth --share 0.1 --teacher 15

makes ``<folder>/photos/<part>/<class>/<number>.png``: of the 50,000 training pictures 5,000 are the part ``val``, the
rest ``train``, the 10,000 test pictures ``test``. ``--share`` keeps that part of train and val, and the whole test.
With ``--teacher`` also ``<folder>/resnet20.safetensors``: a resnet20 that learns from all 45,000 for so many epochs, a
minute each on one core. CIFAR-100 is taken from ``TUTELAGE_DATA``, or fetched.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from tutelage.checkpoint import save_weights
from tutelage.data.cifar import MEAN, STD, cifar100
from tutelage.data.labelled import Labelled
from tutelage.data.lesson import Lesson
from tutelage.data.split import held_out, share
from tutelage.data.views import crop_flip, normalised, plain
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.measures.predict import predict
from tutelage.models.resnet import resnet20
from tutelage.objective import Objective
from tutelage.optimizers.schedules import one_cycle
from tutelage.optimizers.usual import nesterov
from tutelage.schemes.plan import Plan
from tutelage.tasks.classification import CLASSIFICATION

VIEWS = 16  # ways to crop and mirror a picture


def write_pictures(data: Labelled, folder: Path) -> None:
    """Each picture as a PNG file, in a folder for its class."""
    for name in data.classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for picture, target, number in zip(data.inputs, data.targets.tolist(), data.index.tolist(), strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / data.classes[target] / f"{number:05}.png")


def write_teacher(train_set: Labelled, validation: Labelled, file: Path, epochs: int) -> None:
    """The weights of a resnet20 that is trained here, and what it gets right on validation pictures."""
    torch.manual_seed(0)
    lesson = Lesson(train_set, None, normalised(crop_flip, MEAN, STD), VIEWS, 128)
    plan = Plan(lesson, partial(nesterov, lr=0.1, weight_decay=5e-4), epochs, one_cycle)
    model = resnet20(100)
    learner = Learner(model, Objective(label=CLASSIFICATION.labels()), plan.scheduled_optimizer)
    for epoch in train({"teacher": learner}, lesson.batches(), epochs):
        print(
            f"resnet20: epoch {epoch.number + 1} of {epochs}, loss {epoch.losses['teacher']['label']:.3f}", flush=True
        )
    save_weights(file, model)
    right = predict(model, validation, transform=normalised(plain, MEAN, STD)).argmax(1) == validation.targets
    print(f"{file}: resnet20, {right.float().mean().item():.1%} right of the validation pictures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--teacher", type=int, default=0, metavar="EPOCHS")
    words = parser.parse_args()
    train_set, test = cifar100()
    rest, validation = held_out(train_set, len(train_set) // 10)
    for part, data in (("train", rest), ("val", validation), ("test", test)):
        kept = data if part == "test" or words.share == 1 else share(data, words.share)
        write_pictures(kept, words.folder / "photos" / part)
        print(f"{words.folder / 'photos' / part}: {len(kept)} pictures", flush=True)
    if words.teacher:
        write_teacher(rest, validation, words.folder / "resnet20.safetensors", words.teacher)


if __name__ == "__main__":
    main()
