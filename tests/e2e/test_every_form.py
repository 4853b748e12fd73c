"""Every form of data and every task, from what people have to a file that runs without this package.

Forms are many and a file costs seconds, so that the forms are distilled without one, and the tasks with it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from own_forms import FORMS, SEEN, folders_in_parts, write_teacher
from picture_folders import away
from tutelage.cli.command import main
from tutelage.study.own.settings import DataSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("place")]
SHORT = ["--minutes", "0.1", "--epochs", "1", "--method", "kd"]
SIZES = ((60, 40), (40, 60), (64, 48), (36, 36))
"""Width and height of photographs, none of them what a network sees."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    with away(monkeypatch, tmp_path):
        yield tmp_path


def distilled(where, network, *more):
    """The folder of a distillation of ``network(width=16)`` into one that is narrower, on the data at ``where``."""
    teacher = ["--teacher", f"my_nets.{network}(width=16)", "--weights", "teacher.safetensors"]
    line = ["distill", *teacher, "--data", where, "--student", f"my_nets.{network}", *SHORT, "--quiet", *more]
    assert main(line) == 0
    (made,) = Path("runs").glob("own-distill/*")
    return made


def without_file(*_):
    raise ValueError("no file is wanted here")


class TestForms:
    @pytest.fixture(scope="class")
    @staticmethod
    def teacher(tmp_path_factory):
        home = tmp_path_factory.mktemp("teacher")
        settings = DataSettings(mean=(0.3,) * 3, std=(0.2,) * 3)
        write_teacher(home, "net(width=16)", str(home / folders_in_parts(home)), settings)
        return home

    @pytest.mark.parametrize("form", FORMS)
    def test_the_same_pictures_in_any_form_are_distilled(self, form, place, teacher, monkeypatch):
        monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", without_file)
        for name in ("my_nets.py", "teacher.safetensors"):
            (place / name).write_bytes((teacher / name).read_bytes())
        where = FORMS[form](place)
        made = distilled(where, "net", "--no-baseline", *SEEN)
        results = json.loads((made / "results.json").read_text())
        trained, student = results["networks"]
        assert [trained["role"], student["role"]] == ["teacher", "student"]
        if form != "class folders":  # of which the parts are drawn here
            assert trained["count"] == 15 and trained["scores"]["errors"]["value"] <= 1
        counts = {name.rpartition(" ")[2]: name for name in results["data"]}
        assert {"samples"} == counts.keys() and len(results["data"]) == 3
        card = (made / "model_card.md").read_text()
        named = re.search(r"In this order: (.*?)\.", card)
        assert named is not None and named[1] in ("blue, green, red", "0, 1, 2")
        assert "no file is wanted here" in card and main(["verify", str(made)]) == 0


