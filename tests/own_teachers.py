"""One trained network in every form that people have one in, as the words of the command that name it.

The network is that of ``picture_folders``; the pictures lie in ``photos``, and it saw them normalised by ``moments``.
"""

import csv
import shutil
import zipfile
from collections import OrderedDict
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from picture_folders import CLASSES, NETS, pictures, write_all
from tutelage.data.pictures import needed
from tutelage.deployment.about import About
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.program import export_program
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.quiet import quiet
from tutelage.weights.foreign import load_foreign

FILLED = """
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import nn

from my_nets import net as plain


class Net(nn.Module):
    def __init__(self, num_classes: int = 3, width: int = 16) -> None:
        super().__init__()
        self.net = plain(width, num_classes)

    def forward(self, x):
        return self.net(x)


class Named(Net):
    def forward(self, x):
        return {"features": x.flatten(1), "logits": self.net(x)}


class WithLoss(Net):
    def forward(self, x):
        return torch.zeros(()), self.net(x)


@dataclass
class Output:
    logits: torch.Tensor
    hidden: torch.Tensor


class Classed(Net):
    def forward(self, x):
        return Output(self.net(x), x)


class Shares(Net):
    def forward(self, x):
        return self.net(x).softmax(1)


class Chances(Net):
    def forward(self, x):
        return self.net(x).sigmoid()


class One(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.net = plain(width, 1)

    def forward(self, x):
        return self.net(x)


class Chance(One):
    def forward(self, x):
        return self.net(x).sigmoid()


class Flat(One):
    def forward(self, x):
        return self.net(x).squeeze(-1)
"""


def make_all(place):
    """``photos`` and the modules of networks in ``place``, with the weights of the trained one."""
    write_all(place)
    (place / "filled.py").write_text(FILLED)


def network():
    space = {}
    exec(NETS, space)
    model = space["net"](width=16)
    load_foreign("teacher.safetensors", model)
    return model.eval()


def moments():
    x = pictures(30).flatten(0, 1).float() / 255
    return x.mean((0, 2, 3)), x.std((0, 2, 3))


def seen(levels):
    mean, std = moments()
    return (levels.float() / 255 - mean[:, None, None]) / std[:, None, None]


def logits():
    """The name of each picture, and what the network answers."""
    with torch.no_grad():
        answers = network()(seen(pictures(30).flatten(0, 1)))
    return [f"photos/{name}/{n:03}.png" for name in CLASSES for n in range(30)], answers


def state(prefix=""):
    return OrderedDict((prefix + name, x) for name, x in network().state_dict().items())


def saved(content, **how):
    torch.save(content, "net.pth", **how)
    return ["--teacher", "my_nets.net(width=16)", "--weights", "net.pth"]


def behind_net(name):
    """A network of ``filled``, whose trained part is called ``net``."""
    torch.save(state("net."), "net.pth")
    return ["--teacher", f"filled:{name}", "--weights", "net.pth"]


def compiled():
    return saved(torch.compile(network(), backend="eager").state_dict())


def tagged():
    """Tensors that say that they lie on a GPU."""
    torch.save(state(), "here.pth")
    with zipfile.ZipFile("here.pth") as old, zipfile.ZipFile("net.pth", "w") as new:
        for member in old.namelist():
            part = old.read(member)
            if member.endswith("data.pkl"):
                part = part.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(zipfile.ZipInfo(member), part)
    return ["--teacher", "my_nets.net(width=16)", "--weights", "net.pth"]


@cache
def exported_program(fixed):
    """The network as torch exports it; once, for this takes seconds and each test has the same network."""
    content = BytesIO()
    dynamic = None if fixed else ({0: torch.export.Dim("n", min=1, max=4096)},)
    torch.export.save(torch.export.export(network(), (torch.randn(4, 3, 12, 12),), dynamic_shapes=dynamic), content)
    return content.getvalue()


@cache
def exported_onnx(fixed):
    """Likewise as an ONNX file."""
    dynamic = None if fixed else ({0: torch.export.Dim("n", min=1, max=4096)},)
    with quiet():
        made = torch.onnx.export(network(), (torch.randn(4, 3, 12, 12),), dynamic_shapes=dynamic, dynamo=True)
    return made.model_proto.SerializeToString()


