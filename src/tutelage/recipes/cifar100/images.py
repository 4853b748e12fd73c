"""CIFAR's pictures for an experiment, and what a network makes of its settings there."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from tutelage.data import cifar, synthetic
from tutelage.data.lab import COLOUR, LIGHTNESS, in_lab
from tutelage.data.lesson import Lesson
from tutelage.data.transforms import Show, Transform
from tutelage.data.views import CROP_FLIPS, crop_flip, draw, in_turn, normalised, plain, some_of, split, spread
from tutelage.methods.pair import Method
from tutelage.profiling import clocked
from tutelage.recipes.cifar100.settings import Images
from tutelage.recipes.generations import Kind
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.own.networks import PairOfNetworks
from tutelage.study.sets import Sets, parted
from tutelage.study.settings import NetworkSettings, TeacherSettings
from tutelage.study.training import plan_of
from tutelage.tasks.classification import ACCURACY

INPUT = "float32 (N, 3, 32, 32): (x / 255 - mean) / std, the mean and std of CIFAR-100's channels"
LAB_MEAN = (51.65, 1.484, 7.634)
"""The mean of L*, a* and b* over CIFAR-100's training images, measured."""
LAB_STD = (25.24, 13.07, 18.62)
"""The standard deviation of each, likewise."""
LUMINANCE = "luminance"
"""What batches call the lightness beside the colours."""
Look: TypeAlias = Callable[[Transform], Show]
"""How a network sees pictures that a transform has moved: in which channels, and normalised."""


def in_rgb(transform: Transform) -> Transform:
    """The three channels as they are kept."""
    return normalised(transform, cifar.MEAN, cifar.STD)


def in_lightness(transform: Transform) -> Show:
    """L* alone, a network's ``input``."""
    return split(normalised(in_lab(transform), LAB_MEAN, LAB_STD), input=LIGHTNESS)


def in_colours(transform: Transform) -> Show:
    """a* and b* alone, a network's ``input``."""
    return split(normalised(in_lab(transform), LAB_MEAN, LAB_STD), input=COLOUR)


def in_both(transform: Transform) -> Show:
    """a* and b*, a network's ``input``, and beside them L* of the same picture in the same view, for another one."""
    return split(normalised(in_lab(transform), LAB_MEAN, LAB_STD), **{"input": COLOUR, LUMINANCE: LIGHTNESS})


@clocked("data")
def pictures_of(run: Run, images: Images) -> Sets:
    """The pictures, with some of those for training set apart; synthetic ones for a run of seconds."""
    load = {"cifar100": cifar.cifar100, "cifar10": cifar.cifar10}
    train, test = synthetic.photographs() if images.name == "synthetic" else load[images.name](run.data)
    data = parted(run, train, test, images.validation, images.train)
    return replace(data, test_transform=in_rgb(plain), normalisation=(cifar.MEAN, cifar.STD))


def of_lightness(data: Sets) -> Sets:
    """``data`` for a network that sees lightness alone; means and deviations are those of L* over 100."""
    normalisation = (LAB_MEAN[0] / 100,), (LAB_STD[0] / 100,)
    return replace(data, test_transform=in_lightness(plain), normalisation=normalisation)


def plan_for(data: Sets, network: NetworkSettings, seed: int, look: Look = in_rgb) -> Plan:
    """How ``network`` learns: crops and flips, all of them at random or some in turn, and its own training."""
    if network.views:
        transform: Transform = some_of(crop_flip, spread(network.views, CROP_FLIPS))
        choose = in_turn
    else:
        transform, choose = crop_flip, draw
    training, views = network.training, network.views or CROP_FLIPS
    lesson = Lesson(
        data.train, data.validation, look(transform), views, training.batch_size, seed, choose, data.test_transform
    )
    return plan_of(lesson, training, data.task)


def kind_of(run: Run, network: NetworkSettings, images: Images, seed: int, methods: Mapping[str, Method]) -> Kind:
    """The network whose generations are trained. Refuses what ``PairOfNetworks`` does, if it teaches its own kind."""
    data = pictures_of(run, images)
    plan = plan_for(data, network, seed)
    pair = PairOfNetworks(TeacherSettings(**vars(network)), network, data)
    pair.refuse_strangers(run, plan, methods)
    return Kind(network.name, pair.build_student, plan, data, ACCURACY, INPUT, network.layers, images.cache_views)
