"""``tutelage check`` says what a run would stumble over, and changes nothing."""

import json

import numpy as np
import pytest
from PIL import Image

from own_pictures import class_folders, picture
from tutelage.cli.command import main
from tutelage.own_data.check import look
from tutelage.own_data.prepared import How
from tutelage.own_data.wanted import Wanted


@pytest.fixture
def pets(tmp_path):
    root = tmp_path / "pets"
    class_folders(root, ("ant", "bee", "cat"), part="train", each=12)
    class_folders(root, ("ant", "bee"), part="val", each=4)
    (root / "train" / "cat" / "3.png").write_bytes(b"no picture")
    (root / "val" / "bee" / "1.png").write_bytes((root / "train" / "ant" / "2.png").read_bytes())
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(77, 40, 20).convert("L").save(root / "val" / "ant" / "9.png", exif=exif)
    class_folders(root, ("dog",), part="train", each=1)
    return root


def test_everything_that_matters_is_found(pets):
    found = look(pets)
    assert (found.task, found.classes) == ("classification", ("ant", "bee", "cat", "dog"))
    train, held = found.parts["train"], found.parts["validation"]
    assert train.count == 37 and train.classes == {"ant": 12, "bee": 12, "cat": 12, "dog": 1} and held.count == 9
    assert train.broken.keys() == {"train/cat/3.png"} and held.turned == 1 and held.modes == {"L": 1, "RGB": 8}
    assert held.sizes == {"height": (10, 10, 40), "width": (12, 12, 20)}
    said = " | ".join(found.warnings)
    for sentence in (
        "in the train part 1 picture is broken: train/cat/3.png is not a sound image",
        "in the validation part 1 picture lies on its side",
        "the same picture is in the train and the validation part, 1 time: val/bee/1.png = train/ant/2.png",
        "1 of them have two labels: val/bee/1.png = train/ant/2.png",
        "1 class has one training sample: dog",
        "classes are uneven: 12 training samples of ant, 1 of dog",
    ):
        assert sentence in said
    assert any("the validation part has no sample of cat, dog" in note for note in found.notes)
    assert any("--size says otherwise" in note for note in found.notes) and not found.errors


def test_what_it_finds_does_not_depend_on_who_looks(pets):
    assert look(pets, how=How(workers=1)) == look(pets, how=How(workers=3))


def test_a_class_without_a_sound_picture_makes_training_impossible(tmp_path):
    class_folders(tmp_path, ("ant", "bee"), each=3)
    for file in (tmp_path / "bee").iterdir():
        file.write_bytes(b"x")
    assert look(tmp_path).errors == ("no training picture of bee is sound",)


def test_arrays_and_masks_are_looked_at_as_well(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (8, 6, 6), dtype=np.uint8)
    x[3] = x[1]
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(8) % 2)
    found = look(tmp_path / "d.npz")
    assert found.parts["train"].sizes["height"] == (6, 6, 6) and any("row 4 = row 2" in x for x in found.warnings)
    for home in ("images", "masks"):
        (tmp_path / "seg" / home).mkdir(parents=True)
    for n in range(3):
        picture(n).save(tmp_path / "seg" / "images" / f"{n}.png")
        picture(n, 12 if n else 11).convert("L").save(tmp_path / "seg" / "masks" / f"{n}.png")
    found = look(tmp_path / "seg")
    assert found.task == "segmentation" and "has a mask that" in found.parts["train"].broken["images/0.png"]


def before(root):
    return {x: (x.stat().st_mtime_ns, x.stat().st_size) for x in root.rglob("*")}


def test_sizes_are_told_as_one_number_where_they_are_one(tmp_path, capsys):
    for name, width in (("ant/0", 5), ("ant/1", 7), ("bee/0", 9)):
        file = tmp_path / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (width, 6)).save(file)
    main(["check", str(tmp_path)])
    assert "; height 6, width 5 to 9 (median 7); 3 RGB" in capsys.readouterr().out


def test_the_command_lists_findings_and_writes_nothing(pets, capsys):
    files = before(pets.parent)
    assert main(["check", str(pets)]) == 0
    said = capsys.readouterr().out
    assert "train      37 samples" in said and "warning: the same picture" in said and "0 errors, 7 warnings" in said
    assert main(["check", str(pets), "--strict"]) == 3 and before(pets.parent) == files


def test_as_json_for_programs(pets, capsys):
    assert main(["check", str(pets), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parts"]["train"]["count"] == 37 and found["classes"] == ["ant", "bee", "cat", "dog"]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nowhere"], 3, "There is no nowhere: data are"),
        ([], 2, "which data?"),
        (["a", "b"], 2, "which data?"),
        (["a", "--size", "-3"], 2, "--size must be at least 0"),
        (["a", "--sise", "3"], 2, "did you mean '--size'?"),
        (["a", "--std", "0"], 2, "--std must be more than 0"),
        (["a", "--task", "guess"], 2, "--task"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(capsys, words, code, sentence):
    assert main(["check", *words]) == code
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


def test_data_that_cannot_be_learnt_from_end_with_3(tmp_path, capsys):
    class_folders(tmp_path, ("ant", "bee"), each=2)
    for file in tmp_path.glob("bee/*"):
        file.write_bytes(b"x")
    assert main(["check", str(tmp_path)]) == 3 and "error: no training picture of bee" in capsys.readouterr().out
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert main(["check", str(tmp_path / "x.zip")]) == 3 and "unpack it" in capsys.readouterr().err


def test_flags_say_what_columns_are(tmp_path):
    (tmp_path / "d.csv").write_text("a,b,why\n" + "\n".join(f"{n},{n % 3},{n / 7}" for n in range(9)))
    found = look(tmp_path / "d.csv", Wanted(label_columns=("why",)))
    assert found.task == "regression" and found.parts["train"].modes == {"numbers": 9}