def program(fixed=False):
    Path("net.pt2").write_bytes(exported_program(fixed))
    return ["--teacher", "net.pt2"]


def onnx_file(fixed=False):
    Path("net.onnx").write_bytes(exported_onnx(fixed))
    return ["--teacher", "net.onnx"]


def table(ending, shares=False):
    names, answers = logits()
    answers = answers.softmax(1) if shares else answers
    columns = ("file", *CLASSES)
    rows = [dict(zip(columns, (name, *row), strict=True)) for name, row in zip(names, answers.tolist(), strict=True)]
    if ending == "csv":
        with Path("answers.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["file", *CLASSES])
            writer.writeheader()
            writer.writerows(rows)
    elif ending == "npz":
        np.savez("answers.npz", logits=answers.numpy(), names=np.array(names))
    else:
        arrow = needed("pyarrow")
        needed("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), "answers.parquet")
    return ["--teacher", f"answers.{ending}"]


def one_logit(name):
    """Two classes are left: the logit of the second less that of the first."""
    shutil.rmtree("photos/green")
    kept = state("net.")
    for part in ("weight", "bias"):
        blue, _, red = kept[f"net.head.{part}"]
        kept[f"net.head.{part}"] = (red - blue)[None]
    torch.save(kept, "net.pth")
    mean, std = ([str(float(x)) for x in numbers] for numbers in moments())
    return ["--teacher", f"filled:{name}", "--weights", "net.pth", "--mean", *mean, "--std", *std]


def exported(ending, takes):
    """A file of our own, as ``tutelage export`` writes it."""
    mean, std = (tuple(x.tolist()) for x in moments())
    about = About("classification", CLASSES, Preprocessing(3, (12, 12), 0, mean, std))
    write = export_onnx if ending == "onnx" else export_program
    write(network(), pictures(3).flatten(0, 1), Path(f"ours.{ending}"), about, takes=takes)
    return ["--teacher", f"ours.{ending}", "--mean", "0.6", "0.2", "0.4"]


FORMS = {
    "dotted with a colon": lambda: behind_net("Net(width=16)"),
    "dotted": lambda: [x.replace(":", ".") for x in behind_net("Net")],
    "safetensors": lambda: ["--teacher", "my_nets.net(width=16)", "--weights", "teacher.safetensors"],
    "state dict": lambda: saved(state()),
    "wrapped": lambda: saved({"state_dict": state(), "epoch": 3, "optimizer": {"state": {}}}),
    "prefixed": lambda: saved(state("module.")),
    "wrapped and prefixed": lambda: saved({"model": state("module.model."), "ema": state("module.model.")}),
    "half precision": lambda: saved({name: x.half() if x.is_floating_point() else x for name, x in state().items()}),
    "compiled": compiled,
    "legacy": lambda: saved(state(), _use_new_zipfile_serialization=False),
    "of a GPU": tagged,
    "program": program,
    "program of a fixed batch": lambda: program(fixed=True),
    "ONNX": onnx_file,
    "ONNX of a fixed batch": lambda: onnx_file(fixed=True),
    "our own ONNX": lambda: exported("onnx", "pixels"),
    "our own program": lambda: exported("pt2", "pixels"),
    "our own program of normalised pictures": lambda: exported("pt2", "normalised"),
    "parquet": lambda: table("parquet"),
    "csv": lambda: table("csv"),
    "npz": lambda: table("npz"),
    "csv of probabilities": lambda: table("csv", shares=True),
    "probabilities": lambda: behind_net("Shares"),
    "a probability a class": lambda: behind_net("Chances"),
    "a dictionary": lambda: behind_net("Named"),
    "a tuple with a loss": lambda: behind_net("WithLoss"),
    "a dataclass": lambda: behind_net("Classed"),
    "one logit": lambda: one_logit("One"),
    "one probability": lambda: one_logit("Chance"),
    "one logit without an axis": lambda: one_logit("Flat"),
}
