"""Data in every form go all the way: checked by the command, read into sets, a network trained on them."""

import json

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch import nn

from own_pictures import class_folders, picture
from tutelage.cli.command import main
from tutelage.data.views import plain, views
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.views import own_views
from unit.test_picture_forms import encoded

pytestmark = pytest.mark.slow

RED, BLUE = (200, 30, 30), (30, 30, 200)


def photographs(folder):
    """Of any mode and size, on their side or not, in any format."""
    forms = ("png", "jpg", "tif", "gif", "webp", "bmp", "jfif")
    for n in range(28):
        image = picture(n, 20 + n % 5, 18, (RED, BLUE)[n % 2])
        image = image.convert(("RGB", "RGBA", "P", "CMYK")[n // 2 % 4]) if forms[n % 7] in ("png", "tif") else image
        image = image.convert("RGB") if image.mode == "CMYK" and forms[n % 7] == "png" else image
        (folder / "rb"[n % 2]).mkdir(parents=True, exist_ok=True)
        image.save(folder / "rb"[n % 2] / f"{n}.{forms[n % 7]}", {"jfif": "JPEG"}.get(forms[n % 7]))
    return folder


def files_and(folder, text, name="data.csv"):
    for n in range(24):
        picture(n, colour=(RED, BLUE)[n % 2]).save(folder / f"{n}.png")
    (folder / name).write_text(text)
    return folder / name


def saved(folder):
    held = pyarrow.table({"image": [encoded(picture(n, colour=(RED, BLUE)[n % 2])) for n in range(24)],
                          "label": ["r", "b"] * 12})  # fmt: skip
    with pyarrow.ipc.new_stream(str(folder / "data.arrow"), held.schema) as file:
        file.write_table(held)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    return folder


def parquet(folder):
    images = [{"bytes": encoded(picture(n, colour=(RED, BLUE)[n % 2])), "path": f"{n}.png"} for n in range(24)]
    pyarrow.parquet.write_table(pyarrow.table({"img": images, "label": [0, 1] * 12}), folder / "d.parquet")
    return folder / "d.parquet"


def arrays(folder):
    x = np.stack([np.array(picture(n, colour=(RED, BLUE)[n % 2])) for n in range(24)])
    np.savez(folder / "d.npz", x_train=x, y_train=np.arange(24) % 2)
    return folder / "d.npz"


def function(folder):
    (folder / "my_sheep.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n\ndef make():\n"
        "    y = torch.arange(24) % 2\n"
        "    return TensorDataset(torch.rand(24, 3, 8, 8) * 0.2 + y[:, None, None, None] / 2, y)\n"
    )
    return "my_sheep:make"


def masks(folder):
    for n in range(24):
        for home in ("images", "masks"):
            (folder / home).mkdir(exist_ok=True)
        mask = np.random.default_rng(n).integers(0, 2, (10, 12), dtype=np.uint8)
        Image.fromarray((np.array([RED, BLUE], np.uint8))[mask]).save(folder / "images" / f"{n}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{n}.png")
    return folder


NUMBERS = "file,x\n" + "\n".join(f"{n}.png,{n % 2 + n / 1000}" for n in range(24))
LABELS = "file,red,blue\n" + "\n".join(f"{n}.png,{1 - n % 2},{n % 2}" for n in range(24))
FORMS = {
    "class folders": (lambda x: class_folders(x, each=12), "classification", 2),
    "photographs": (photographs, "classification", 2),
    "a table": (lambda x: files_and(x, "file,k\n" + "\n".join(f"{n}.png,{'rb'[n % 2]}" for n in range(24))),
                "classification", 2),
    "numbers": (lambda x: files_and(x, NUMBERS), "regression", 1),
    "several labels": (lambda x: files_and(x, LABELS), "multi-label", 2),
    "masks": (masks, "segmentation", 2),
    "parquet": (parquet, "classification", 2),
    "what datasets saved": (saved, "classification", 2),
    "arrays": (arrays, "classification", 2),
    "a function": (function, "classification", 2),
}  # fmt: skip


class Net(nn.Module):
    """One layer that looks at each pixel; but for masks, the mean over all of them."""

    def __init__(self, channels, answers, per_pixel):
        super().__init__()
        self.layer, self.per_pixel = nn.Conv2d(channels, answers, 1), per_pixel

    def forward(self, x):
        return self.layer(x) if self.per_pixel else self.layer(x).mean((2, 3))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_checked_read_and_learnt_from(tmp_path, form, capsys):
    make, task, answers = FORMS[form]
    where = make(tmp_path)
    assert main(["check", str(where)]) == 0 and task in capsys.readouterr().out
    settings = DataSettings(size=16 if form == "photographs" else 0, validation=0.25, test=0.25)
    data = own_sets("cpu", where, settings)
    show, count, _ = own_views(data, "light")
    model = Net(data.example.shape[1], answers, task == "segmentation")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for epoch in range(20):
        for batch in views(data.train, show, num_views=count, batch_size=12)(epoch, 0):
            loss = data.task.loss(model(batch["input"]), batch["target"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    answered = data.task.validation(model, data.test, data.test_transform)
    assert answered["count"] == len(data.test) and (data.test_transform is plain) == (data.preprocessing is None)
