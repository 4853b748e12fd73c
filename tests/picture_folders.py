"""A set of small pictures in folders, a network that is trained on them, and the words that distil it."""

import sys
from contextlib import contextmanager

import torch
from torch import nn

from tutelage.checkpoint import save_weights
from tutelage.data.pictures import needed

NETS = """
from collections import OrderedDict
from torch import nn


def net(width: int = 4, num_classes: int = 3) -> nn.Module:
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(3, width, 3, 2, 1), norm=nn.BatchNorm2d(width), relu=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, 2, 1), norm2=nn.BatchNorm2d(width), relu2=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(width, num_classes),
    ))
"""
CLASSES = ("blue", "green", "red")


def pictures(count, seed=0):
    """``count`` pictures (count, 3, 12, 12) of each class: its channel is a little brighter, in a quarter of it."""
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 120, (3, count, 3, 12, 12), generator=draw)
    for place in range(3):
        noise[place, :, 2 - place, 3:9, 3:9] += 60
    return noise.to(torch.uint8)


def write_pictures(folder, count=30, seed=0):
    """One folder a class below ``folder``."""
    image = needed("PIL.Image")
    for name, some in zip(CLASSES, pictures(count, seed), strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(some):
            image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / name / f"{number:03}.png")


def write_all(place, count=30):
    """``photos``, ``my_nets.py`` and ``teacher.safetensors`` in ``place``."""
    write_pictures(place / "photos", count)
    (place / "my_nets.py").write_text(NETS)
    torch.manual_seed(0)
    space = {}
    exec(NETS, space)
    model = space["net"](width=16)
    inputs = pictures(count).flatten(0, 1).float() / 255
    mean, std = inputs.mean((0, 2, 3), keepdim=True), inputs.std((0, 2, 3), keepdim=True)
    targets = torch.arange(3).repeat_interleave(count)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model((inputs - mean) / std), targets).backward()
        optimizer.step()
    save_weights(place / "teacher.safetensors", model)


WORDS = [
    *["--teacher", "my_nets.net(width=16)", "--weights", "teacher.safetensors", "--data", "photos"],
    *["--student", "my_nets.net", "--quiet"],
]


def briefly(monkeypatch):
    """A distillation that plans for seconds: nothing is counted for files and clocks, which only real runs take."""
    monkeypatch.setattr("tutelage.study.planning.timed_plan.FILES", 0.5)
    monkeypatch.setattr("tutelage.study.planning.timed_plan.CLOCKED", 0)


@contextmanager
def away(monkeypatch, folder):
    """In ``folder`` as the current directory; for short distillations."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    monkeypatch.delenv("TUTELAGE_RUNS", raising=False)
    briefly(monkeypatch)
    yield folder
