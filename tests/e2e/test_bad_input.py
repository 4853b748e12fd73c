"""Bad input of every kind, through the commands: one sentence, an exit code, nothing written, advice that helps.

A row of the table makes data that are wrong, says what is said about them, and follows what it advises.
"""

import errno
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from own_pictures import class_folders, picture
from picture_folders import CLASSES, WORDS, away, write_all
from tutelage.cli.command import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("place")]

TIMED = {"environment.json", "log.jsonl", "results.json", "stages.json", "model_card.md", "SHA256SUMS", "lock",
         "report.html", "report.json", "report.csv", "report.md"}  # fmt: skip
"""Files that a clock has a say in."""
TEACHER = ("my_nets.net(width=16)", "--weights", "teacher.safetensors")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures, a module of networks and a teacher's weights: made once."""
    place = tmp_path_factory.mktemp("made")
    write_all(place, 20)
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A current directory of one's own, with copies of these."""
    shutil.copytree(made, tmp_path / "here")
    with away(monkeypatch, tmp_path / "here") as here:
        yield here


def table(rows, name="data.csv", head="file,label"):
    for n in range(12):
        picture(n).save(f"{n}.png")
    Path(name).write_text("\n".join([head, *rows]))
    return name


def rows(of=lambda n: "ab"[n % 2], **other):
    """``n.png,label`` for twelve pictures; ``other`` puts something in the place of a row."""
    return [other.get(f"_{n}", f"{n}.png,{of(n)}") for n in range(12)]


def masks(width):
    for n in range(12):
        for home in ("images", "masks"):
            (Path("set") / home).mkdir(parents=True, exist_ok=True)
        picture(n).save(f"set/images/{n}.png")
        mask(n, width if n == 3 else 12).save(f"set/masks/{n}.png")
    return "set"


def mask(seed, width):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 2, (10, width), dtype=np.uint8))


def emptied():
    for folder in Path("photos").iterdir():
        shutil.rmtree(folder)
    return "photos"


def with_folder(name):
    (Path("photos") / name).mkdir()
    return "photos"


def one_class():
    for name in CLASSES[1:]:
        shutil.rmtree(f"photos/{name}")
    return "photos"


def without_sound_pictures():
    for file in Path("photos/red").iterdir():
        file.write_bytes(b"no picture")
    return "photos"


def fractions(n):
    return f"{n / 10}"


def arrays(**more):
    np.savez("data.npz", **more)
    return "data.npz"


REFUSED = {
    "an empty class folder": (
        lambda: with_folder("white"), 3, "photos/white holds no picture", lambda: Path("photos/white").rmdir(),
    ),
    "a folder without classes": (emptied, 3, "photos has no folders", lambda: class_folders(Path("photos"))),
    "one class": (one_class, 3, "only the class 'blue'", lambda: class_folders(Path("photos"), ("ant",))),
    "classes by capital letters": (
        lambda: str(class_folders(Path("photos"), ("Red",))), 3, "Red and red; rename one",
        lambda: Path("photos/Red").rename("photos/crimson"),
    ),
    "a class without a sound picture": (
        without_sound_pictures, 3, "no (training picture of|sound training picture of) '?red",
        lambda: shutil.rmtree("photos/red"),
    ),
    "a word among numbers": (
        lambda: table(rows(fractions, _3="3.png,abc")), 3,
        "'abc' in row 4 of 'label', where 11 of 12 are numbers; mend it", lambda: table(rows(fractions)),
    ),
    "a path that leads outside": (
        lambda: table(rows(_3="../3.png,b")), 3, r"names '\.\./3\.png' in row 4, which leads outside its folder",
        lambda: table(rows()),
    ),
    "a path from the root": (
        lambda: table(rows(_3="/etc/3.png,b")), 3, r"names '/etc/3\.png' in row 4, which leads outside its folder",
        lambda: table(rows()),
    ),
    "a name twice, with two labels": (
        lambda: table(rows(_3="2.png,b")), 3, r"names 2\.png twice with different labels; give it one",
        lambda: table(rows(_3="2.png,a")),
    ),
    "masks of another size": (
        lambda: masks(13), 3, "it has 13 x 10 pixels, and its picture 12 x 10",
        lambda: mask(3, 12).save("set/masks/3.png"),
    ),
    "nothing there": (
        lambda: "nowhere", 3, "There is no nowhere", lambda: shutil.copytree("photos", "nowhere"),
    ),
    "a table without rows": (lambda: table([]), 3, "has no rows", lambda: table(rows())),
    "a column twice": (
        lambda: table(["0.png,a,b"], head="file,x,x"), 3, "names the column 'x' twice", lambda: table(rows()),
    ),
    "zero bytes in a table": (lambda: table(["0.png,a\0"]), 3, "holds zero bytes", lambda: table(rows())),
    "a quote that is not closed": (lambda: table(['0.png,"a']), 3, "with quotes closed", lambda: table(rows())),
    "objects in arrays": (
        lambda: arrays(x=np.array([{}], dtype=object), y=np.zeros(1)), 3, "objects of Python, which may be code",
        lambda: arrays(x=np.zeros((20, 4)), y=np.arange(20) % 2),
    ),
    "arrays that are no numbers": (
        lambda: arrays(x=np.full((20, 4), np.nan), y=np.arange(20) % 2), 3, "not finite in its train part; take",
        lambda: arrays(x=np.zeros((20, 4)), y=np.arange(20) % 2),
    ),
    "a pickle": (
        lambda: torch.save({}, "data.pt") or "data.pt", 3, r"may be a pickle, .* was not opened; save arrays as",
        None,
    ),
}  # fmt: skip


