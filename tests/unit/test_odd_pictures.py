"""What lies among pictures that is none: one broken picture among others, and nobody waits for it."""

import os

import numpy as np
import pytest

from tutelage.data.pictures import needed
from tutelage.own_data.check import look
from tutelage.own_data.read import read
from tutelage.own_data.wanted import Wanted


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """Six pictures of two classes, and a table of them, in the current directory."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        file = tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        needed("PIL.Image").new("RGB", (8, 8), (40 * number, 0, 0)).save(file)
    return tmp_path


def test_a_link_that_leads_nowhere_is_a_broken_picture_by_its_name(pets):
    os.symlink("nowhere", pets / "pets/cat/lost.png")
    os.symlink("round.png", pets / "pets/dog/round.png")
    found = look("pets")
    broken = found.parts["train"].broken
    assert broken["cat/lost.png"] == "is not there" and "dog/round.png" in broken and not found.errors
    assert any("in the train part 2 pictures are broken" in warning for warning in found.warnings)


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_a_pipe_and_a_device_are_not_waited_for(pets, target):
    os.mkfifo(pets / "pets/pipe")
    if target == "pipe":
        os.mkfifo(pets / "pets/x.png")
    else:
        os.symlink(target, pets / "pets/x.png")
    rows = [f"{'cat' if n % 2 else 'dog'}/{n}.png,{n % 2}" for n in range(6)]
    (pets / "pets/table.csv").write_text("\n".join(["file,label", *rows, "x.png,1"]))
    assert look("pets/table.csv").parts["train"].broken["x.png"].count("pipe or a device") == 1
    os.mkfifo(pets / "pets/cat/y.png")
    with pytest.raises(ValueError, match=r"y\.png is called like an image, but is no file"):
        read("pets")


# ---- tables and arrays as people have them


def rows(names, labels):
    return [f"{name},{label}" for name, label in zip(names, labels, strict=True)]


def table(place, head, lines):
    (place / "pets/odd.csv").write_text("\n".join([head, *lines]))
    return look("pets/odd.csv")


FILES = [f"{'cat' if n % 2 else 'dog'}/{n}.png" for n in range(6)]


def test_the_index_that_pandas_writes_is_passed_over(pets):
    found = table(pets, ",file,label", [f"{n},{row}" for n, row in enumerate(rows(FILES, "ababab"))])
    assert found.task == "classification" and found.classes == ("a", "b") and not found.errors


def test_whole_numbers_with_a_point_are_classes_like_those_without(pets):
    assert table(pets, "file,label", rows(FILES, ["0.0", "1.0"] * 3)).task == "classification"
    assert table(pets, "file,label", rows(FILES, ["0.0", "1.5"] * 3)).task == "regression"


@pytest.mark.parametrize(
    ("head", "lines", "said"),
    [
        ("file,y", rows(FILES, [f'"{n},5"' for n in range(6)]), "fractions with a comma in 'y', such as '0,5'; write"),
        ("cat/9.png,a", rows(FILES, "ababab"), r"no names of columns: its first line, with 'cat/9\.png', is a sample"),
        ("id,label", rows([x[:-4] for x in FILES], "ababab"), "no column of pictures and none of numbers .* into 'id'"),
    ],
)
def test_what_a_table_lacks_is_said_before_it_is_taken_for_something_else(pets, head, lines, said):
    with pytest.raises(ValueError, match=rf"^pets/odd\.csv has {said}"):
        table(pets, head, lines)


def arrays(place, **held):
    np.savez(place / "odd.npz", x=np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), np.uint8), **held)
    return place / "odd.npz"


def test_one_hot_labels_are_said_to_be_so_and_are_classes_where_that_is_asked_for(pets):
    file = arrays(pets, y=np.eye(3)[[0, 1, 2, 2, 1, 0]])
    several = read(file)
    assert several.task == "multi-label" and any("--task classification" in note for note in several.notes)
    one = read(file, Wanted(task="classification"))
    assert one.parts["train"].targets.tolist() == [0, 1, 2, 2, 1, 0] and one.classes == ("0", "1", "2")


def test_labels_that_are_texts_are_told_by_what_makes_numbers_of_them(pets):
    with pytest.raises(ValueError, match=r"has 'y' of texts.*numpy\.unique\(labels, return_inverse=True\)"):
        read(arrays(pets, y=np.array(list("ababab"))))
