"""``predict.py`` reads a picture to the bit as the sets are read, whatever its size, mode, format and EXIF data are."""

import ast
import io
import sys
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from tutelage.data.augment import middle
from tutelage.deployment.about import About
from tutelage.deployment.script import script
from tutelage.own_data.decode import decode_into
from tutelage.own_data.geometry import Geometry
from tutelage.own_data.preprocessing import Preprocessing

pytestmark = pytest.mark.slow

SIZES = ((9, 9), (40, 23), (23, 41), (300, 97), (128, 512), (333, 333))
FORMS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("P", "L"),
    "BMP": ("L", "RGB"),
}
GEOMETRIES = (Geometry((28, 28), (32, 32), 32), Geometry((16, 16), (16, 16), 16))


def stored(size, mode, form, orientation=1):
    """A picture of noise on a slope, as a file."""
    width, height = size
    noise = np.random.default_rng(width * height).integers(0, 60, (height, width, 4))
    levels = (noise + np.linspace(0, 190, width)[None, :, None]).astype(np.uint8)
    if mode == "I;16":
        picture = Image.fromarray((levels[..., 0].astype(np.uint16) * 257 + levels[..., 1]).astype(np.uint16))
    elif mode == "CMYK":
        picture = Image.fromarray(levels, "CMYK")
    else:
        picture = Image.fromarray(levels, "RGBA").convert("RGB" if mode == "P" else mode)
        picture = picture.quantize(32) if mode == "P" else picture
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture.save(file, form, **({"exif": exif} if orientation > 1 and form != "BMP" and form != "GIF" else {}))
    return file.getvalue()


def by_script(content, how, monkeypatch):
    """The pixels that ``predict.py`` gives to the model."""
    lines = script(About("classification", ("a", "b"), how), 2).splitlines()
    last = next(n for n, line in enumerate(lines) if line.startswith("pixels ="))
    found = {"__file__": "predict.py"}
    monkeypatch.setattr(sys, "argv", ["predict.py", io.BytesIO(content)])  # a file that nobody need close
    exec("\n".join(lines[: last + 1]), found)
    return torch.from_numpy(found["pixels"].copy())


def by_sets(content, geometry, channels):
    out = torch.empty(1, channels, *geometry.kept, dtype=torch.uint8)
    (row,) = decode_into(out, [content], geometry, 1)
    assert not row.broken, row.broken
    return middle(out, torch.arange(1), geometry.size)


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in FORMS.items() for mode in modes])
def test_pixels_are_equal_in_every_size_and_number_of_channels(form, mode, monkeypatch):
    for size, channels, geometry in product(SIZES, (1, 3), GEOMETRIES):
        how = Preprocessing(channels, geometry.size, geometry.resize)
        content = stored(size, mode, form)
        ours, theirs = by_sets(content, geometry, channels), by_script(content, how, monkeypatch)
        assert torch.equal(ours, theirs), (size, channels, geometry, (ours.int() - theirs.int()).abs().max())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(9))
def test_pixels_are_equal_whichever_way_a_camera_was_held(form, orientation, monkeypatch):
    how = Preprocessing(3, (28, 28), 32)
    content = stored((300, 97), "RGB", form, orientation)
    assert torch.equal(by_sets(content, GEOMETRIES[0], 3), by_script(content, how, monkeypatch))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_the_size_that_is_seen_stays_as_it_is(channels, monkeypatch):
    geometry = Geometry((23, 40), (23, 40))
    for form, modes in FORMS.items():
        for mode in modes:
            content = stored((40, 23), mode, form)
            how = Preprocessing(channels, (23, 40))
            assert torch.equal(by_sets(content, geometry, channels), by_script(content, how, monkeypatch))


def test_damaged_exif_data_say_nothing_to_either(monkeypatch):
    file = io.BytesIO()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 60
    Image.open(io.BytesIO(stored((300, 97), "RGB", "PNG"))).save(file, "JPEG", exif=exif)
    how = Preprocessing(3, (28, 28), 32)
    with pytest.warns(UserWarning, match="EXIF"):
        theirs = by_script(file.getvalue(), how, monkeypatch)
    assert torch.equal(by_sets(file.getvalue(), GEOMETRIES[0], 3), theirs)


def test_names_of_classes_are_texts_whatever_stands_in_them():
    names = (
        *['a\n"""\nimport os\nos.system(\'x\')\n"""', "'); __import__('os').system('x') #", "\\", "\x1b[2J", "{x!r}"],
        *["%s", "\u202eevil", "\u2028x", "\0", "é" * 127, "", "..", "CON", "<b>", "=cmd()", "\\N{BULLET}", "\r"],
    )
    tree = ast.parse(script(About("classification", names, Preprocessing(3, (8, 8))), len(names)))
    (named,) = [x for x in tree.body if isinstance(x, ast.Assign) and ast.unparse(x.targets[0]) == "CLASSES"]
    found = ast.literal_eval(named.value)
    assert len(found) == len(names) and not [x for x in found if "\n" in x or "\x1b" in x or "\u202e" in x]
    plain = ast.parse(script(About("classification", ("a",) * len(names), Preprocessing(3, (8, 8))), len(names)))
    assert [ast.dump(x) for x in tree.body if x is not named] == [
        ast.dump(x) for x in plain.body if not (isinstance(x, ast.Assign) and ast.unparse(x.targets[0]) == "CLASSES")
    ]


def test_without_a_picture_it_says_how_it_is_called(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["predict.py"])
    with pytest.raises(SystemExit, match=r"python predict\.py PICTURE"):
        exec(script(About("classification", ("a", "b"), Preprocessing(3, (8, 8))), 2), {"__file__": "predict.py"})