def tree():
    return sorted((str(x), x.stat().st_mtime_ns) for x in Path().rglob("*") if x.suffix != ".pyc" and x.is_file())


def said_by(words, capsys, code):
    """The one line that a command ends with."""
    capsys.readouterr()
    before = tree()
    found = main(words)
    said = capsys.readouterr()
    assert found == code, (words, said)
    assert "Traceback" not in said.err + said.out and tree() == before, (words, said)
    return said


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_one_sentence_of_every_command_nothing_is_written_and_the_advice_helps(case, capsys):
    make, code, sentence, follow = REFUSED[case]
    where = str(make())
    for words in (
        ["measure", "--model", *TEACHER, "--data", where, "--device", "cpu"],
        ["distill", "--teacher", *TEACHER, "--data", where, "--student", "my_nets.net", "--quiet"],
    ):
        said = said_by(words, capsys, code)
        assert re.search(sentence, said.err) and said.err.count("\n") == 1 and not said.out, said
        assert said.err.startswith("tutelage: ") and said.err.rstrip()[-1] in ".?", said
    said = said_by(["check", where], capsys, code)
    assert re.search(sentence, said.err + said.out), said
    if follow is not None:
        follow()
        assert main(["check", where]) == 0, capsys.readouterr()


class TestPassedOver:
    """What a person should know, and what is done about it."""

    def test_pictures_that_cannot_be_read_are_named_with_their_number_or_refused_strictly(self, capsys):
        Path("photos/red/000.png").write_bytes(b"no picture")
        Path("photos/blue/001.png").write_bytes(Path("photos/blue/001.png").read_bytes()[:80])
        assert "in the train part 2 pictures are broken: blue/001.png is" in said_by(["check", "photos"], capsys, 0).out
        assert "broken" in said_by(["check", "photos", "--strict"], capsys, 3).out
        words = ["measure", "--model", *TEACHER, "--data", "photos", "--device", "cpu", "--test", "0.2"]
        assert "left out: photos/" in said_by(words, capsys, 0).out
        said = said_by([*words, "--strict"], capsys, 3)
        assert "is not a sound image" in said.err and "or leave out --strict" in said.err
        assert "is not a sound image" in said_by(["distill", *WORDS, "--strict"], capsys, 3).err

    def test_the_same_picture_in_train_and_test_is_counted_and_named(self, capsys):
        for part in ("train", "test"):
            shutil.copytree("photos", f"set/{part}")
        for name in CLASSES:
            for file in sorted(Path("set/test", name).iterdir())[1:]:
                file.unlink()
        said = said_by(["check", "set"], capsys, 0).out
        assert "the same picture is in the train and the test part, 3 times: test/blue/000.png = train/blue/000" in said
        said = said_by(["measure", "--model", *TEACHER, "--data", "set", "--device", "cpu"], capsys, 0).out
        assert "3 pictures of the test part are in the train part as well" in said

    def test_a_class_of_one_picture_is_said(self, capsys):
        for file in sorted(Path("photos/red").iterdir())[1:]:
            file.unlink()
        assert "one training sample" in said_by(["check", "photos"], capsys, 0).out
        said = said_by(["measure", "--model", *TEACHER, "--data", "photos", "--device", "cpu"], capsys, 0).out
        assert "one training sample alone is of red" in said

    def test_a_cell_that_is_empty_leaves_numbers_numbers(self, capsys):
        said = said_by(["check", table(rows(fractions, _3="3.png,"))], capsys, 0).out
        assert "regression" in said and "in data.csv 1 row was left out, without a label" in said
        assert "--strict" in said_by(["check", "data.csv", "--strict"], capsys, 3).err

    def test_a_name_of_two_lines_stands_on_one(self, capsys):
        table(rows(_3='"3\nerror: x.png",b'))
        assert not [x for x in said_by(["check", "data.csv"], capsys, 0).out.splitlines() if x.startswith("error")]


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--minutes", "0"], 2, "--minutes must be more than 0"),
        (["--minutes", "nan"], 2, "--minutes"),
        (["--minutes", "0.0005"], 2, r"One epoch takes .*; give --minutes"),
        (["--teacher", "timm:resnet18", "--weights", "x.pt"], 3, "pip install timm"),
        (["--teacher", "hf:somebody/net"], 3, "pip install transformers"),
        (["--runs", "photos/red/000.png"], 3, "photos/red/000.png"),
    ],
)
def test_what_a_distillation_cannot_do_is_one_sentence(more, code, sentence, capsys):
    assert main(["distill", *WORDS, *more]) == code
    said = capsys.readouterr()
    assert re.search(sentence, said.err) and "Traceback" not in said.err, said
    assert not list(Path("runs").glob("own-distill/*"))


