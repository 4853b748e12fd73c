"""The same small pictures in every form that data have, and a trained teacher for every task: what distillations need.

``FORMS`` write the same samples in the same parts, so that whoever reads them finds the same in each.
"""

import csv
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from picture_folders import CLASSES, pictures
from tutelage.checkpoint import save_weights
from tutelage.data.views import views
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher import with_head
from tutelage.study.own.views import own_views

NETS = """
from collections import OrderedDict
from torch import nn


def body(width, channels):
    return OrderedDict(
        conv=nn.Conv2d(channels, width, 3, 2, 1), norm=nn.BatchNorm2d(width), relu=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, 2, 1), norm2=nn.BatchNorm2d(width), relu2=nn.ReLU(),
    )


def net(width: int = 4, num_classes: int = 3, num_channels: int = 3) -> nn.Module:
    return nn.Sequential(OrderedDict(
        **body(width, num_channels),
        pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(width, num_classes),
    ))


def one_logit(width: int = 4) -> nn.Module:
    return net(width, 1)


class Flat(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.body = net(width, 1)

    def forward(self, x):
        return self.body(x).squeeze(1)


def segmenter(width: int = 4, num_classes: int = 2, num_channels: int = 3) -> nn.Module:
    return nn.Sequential(OrderedDict(
        **body(width, num_channels), scores=nn.Conv2d(width, num_classes, 1),
        up=nn.Upsample(scale_factor=4, mode="bilinear"),
    ))


def dense(width: int = 4, num_classes: int = 3, num_inputs: int = 5) -> nn.Module:
    return nn.Sequential(nn.Linear(num_inputs, width), nn.ReLU(), nn.Linear(width, num_classes))
"""
EACH = 30
PARTS = ("train", "val", "test")
SHARES = {"train": range(20), "val": range(20, 25), "test": range(25, EACH)}
SEEN = ["--mean", "0.3", "0.3", "0.3", "--std", "0.2", "0.2", "0.2"]
"""As every form's pictures are normalised, so that one teacher does for all."""


