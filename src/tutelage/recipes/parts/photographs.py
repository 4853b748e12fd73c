"""The CIFAR experiment's pieces: its three sets, how long and how fast a network learns, and who teaches it."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch.optim import SGD, Optimizer

from tutelage.data import cifar, synthetic
from tutelage.data.lesson import Lesson
from tutelage.data.views import CROP_FLIPS, crop_flip, draw, in_turn, normalised, plain, some_of, spread
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.schedules import Schedule, one_cycle, stepwise
from tutelage.recipes.parts.sets import Sets
from tutelage.recipes.parts.sets import sets as parted
from tutelage.run import Run
from tutelage.schemes.classify import supervised
from tutelage.stages import Build, Finished

Images = Literal["cifar100", "cifar10", "synthetic"]
Rate = Literal["steps", "one-cycle"]
RATES: dict[Rate, Schedule] = {
    "steps": partial(stepwise, at=(150 / 240, 180 / 240, 210 / 240)),
    "one-cycle": one_cycle,
}
INPUT = "float32 (N, 3, 32, 32): (x / 255 - mean) / std, the mean and std of CIFAR-100's channels"
DECIDES = "the paper preset decides"
AS_SHOWN = normalised(plain, cifar.MEAN, cifar.STD)
CROPPED = normalised(crop_flip, cifar.MEAN, cifar.STD)


def sets(run: Run, images: Images, validation: int) -> Sets:
    """The photographs, with ``validation`` of the training images set apart; drawn ones for a run of seconds."""
    load = {"cifar100": cifar.cifar100, "cifar10": cifar.cifar10, "synthetic": synthetic.photographs}[images]
    train, test = load() if images == "synthetic" else load(run.data)  # type: ignore[operator]
    return parted(run, train, test, validation, AS_SHOWN)


@dataclass(frozen=True)
class Course:
    """How long a network learns, in which portions, and how fast: SGD with momentum 0.9, Nesterov's or not."""

    epochs: int
    batch_size: int
    lr: float
    rate: Rate
    decay: float = 5e-4
    nesterov: bool = False
    views: int = 0  # how many of the 162 crops and flips are shown, in turn; 0: any of them, at random
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.views <= CROP_FLIPS:
            raise ValueError(f"--views is how many of {CROP_FLIPS} are shown, or 0 for any of them; got {self.views}.")

    @property
    def optimizer(self) -> Factory:
        return partial(sgd, lr=self.lr, weight_decay=self.decay, nesterov=self.nesterov)

    @property
    def schedule(self) -> Schedule:
        return RATES[self.rate]

    def lesson(self, shown: Sets) -> Lesson:
        if not self.views:
            transform, choose = CROPPED, draw
        else:
            transform = normalised(some_of(crop_flip, spread(self.views, CROP_FLIPS)), cifar.MEAN, cifar.STD)
            choose = in_turn
        return Lesson(shown.train, shown.validation, transform, self.views or CROP_FLIPS, self.batch_size, self.seed,
                      choose, shown.test_transform)  # fmt: skip


def sgd(named: Named, *, lr: float, weight_decay: float, nesterov: bool) -> Optimizer:
    return SGD(named, lr=lr, momentum=0.9, weight_decay=weight_decay, nesterov=nesterov, fused=True)


def labels_only(run: Run, shown: Sets, network: Build, course: Course, name: str) -> Finished:
    """A network on true labels: the teacher before it teaches, and the student that nobody teaches."""
    fit = partial(
        supervised,
        lesson=course.lesson(shown),
        optimizer=course.optimizer,
        epochs=course.epochs,
        schedule=course.schedule,
    )
    return run.stage(name, network, fit, seed=course.seed)
