"""Pictures as cameras and programs leave them: on their side, of 16 bits, in other formats, in folders with rubbish."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from own_pictures import picture
from tutelage.data.folder import image_folder
from tutelage.data.modes import in_channels, is_grey, orientation_of
from tutelage.data.pictures import FORMATS, decoded_images
from tutelage.data.walk import images_below
from tutelage.own_data.survey import surveyed


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def decoded(content):
    return decoded_images([content], str)[0]


def pixels(image):
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


TURNS = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_90}  # fmt: skip


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_is_turned_as_its_exif_data_say(form, orientation):
    image, exif = picture(0, 7, 5), Image.Exif()
    exif[0x0112] = orientation
    content = encoded(image, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    turned = image if TURNS[orientation] is None else image.transpose(TURNS[orientation])
    assert torch.equal(decoded(content), pixels(turned))


def test_a_telephones_jpeg_stands_upright():
    image, exif = picture(0, 48, 32), Image.Exif()
    exif[0x0112] = 6
    assert decoded(encoded(image, "JPEG", exif=exif)).shape == (3, 48, 32)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def held_on_its_side():
    """What PNG files say of that, by the chunk that does."""
    exif = Image.Exif()
    exif[0x0112] = 6
    words = exif.tobytes()
    profile = "\nexif\n8\n" + words.hex()
    xmp = b'<x:xmpmeta tiff:Orientation="6"/>'
    return {
        "eXIf": chunk(b"eXIf", words.removeprefix(b"Exif\0\0")),
        "zTXt": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile.encode())),
        "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
    }


@pytest.mark.parametrize("kind", list(held_on_its_side()))
@pytest.mark.parametrize("before", [True, False], ids=["before its pixels", "behind them"])
def test_a_header_says_how_a_png_file_was_held_wherever_that_stands(kind, before):
    plain = encoded(Image.new("L", (7, 5)), "PNG")
    place = plain.index(b"IDAT" if before else b"IEND") - 4
    (header,) = surveyed([plain[:place] + held_on_its_side()[kind] + plain[place:]])
    assert header == ((7, 5), "L", 6, "")


def test_for_a_header_no_pixel_of_a_png_file_is_decoded(monkeypatch):
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda _: pytest.fail("it was decoded"))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        assert surveyed([encoded(Image.new(mode, (7, 5)), "PNG")])[0][:3] == ((5, 7), mode, 1)


@pytest.mark.parametrize("orientation", [0, 9, 77, "up"])
def test_an_orientation_that_is_none_changes_nothing(orientation):
    class Opened:
        def getexif(self):
            return {0x0112: orientation}

    assert orientation_of(Opened()) == 1


def test_damaged_exif_data_say_nothing():
    class Opened:
        def getexif(self):
            raise SyntaxError("not a TIFF file")

    assert orientation_of(Opened()) == 1


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_grey_ramp_of_16_bits_stays_a_ramp(form):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    found = decoded(encoded(Image.fromarray(ramp), form))
    assert torch.equal(found, torch.arange(256, dtype=torch.uint8).expand(3, 4, 256))


def test_fractions_and_numbers_that_are_no_grey_levels_are_refused_in_words():
    with pytest.raises(ValueError, match="its pixels are fractions, of which nobody knows black and white"):
        decoded(encoded(Image.fromarray(np.ones((3, 3), np.float32)), "TIFF"))
    with pytest.raises(ValueError, match="its pixels go from -5 to 70000, and grey from 0 to 65535"):
        decoded(encoded(Image.fromarray(np.array([[-5, 70000]], np.int32)), "TIFF"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_any_mode_becomes_grey_and_rgb(mode):
    image = Image.fromarray(np.full((3, 3), 300, np.uint16)) if mode == "I;16" else picture(0).convert(mode)
    for channels, other in ((1, "L"), (3, "RGB")):
        assert in_channels(image, channels).mode == other
    assert is_grey(mode) == (mode in ("1", "L", "LA", "I;16"))


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("P", (4, 4), 0) for _ in range(3)]
    for n, frame in enumerate(frames):
        frame.putpalette([50 * n + 10] * 3 * 256)
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decoded(content).unique().tolist() == [10]


@pytest.mark.slow
def test_a_photograph_of_108_megapixels_is_sound():
    page = Image.new("L", (12000, 9000), 200)
    assert decoded(encoded(page, "JPEG", quality=20)).shape == (3, 9000, 12000)


NAMES = {"a.png": "PNG", "b.JPG": "JPEG", "c.jpeg": "JPEG", "d.jfif": "JPEG", "e.webp": "WEBP", "f.bmp": "BMP",
         "g.gif": "GIF", "h.tif": "TIFF", "i.TIFF": "TIFF"}  # fmt: skip


def test_every_ending_is_found_and_other_files_are_counted(tmp_path):
    for home in ("cat", "dog"):
        (tmp_path / home).mkdir()
        for n, (name, form) in enumerate(NAMES.items()):
            picture(n).save(tmp_path / home / name, form)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "cat" / "Makefile").write_text("x")
    assert len(image_folder(tmp_path, "mine")) == 2 * len(NAMES) and {*NAMES.values()} == {*FORMATS}
    found = images_below(tmp_path / "cat", "cat")
    assert found.images[0] == "cat/a.png" and found.others == {".txt": 1, "no ending": 1}


def test_what_other_programs_leave_behind_is_passed_over(tmp_path):
    for home in ("cat", "dog", "__MACOSX", ".ipynb_checkpoints", "cat/.ipynb_checkpoints", "dog/__MACOSX"):
        (tmp_path / home).mkdir()
        picture(0).save(tmp_path / home / "1.png")
    (tmp_path / "cat" / "._1.png").write_bytes(b"rubbish")
    assert image_folder(tmp_path, "mine").classes == ("cat", "dog") and len(image_folder(tmp_path, "mine")) == 2


def test_links_to_folders_are_followed_once_and_never_round(tmp_path):
    for home in ("set/cat/more", "elsewhere/deep", "set/dog"):
        (tmp_path / home).mkdir(parents=True)
        picture(0).save(tmp_path / home / "1.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "set" / "cat" / "b")
    os.symlink(tmp_path / "elsewhere", tmp_path / "set" / "cat" / "a")
    os.symlink(tmp_path / "set" / "cat" / "more", tmp_path / "set" / "cat" / "again")
    os.symlink(tmp_path / "set", tmp_path / "elsewhere" / "round")
    assert images_below(tmp_path / "set" / "cat", "cat").images == ["cat/a/deep/1.png", "cat/more/1.png"]