STUBBORN = """

class Stubborn(nn.Module):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.inner = net(4, num_classes)

    def forward(self, x):
        y = self.inner(x)
        if y.sum() > 1e9:
            return y + 1
        return y


def stubborn(num_classes: int = 3) -> nn.Module:
    return Stubborn(num_classes)
"""


def distil(*more):
    return main(["distill", *WORDS, "--epochs", "1", "--minutes", "0.5", "--no-baseline", "--quiet", *more])


def run_folder():
    (made,) = Path("runs").glob("own-distill/*/arguments.json")
    return made.parent


class TestFilesThatComeOut:
    def test_a_network_that_cannot_be_exported_is_kept_and_the_line_is_named(self, capsys):
        with Path("my_nets.py").open("a") as file:
            file.write(STUBBORN)
        assert distil("--student", "my_nets.stubborn") == 0
        card = (run_folder() / "model_card.md").read_text()
        assert "student.onnx was not written" in card and "line" in card and "torch.where for an if" in card
        assert (run_folder() / "student.safetensors").is_file() and not (run_folder() / "student.onnx").exists()
        said = said_by(["export", str(run_folder()), "--to", "x.onnx", "--allow", "my_nets"], capsys, 2).err
        assert "cannot be exported" in said and "torch.where for an if" in said and said.count("\n") == 1
        assert main(["export", str(run_folder()), "--to", "x.safetensors", "--allow", "my_nets"]) == 0

    def test_a_disk_that_is_full_is_said_and_the_same_line_finishes_once_there_is_room(self, monkeypatch, capsys):
        write, full = Path.write_bytes, [True]

        def write_bytes(path, content):
            if full and path.suffix == ".onnx":
                write(path, content[:100])
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return write(path, content)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        assert distil() == 3
        said = capsys.readouterr().err
        assert "The disk is full" in said and "student.onnx was not written" in said and "Traceback" not in said
        left = {x.name for x in run_folder().iterdir()}
        assert not left & {"student.onnx", "results.json"} and not [x for x in left if x.startswith(".tutelage")]
        full.clear()
        stages = {x: x.stat().st_mtime_ns for x in Path("runs/stages").glob("*/last.safetensors")}
        assert distil() == 0
        assert {x: x.stat().st_mtime_ns for x in Path("runs/stages").glob("*/last.safetensors")} == stages
        full.append(True)
        said = said_by(["export", str(run_folder()), "--to", "x.onnx", "--allow", "my_nets"], capsys, 3).err
        assert "The disk is full: x.onnx was not written" in said

    def test_every_file_is_verified_and_made_again_by_the_same_line(self, capsys):
        assert distil() == 0
        folder = run_folder()
        whole = {x.name: x.read_bytes() for x in folder.iterdir() if x.is_file()}
        assert {"plan.json", "student.onnx", "predict.py", "model_card.md", "samples.safetensors"} < whole.keys()
        assert main(["verify", "runs"]) == 0 and "plans runs/plans" in capsys.readouterr().out
        for name in ("plan.json", "student.onnx", "predict.py", "model_card.md", "samples.safetensors"):
            (folder / name).write_bytes(whole[name][:-2] + bytes([whole[name][-2] ^ 4]) + whole[name][-1:])
            assert main(["verify", str(folder)]) == 3
            assert f"{name} is damaged, or was changed: start the run's command again" in capsys.readouterr().out
            (folder / name).unlink()
            assert main(["verify", str(folder)]) == 3 and f"{name} is missing" in capsys.readouterr().out
        assert distil() == 0 and main(["verify", "runs"]) == 0
        again = {name: (folder / name).read_bytes() for name in whole}
        assert {name for name in whole if again[name] != whole[name]} <= TIMED
