"""Small networks and sets of every task, for tests that train."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from tutelage.data.labelled import Labelled, labelled
from tutelage.models.resnet import resnet8
from tutelage.tasks.binary import BINARY
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.multi_label import MULTI_LABEL
from tutelage.tasks.regression import BOUNDED, REGRESSION
from tutelage.tasks.segmentation import SEGMENTATION
from tutelage.tasks.task import Task

SIZE = 16


def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU())


class Segmenter(nn.Module):
    """Three stages, a score a class and place, and bilinear interpolation to the size of the picture."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stage1, self.stage2 = block(3, width, 1), block(width, 2 * width, 2)
        self.stage3 = block(2 * width, 4 * width, 2)
        self.scores = nn.Conv2d(4 * width, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.scores(self.stage3(self.stage2(self.stage1(x))))
        return nn.functional.interpolate(scores, size=x.shape[2:], mode="bilinear")


class UNet(nn.Module):
    """The same with a decoder, and an answer in a dictionary, as those of torchvision have it."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stage1, self.stage2 = block(3, width, 1), block(width, 2 * width, 2)
        self.stage3 = block(2 * width, 4 * width, 2)
        self.up = block(6 * width, width, 1)
        self.scores = nn.Conv2d(2 * width, 3, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        a = self.stage1(x)
        b = self.stage2(a)
        wide = partial(nn.functional.interpolate, scale_factor=2)
        c = self.up(torch.cat([wide(self.stage3(b)), b], 1))
        return {"out": self.scores(torch.cat([wide(c), a], 1))}


@dataclass(frozen=True)
class Case:
    task: Task
    teacher: Callable[[], nn.Module]
    student: Callable[[], nn.Module]
    targets: Callable[[torch.Tensor], torch.Tensor]
    classes: tuple[str, ...] = ()

    def data(self, count: int = 32, seed: int = 0) -> Labelled:
        generator = torch.Generator().manual_seed(seed)
        bright = torch.randint(0, 160, (count, 3, 1, 1), generator=generator)
        noise = torch.randint(0, 96, (count, 3, SIZE, SIZE), generator=generator)
        inputs = (bright + noise).byte()
        return labelled(f"drawn {seed}", inputs, self.targets(inputs), self.classes)


def means(inputs: torch.Tensor) -> torch.Tensor:
    """How bright each channel of each picture is, (N, 3) from 0 to 1."""
    return inputs.float().mean((2, 3)) / 255


def masks(inputs: torch.Tensor) -> torch.Tensor:
    found = inputs.argmax(1)
    found[:, 0] = 255
    return found


def net(outputs: int) -> nn.Module:
    return resnet8(width=4, num_classes=outputs)


CASES = {
    "classification": Case(
        CLASSIFICATION, partial(net, 3), partial(net, 3), lambda x: means(x).argmax(1), ("red", "green", "blue")
    ),
    "binary": Case(
        BINARY, partial(net, 1), partial(net, 1), lambda x: (means(x)[:, 0] > 0.5).long(), ("dark", "bright")
    ),
    "multi-label": Case(
        MULTI_LABEL, partial(net, 3), partial(net, 3), lambda x: (means(x) > 0.5).float(), ("red", "green", "blue")
    ),
    "regression": Case(REGRESSION, partial(net, 3), partial(net, 3), means, ("red", "green", "blue")),
    "one number": Case(REGRESSION, partial(net, 1), partial(net, 1), lambda x: means(x)[:, 0]),
    "bounded": Case(BOUNDED, partial(net, 1), partial(net, 1), lambda x: means(x)[:, 0]),
    "segmentation": Case(SEGMENTATION, UNet, Segmenter, masks, ("red", "green", "blue")),
}
