"""What CIFAR's recipes ask of the images and start from: the paper's networks, and those of the smaller presets."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from tyro.conf import arg

from tutelage.study.bounds import Number, Seed, Within
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images, and how many of them are kept for validation."""

    name: Literal["cifar100", "cifar10", "synthetic"] = "cifar100"
    """cifar100, cifar10, or synthetic ones for a run of seconds"""
    validation: Number = 5000
    """training images kept for validation; 0 trains on all of them, without a best epoch"""
    train: Number = 0
    """how many of the other training images are trained on, the same ones in every run; 0 takes them all"""
    cache_views: Annotated[int, Within(0, 162)] = 16
    """up to how many views of them the teacher's small answers are kept and shared by all runs"""


PAPER = "Tian, Krishnan & Isola 2020, arXiv:1910.10699"
TEACHER, STUDENT, IMAGES = TeacherSettings(name="resnet56"), NetworkSettings(name="resnet20"), Images()

BRIEF = TrainingSettings(batch_size=32, schedule="one-cycle")
SMOKE: dict[str, Any] = {
    "teacher": TeacherSettings(name="resnet8", training=replace(BRIEF, epochs=2, lr=0.1)),
    "student": NetworkSettings(name="resnet8", views=2, training=replace(BRIEF, epochs=1, lr=0.05)),
    "images": Images(name="synthetic", validation=50),
}
SMALL = TrainingSettings(batch_size=128, schedule="one-cycle", optimizer="nesterov")
CPU: dict[str, Any] = {
    "teacher": TeacherSettings(name="resnet20", training=replace(SMALL, epochs=15, lr=0.1)),
    "student": NetworkSettings(name="resnet8", views=3, training=replace(SMALL, epochs=3, lr=0.3)),
}
LARGE = TrainingSettings(batch_size=256, schedule="one-cycle", optimizer="nesterov")
LONG: dict[str, Any] = {
    "teacher": TeacherSettings(name="resnet20", training=replace(LARGE, epochs=60, batch_size=512, lr=0.4)),
    "student": NetworkSettings(name="resnet8", training=replace(LARGE, epochs=15, lr=0.4)),
}
"""Long enough to believe, with crops and flips drawn at random: an hour or two of a processor for each student.

The student that nobody teaches did no better at twice the rate of 0.4, where many with more losses diverged.
"""
SUBSET = Images(train=10_000)
ON_SUBSET = replace(SMALL, epochs=60, lr=0.1)
"""How small networks learn ``SUBSET``. Of wide_cnn(2), 40.2 % of validation is right after 40 epochs, 40.5 after 80."""


TRAINING = TrainingSettings()


@dataclass(frozen=True, kw_only=True)
class Members:
    """Networks of one kind that answer and teach together; they differ in their seeds alone."""

    name: str = "resnet20"
    """resnet20, wrn_16_2, …, or a dotted path with arguments"""
    count: Annotated[int, Within(1, 8)] = 8
    """how many of them are trained"""
    views: Annotated[int, Within(0, 162)] = 0
    """how many of the 162 crops and flips each sees, in turn; 0 draws any of them at random"""
    seed: Seed = 0
    """member k has the seed 100 · (this + 1) + k: of its weights, order and views"""
    training: Annotated[TrainingSettings, arg(name="")] = TRAINING
    """how each of them is trained"""

    def settings(self) -> list[TeacherSettings]:
        """Those of each member, the first one's first."""
        shared = {"name": self.name, "views": self.views, "training": self.training}
        return [TeacherSettings(**shared, seed=100 * (self.seed + 1) + k) for k in range(1, self.count + 1)]  # type: ignore[arg-type]


MEMBERS = Members()
SMOKE_OF_SEVERAL: dict[str, Any] = {
    "members": Members(name="resnet8", count=2, training=replace(BRIEF, epochs=1, lr=0.1)),
    "student": SMOKE["student"],
    "images": SMOKE["images"],
}
CPU_OF_SEVERAL: dict[str, Any] = {
    "members": Members(name="resnet8", count=3, views=3, training=CPU["student"].training),
    "student": CPU["student"],
}
SUBSET_OF_SEVERAL: dict[str, Any] = {
    "members": Members(name="resnet8", views=16, training=ON_SUBSET),
    "student": NetworkSettings(name="resnet8", views=16, training=ON_SUBSET),
    "images": SUBSET,
}
