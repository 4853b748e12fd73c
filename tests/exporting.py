"""Small students as runs leave them, for tests of the files that come out."""

import torch
from torch import nn

from tutelage.delivery import ORIGIN, Origin
from tutelage.deployment.about import About
from tutelage.keys import described
from tutelage.models.named import named
from tutelage.own_data.preprocessing import Preprocessing

COLOUR = Preprocessing(3, (32, 32), 36, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
PETS = About("classification", ("cat", "dog", "é{}'\"bird"), COLOUR, "resnet8")


def pictures(count=9, size=(3, 32, 32)):
    return torch.randint(0, 256, (count, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def small(outputs=3, channels=3):
    """A network for pictures of any size, in eval mode."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(32, outputs),
    ).eval()  # fmt: skip


def of_a_stage(classes=3):
    """A student with the origin that a stage gives it."""
    build = named("resnet8", classes)
    torch.manual_seed(0)
    model = build().eval()
    setattr(model, ORIGIN, Origin(described(build)))
    return model
