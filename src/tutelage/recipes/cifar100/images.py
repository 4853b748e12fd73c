"""CIFAR's pictures for an experiment, and what a network makes of its settings there."""

from dataclasses import replace

from tutelage.data import cifar, synthetic
from tutelage.data.lesson import Lesson
from tutelage.data.views import CROP_FLIPS, crop_flip, draw, in_turn, normalised, plain, some_of, spread
from tutelage.recipes.cifar100.settings import Images
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.sets import Sets, parted
from tutelage.study.settings import NetworkSettings
from tutelage.study.training import plan_of

INPUT = "float32 (N, 3, 32, 32): (x / 255 - mean) / std, the mean and std of CIFAR-100's channels"
NORMALISED = normalised(plain, cifar.MEAN, cifar.STD)
CROPPED = normalised(crop_flip, cifar.MEAN, cifar.STD)


def pictures_of(run: Run, images: Images) -> Sets:
    """The pictures, with some of those for training set apart; synthetic ones for a run of seconds."""
    load = {"cifar100": cifar.cifar100, "cifar10": cifar.cifar10}
    train, test = synthetic.photographs() if images.name == "synthetic" else load[images.name](run.data)
    data = parted(run, train, test, images.validation, images.train)
    return replace(data, test_transform=NORMALISED, normalisation=(cifar.MEAN, cifar.STD))


def plan_for(data: Sets, network: NetworkSettings, seed: int) -> Plan:
    """How ``network`` learns: crops and flips, all of them at random or some in turn, and its own training."""
    if network.views:
        transform = normalised(some_of(crop_flip, spread(network.views, CROP_FLIPS)), cifar.MEAN, cifar.STD)
        choose = in_turn
    else:
        transform, choose = CROPPED, draw
    training, views = network.training, network.views or CROP_FLIPS
    lesson = Lesson(
        data.train, data.validation, transform, views, training.batch_size, seed, choose, data.test_transform
    )
    return plan_of(lesson, training, data.task)
