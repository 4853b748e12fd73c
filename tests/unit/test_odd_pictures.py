"""What lies among pictures that is none: one broken picture among others, and nobody waits for it."""

import os

import pytest

from tutelage.data.pictures import needed
from tutelage.own_data.check import look
from tutelage.own_data.read import read


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
    assert any("2 pictures of the train part are broken" in warning for warning in found.warnings)


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
