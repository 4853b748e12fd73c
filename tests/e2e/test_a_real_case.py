"""docs/a_real_case.md on a slice: its scripts and its commands, one after the other, as somebody would type them."""

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pages import ROOT, blocks
from picture_folders import away, write_pictures
from tutelage.cli.command import main
from tutelage.data.labelled import labelled
from tutelage.data.pictures import needed

pytestmark = pytest.mark.slow
CASE = ROOT / "examples" / "real_case"
PAGE = ROOT / "docs" / "a_real_case.md"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The directory of the case, with a few pictures instead of thousands, plans of two epochs, and a pilot of 3 s."""
    shutil.copytree(CASE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for seed, (part, count) in enumerate((("train", 40), ("val", 10), ("test", 10))):
        write_pictures(tmp_path / "fifth" / "photos" / part, count, seed)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("tutelage.study.planning.timed_plan.epochs_within", lambda _seconds, _paces: 2)
    monkeypatch.setattr("tutelage.study.planning.pilot.SHARE", 0.002)
    with away(monkeypatch, tmp_path):
        yield tmp_path
    torch.set_num_threads(1)


def pretrained(folder):
    """Weights for a thousand classes that tell pictures apart: of a network that has seen these, and names none."""
    from my_lab import EfficientNetLite0

    torch.manual_seed(0)
    model = EfficientNetLite0()
    seen, targets = runpy.run_path("fine_tune.py")["read"](Path("fifth/photos/train"))
    seen = nn.functional.interpolate((seen.float() - 127) / 128, (64, 64), mode="bilinear")
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for rows in torch.randperm(len(seen)).repeat(3).split(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(seen[rows]), targets[rows]).backward()
        optimizer.step()
    for module in model.modules():  # statistics of all pictures, not of the last ones
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        model(seen)
    torch.save(model.state_dict(), folder / "efficientnet-lite0-57934424.pth")


def typed(words, monkeypatch):
    """Do what somebody types: a script of the case, or a command of ours."""
    here = next(Path("fifth/photos/test").glob("*/*.png"))
    words = [str(here) if word.endswith(".png") else word for word in words]
    if words[0] == "python" and Path(words[1]).parent != Path(".."):
        monkeypatch.setattr(sys, "argv", words[1:])
        runpy.run_path(words[1], run_name="__main__")
    elif words[0] == "tutelage":
        assert main(words[1:]) == 0, words


def test_the_case_goes_from_pictures_to_files_as_the_page_says(place, monkeypatch, capsys):
    pretrained(place)
    lines = "".join(code for _, code in blocks(PAGE.read_text(encoding="utf-8"), "sh")).splitlines()
    for line in lines:
        typed(shlex.split(line, comments=True), monkeypatch)
    made = {file.name for file in Path("with_resnet20").iterdir()}
    assert {"student.safetensors", "student.onnx", "predict.py", "model_card.md", "report.html"} <= made
    assert Path("small.pt2").is_file()
    said = capsys.readouterr().out
    assert "3 classes" in said
    assert len(re.findall(r"^ *[\d.]+%  (?:blue|green|red)$", said, re.MULTILINE)) == 3  # what predict.py says


def test_pictures_are_written_as_they_are_in_a_folder_for_their_class(tmp_path):
    image = needed("PIL.Image")
    for name, channels in (("cifar100_as_pictures", 3), ("mnist_as_pictures", 1)):
        script = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
        draw = torch.Generator().manual_seed(0)
        inputs = torch.randint(256, (4, channels, 9, 9), generator=draw).to(torch.uint8)
        script["write_pictures"](labelled("x", inputs, torch.tensor([1, 0, 1, 1]), ("a", "b")), tmp_path / name)
        assert sorted(str(file.relative_to(tmp_path / name)) for file in (tmp_path / name).glob("*/*")) == [
            "a/00001.png", "b/00000.png", "b/00002.png", "b/00003.png",
        ]  # fmt: skip
        written = image.open(tmp_path / name / "b" / "00002.png")
        pixels = torch.frombuffer(bytearray(written.tobytes()), dtype=torch.uint8).view(9, 9, channels)
        assert torch.equal(pixels.permute(2, 0, 1), inputs[2])