def of_part(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Its pictures, uint8 (N, 3, 12, 12), one class after the other, and their classes."""
    some = pictures(EACH)[:, list(SHARES[part])]
    return some.flatten(0, 1), torch.arange(len(CLASSES)).repeat_interleave(some.shape[1])


def encoded(picture: torch.Tensor) -> bytes:
    file = BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "PNG")
    return file.getvalue()


def folders_in_parts(place: Path, root: str = "in_parts") -> str:
    for part in PARTS:
        for number, (picture, label) in enumerate(zip(*of_part(part), strict=True)):
            file = place / root / part / CLASSES[label] / f"{number:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(picture))
    return root


def one_tree(place: Path) -> str:
    for part in PARTS:
        for number, (picture, label) in enumerate(zip(*of_part(part), strict=True)):
            file = place / "tree" / CLASSES[label] / f"{part}{number:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(picture))
    return "tree"


def rows_of_files(place: Path) -> list[dict[str, str]]:
    folders_in_parts(place)
    return [
        {"file": f"in_parts/{part}/{CLASSES[label]}/{number:02}.png", "label": CLASSES[label], "split": part}
        for part in PARTS
        for number, label in enumerate(of_part(part)[1])
    ]


def text_table(ending: str, between: str) -> Callable[[Path], str]:
    def written(place: Path) -> str:
        rows = rows_of_files(place)
        with (place / f"table{ending}").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=between)
            writer.writeheader()
            writer.writerows(rows)
        return f"table{ending}"

    return written


def parquet_of_paths(place: Path) -> str:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows_of_files(place)), place / "paths.parquet")
    return "paths.parquet"


def arrow_table(part: str) -> pyarrow.Table:
    inputs, labels = of_part(part)
    features = {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pyarrow.table({"image": [{"bytes": encoded(x), "path": None} for x in inputs], "label": labels.tolist()})
    return table.replace_schema_metadata(about)


def parquet_of_bytes(place: Path) -> str:
    (place / "hub").mkdir()
    for part in PARTS:
        pyarrow.parquet.write_table(arrow_table(part), place / "hub" / f"{part}-00000-of-00001.parquet")
    return "hub"


def saved_by_datasets(place: Path) -> str:
    names = [{"val": "validation"}.get(part, part) for part in PARTS]
    for part, name in zip(PARTS, names, strict=True):
        table, home = arrow_table(part), place / "saved" / name
        home.mkdir(parents=True)
        with pyarrow.ipc.new_stream(str(home / "data-00000-of-00001.arrow"), table.schema) as file:
            file.write_table(table)
        (home / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (place / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": names}))
    return "saved"


def arrays() -> dict[str, torch.Tensor]:
    pairs = {part: of_part(part) for part in PARTS}
    inputs = {f"x_{part}": x.permute(0, 2, 3, 1).contiguous() for part, (x, _) in pairs.items()}
    return {**inputs, **{f"y_{part}": y for part, (_, y) in pairs.items()}}


def packed_arrays(place: Path) -> str:
    np.savez(place / "arrays.npz", **{name: x.numpy() for name, x in arrays().items()})
    return "arrays.npz"


def tensors(place: Path) -> str:
    save_file(arrays(), place / "arrays.safetensors")
    return "arrays.safetensors"


def functions(name: str) -> Callable[[Path], str]:
    """A module of the user's own that reads ``arrays.safetensors``."""

    def written(place: Path) -> str:
        tensors(place)
        (place / "my_data.py").write_text(
            f"""
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import DataLoader, TensorDataset
from tutelage.data.labelled import labelled

CLASSES = {CLASSES}


class Pictures:
    classes = CLASSES

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, n):
        return Image.fromarray(self.x[n].numpy()), int(self.y[n])


def parts(of):
    held = load_file("arrays.safetensors")
    return {{part: of(held[f"x_{{part}}"], held[f"y_{{part}}"]) for part in ("train", "val", "test")}}


def pictures():
    return parts(Pictures)


def tensors():
    return parts(lambda x, y: TensorDataset(x.permute(0, 3, 1, 2), y))


def loaders():
    return parts(lambda x, y: DataLoader(TensorDataset(x.permute(0, 3, 1, 2).float() / 255, y), 16))


def ours():
    return parts(lambda x, y: labelled("mine", x.permute(0, 3, 1, 2).contiguous(), y, CLASSES))
"""
        )
        return f"my_data:{name}"

    return written


FORMS: dict[str, Callable[[Path], str]] = {
    "class folders in parts": folders_in_parts,
    "class folders": one_tree,
    "CSV of paths": text_table(".csv", ","),
    "TSV of paths": text_table(".tsv", "\t"),
    "parquet of paths": parquet_of_paths,
    "parquet of pictures": parquet_of_bytes,
    "saved by datasets": saved_by_datasets,
    "npz": packed_arrays,
    "safetensors": tensors,
    "function: data set of pictures": functions("pictures"),
    "function: data set of tensors": functions("tensors"),
    "function: loaders": functions("loaders"),
    "function: Labelled": functions("ours"),
}


def write_teacher(place: Path, network: str, where: str, settings: DataSettings, steps: int = 60) -> None:
    """``my_nets.py`` in ``place``, and weights of ``network`` that were trained on the data at ``where``."""
    (place / "my_nets.py").write_text(NETS)
    torch.manual_seed(0)
    space: dict[str, object] = {}
    exec(NETS, space)
    model: nn.Module = eval(network, space)
    data = with_head(own_sets("cpu", where, settings), model)
    show, count, _ = own_views(data, "none")
    (batch,) = views(data.train, show, num_views=count, batch_size=len(data.train))(0, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        data.task.loss(model(batch["input"]), batch["target"]).backward()
        optimizer.step()
    save_weights(place / "teacher.safetensors", model)