def photograph(seed, colour, low=30):
    width, height = SIZES[seed % len(SIZES)]
    noise = np.random.default_rng(seed).integers(-low, low + 1, (height, width, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def in_folders(grey=False, classes=("ant", "bee")):
    colours = ((170, 90, 90), (90, 90, 170), (90, 170, 90))
    for number, name in enumerate(classes):
        home = Path("photos", name)
        home.mkdir(parents=True)
        for n in range(24):
            made = photograph(100 * number + n, ((70 + 80 * number,) * 3) if grey else colours[number])
            (made.convert("L") if grey else made).save(home / f"{n}.png")
    return "photos"


def in_table(columns, rows):
    Path("photos").mkdir()
    lines = [f"file,{columns}"]
    for n, (colour, said) in enumerate(rows):
        photograph(n, colour).save(Path("photos", f"{n}.jpg"))
        lines.append(f"photos/{n}.jpg,{said}")
    Path("rows.csv").write_text("\n".join(lines))
    return "rows.csv"


def drawn(count=60):
    return np.random.default_rng(0).random((count, 3))


def labels():
    holds = [[int(x > 0.4) for x in row] for row in drawn()]
    return in_table("red,green,blue", [([80 + 90 * x for x in row], ",".join(map(str, row))) for row in holds])


def one_number():
    return in_table("age", [((60 + 120 * a, 100, 100), f"{3 * a:.3f}") for a, _, _ in drawn()])


def two_numbers():
    return in_table("width,height", [((60 + 120 * a, 100, 60 + 120 * b), f"{a:.3f},{b:.3f}") for a, b, _ in drawn()])


def masked():
    for name in ("images", "masks"):
        Path("pairs", name).mkdir(parents=True)
    for n in range(48):
        width, height = SIZES[n % len(SIZES)]
        mask = np.zeros((height, width), np.uint8)
        left = int(np.random.default_rng(n).integers(0, width // 2))
        mask[height // 4 : -height // 4, left : left + width // 2] = 1
        mask[0, :3] = 255
        pixels = np.asarray(photograph(n, (90, 90, 170), 20)) + (mask == 1)[..., None] * np.array([80, 0, -80])
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(Path("pairs", "images", f"{n}.jpg"))
        Image.fromarray(mask).save(Path("pairs", "masks", f"{n}.png"))
    return "pairs"


TASKS = {
    "classification": (in_folders, "net", 2, 3, r" *\d+\.\d%  (ant|bee)\n *\d+\.\d%  (ant|bee)\n"),
    "grey": (lambda: in_folders(grey=True), "net", 2, 1, r" *\d+\.\d%  [ab]..\n *\d+\.\d%  [ab]..\n"),
    "one logit": (in_folders, "one_logit", 1, 3, r" *\d+\.\d%  (ant|bee)\n *\d+\.\d%  (ant|bee)\n"),
    "multi-label": (labels, "net", 3, 3, r"( *\d+\.\d%  (yes|no ) +(red|green|blue)\n){3}"),
    "one number": (one_number, "Flat", 1, 3, r"age: -?\d[\d.e-]*\n"),
    "two numbers": (two_numbers, "net", 2, 3, r"width: -?\d[\d.e-]*\nheight: -?\d[\d.e-]*\n"),
    "segmentation": (masked, "segmenter", 2, 3, r"( *\d+\.\d%  [01]\n){1,2}photo\.predicted\.png: 16 x 16 .*\n"),
}
"""The data, the network, its answers and channels, and what ``predict.py`` says."""
METRICS = {"multi-label": "mean average precision", "segmentation": "mean intersection over union"}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_ends_in_a_file_that_answers_in_words(task, place, capsys):
    write, network, outputs, channels, answer = TASKS[task]
    where = write()
    columns = ("width", "height") if task == "two numbers" else ()
    built = f"{network}(16)" if network in ("one_logit", "Flat") else f"{network}(16, {outputs}, {channels})"
    write_teacher(place, built, where, DataSettings(size=16, label_columns=columns), 120)
    made = distilled(where, network, "--size", "16", *(["--label-columns", *columns] if columns else []))
    said = " ".join(capsys.readouterr().out.split())
    metric = METRICS.get(task, "mean squared error" if "number" in task else "accuracy")
    assert metric in said and "Without a teacher it has" in said and "Traceback" not in said
    assert main(["verify", str(made)]) == 0
    assert {"student.onnx", "predict.py", "model_card.md", "report.html"} <= {file.name for file in made.iterdir()}
    page = (made / "report.html").read_text()
    assert metric in page.lower() and "nan" not in page.lower().split() and "None" not in page.split()
    photograph(7, (160, 100, 100)).save("photo.jpg")
    told = subprocess.run([sys.executable, made / "predict.py", "photo.jpg"], capture_output=True, text=True)
    assert told.returncode == 0 and re.fullmatch(answer, told.stdout), told
    if task == "segmentation":
        with Image.open("photo.predicted.png") as mask:
            assert mask.size == (16, 16)


def test_numbers_that_are_no_pictures_are_distilled_too(place):
    draw, label = np.random.default_rng(0), np.arange(120) % 3
    inputs = draw.normal(size=(120, 5)).astype(np.float32)
    inputs[np.arange(120), label] += 3
    np.savez(place / "rows.npz", x=inputs, y=label)
    write_teacher(place, "dense(16)", "rows.npz", DataSettings(), 120)
    made = distilled("rows.npz", "dense")
    assert (made / "student.onnx").is_file() and not (made / "predict.py").exists()
    assert "float32 (N, 5)" in (made / "model_card.md").read_text()


@pytest.mark.parametrize("augment", ["strong", "light", "none"])
@pytest.mark.parametrize("task", ["classification", "segmentation", "two numbers"])
def test_pictures_without_labels_are_learnt_from_however_they_are_shown(task, augment, place, monkeypatch):
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", without_file)
    write, network, outputs, channels, _ = TASKS[task]
    where = write()
    columns = ("width", "height") if task == "two numbers" else ()
    write_teacher(
        place, f"{network}(16, {outputs}, {channels})", where, DataSettings(size=16, label_columns=columns), 120
    )
    Path("more").mkdir()
    for n in range(10):
        photograph(500 + n, (150, 100, 120)).save(Path("more", f"{n}.jpg"))
    more = ["--label-columns", *columns] if columns else []
    made = distilled(
        where, network, "--size", "16", "--unlabelled", "more", "--augment", augment, "--no-baseline", *more
    )
    plan = json.loads((made / "plan.json").read_text())["plan"]
    shown = {"none": "each as it is", "light": "16 views of each picture", "strong": "in another view every time"}
    assert shown[augment] in plan[0]
