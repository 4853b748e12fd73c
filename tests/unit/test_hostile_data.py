"""Files that were made to do harm: they unpack to more than they should, or are no files at all."""

import gzip
import io
import os
import pickle
import resource
import socket
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, PngImagePlugin
from torch import nn

from fuzz.readers import encoded
from tutelage.data import contents, digests, pictures
from tutelage.data.cifar import cifar10
from tutelage.data.cifar_editions import CIFAR10
from tutelage.data.cifar_parquet import from_parquet
from tutelage.data.digests import contents_match
from tutelage.data.folder import image_folder, listed
from tutelage.data.image_files import image_files
from tutelage.data.pictures import decoded_images
from tutelage.data.safe_pickle import unpickled
from tutelage.weights.foreign import load_foreign

pytestmark = pytest.mark.slow

DEEP = b"\x80\x02}(" + b")" + b"\x85" * 300_000 + b"K\x01u."
"""A pickle of a mapping whose key is a tuple in a tuple in a tuple …: its hash alone would end the process."""


def blank(width, height, form="PNG"):
    """The header of a picture of that size, and one row of it."""
    if form == "PNG":
        chunks = (
            (b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0")),
            (b"IEND", b""),
        )
        parts = (struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x)) for kind, x in chunks)
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    return b"BM" + struct.pack("<3I3I2H6I", 99, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + b"\0"


def peak():
    """The most bytes of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def saying(width, height, form):
    """A small picture whose header says another size."""
    if not form.startswith("WEBP"):
        return blank(width, height, form)
    content = bytearray(encoded("WEBP", lossless=form == "WEBP lossless"))
    if form == "WEBP":
        content[26:30] = struct.pack("<2H", width, height)
    elif form == "WEBP lossless":
        content[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        content[12:12] = b"VP8X" + struct.pack("<I4x", 10) + sides
        content[4:8] = struct.pack("<I", len(content) - 8)
    return bytes(content)


class TestPictures:
    @pytest.mark.parametrize("form", ["PNG", "BMP"])
    @pytest.mark.parametrize("size", [(30_000, 30_000), (2**28 + 1, 1), (1, 70_000), (2**31 - 1, 2**31 - 1)])
    def test_of_too_many_pixels_are_refused_by_their_header(self, form, size):
        with pytest.raises(ValueError, match=r"x\.png is not a sound image \(") as refusal:
            decoded_images([blank(*size, form)], lambda _: "x.png")
        assert f"it has {size[0]} x {size[1]} pixels, and at most 268435456 pixels, 65536 on a side" in str(
            refusal.value
        )

    def test_of_a_telephone_are_below_the_limit(self):
        assert pictures.LARGEST >= 16384 * 12288  # 200 megapixels
        with pytest.raises(ValueError, match=r"truncated|cut short"):  # and not too large
            decoded_images([blank(3_000, 4_000)], str)

    @pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "WEBP lossless", "WEBP extended"])
    def test_of_more_pixels_than_so_few_bytes_can_hold_are_refused_before_room_is_made(self, form):
        before = peak()
        with pytest.raises(ValueError, match=r"it says that it has 12000 x 9000 pixels, in \d+ bytes"):
            decoded_images([saying(12_000, 9_000, form)], str)
        assert peak() - before < 100e6  # of 324 megabytes

    @pytest.mark.parametrize(("form", "mode"), [("PNG", "1"), ("JPEG", "L"), ("WEBP", "L")])
    def test_a_large_white_page_is_none_of_them(self, form, mode):
        file = io.BytesIO()
        Image.new(mode, (4500, 4500), 255).save(file, form)
        assert decoded_images([file.getvalue()], str).float().mean() > 250

    def test_the_limit_of_everybody_else_is_theirs(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert decoded_images([encoded("PNG")], str).shape == (1, 3, 32, 32)
        assert Image.MAX_IMAGE_PIXELS == 10

    def test_that_do_not_fit_into_memory_together_are_refused(self):
        class Many(list):
            def __len__(self):
                return 10**12

        with pytest.raises(ValueError, match=r"1000000000000 images of 32 x 32 pixels take .* GB of memory"):
            decoded_images(Many([encoded("PNG")]), str)

    def test_texts_that_unpack_to_much_are_refused(self):
        text = PngImagePlugin.PngInfo()
        text.add_itxt("a", "x" * 10**7, zip=True)
        file = io.BytesIO()
        Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=text)
        with pytest.raises(ValueError, match="is not a sound image"):
            decoded_images([file.getvalue()], str)

    def test_a_jpeg_that_is_sent_a_thousand_times_is_refused(self):
        content = encoded("JPEG", progressive=True)
        scan = content[content.rindex(b"\xff\xda") : -2]
        with pytest.raises(ValueError, match="more than 100 times"):
            decoded_images([content[:-2] + scan * 1000 + content[-2:]], str)

    @pytest.mark.parametrize("place", range(8, 3000, 97))
    def test_a_bit_of_a_png_that_changed_is_seen(self, place):
        content = bytearray(encoded("PNG"))
        content[place] ^= 16
        with pytest.raises(ValueError, match="is not a sound image"):
            decoded_images([bytes(content)], str)

    def test_words_of_pillow_about_exif_rubbish_are_no_error(self):
        file = io.BytesIO()
        Image.new("RGB", (4, 4)).save(file, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 60)
        assert decoded_images([file.getvalue()], str).shape == (1, 3, 4, 4)

    def test_only_the_first_frame_is_taken(self):
        file = io.BytesIO()
        frames = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in (7, 8, 9)]
        frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
        assert decoded_images([file.getvalue()], str)[0, 0, 0, 0] == 7


class TestTrees:
    @pytest.fixture
    def tree(self, tmp_path):
        for name in ("cat/1.png", "dog/deep/2.png"):
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_bytes(encoded("PNG"))
        return tmp_path

    def test_folders_called_like_images_are_folders_and_hidden_files_are_passed_over(self, tree):
        (tree / "cat" / "x.png").mkdir()
        (tree / "cat" / "x.png" / "3.png").write_bytes(encoded("PNG"))
        (tree / "cat" / "._1.png").write_bytes(b"rubbish")
        assert listed(tree) == {"cat": ["cat/1.png", "cat/x.png/3.png"], "dog": ["dog/deep/2.png"]}

    @pytest.mark.parametrize("kind", ["loop", "gone", "pipe", "socket", "folder"])
    def test_what_is_called_like_an_image_and_is_no_file_is_named(self, tree, kind, monkeypatch):
        monkeypatch.chdir(tree / "cat")  # names of sockets are short
        if kind == "pipe":
            os.mkfifo("x.png")
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as opened:
                opened.bind("x.png")
        else:
            os.symlink({"loop": "x.png", "gone": "nowhere", "folder": ".."}[kind], "x.png")
        for read in (listed, lambda folder: image_files(folder, "mine"), lambda folder: image_folder(folder, "mine")):
            with pytest.raises(ValueError, match=r"x\.png is called like an image, but is no file"):
                read(tree)

    def test_links_that_lead_round_in_a_circle_end(self, tree):
        os.symlink(tree, tree / "cat" / "again")
        os.symlink(tree / "dog", tree / "wolf")
        assert listed(tree) == {"cat": ["cat/1.png"], "dog": ["dog/deep/2.png"], "wolf": ["wolf/deep/2.png"]}

    def test_a_class_whose_name_is_no_utf_8_is_refused(self, tree):
        os.mkdir(os.fsencode(tree) + b"/caf\xe9")
        with pytest.raises(ValueError, match=r"caf\\xe9 has a name that is no UTF-8 .*; rename it"):
            listed(tree)

    def test_a_file_whose_name_is_no_utf_8_is_read(self, tree):
        path = os.fsencode(tree) + b"/cat/\xe9.png"
        Path(os.fsdecode(path)).write_bytes(encoded("PNG"))
        assert len(image_folder(tree, "mine")) == 3 and len(image_files(tree, "mine").checksum) == 64
        Path(os.fsdecode(path)).write_bytes(b"")
        with pytest.raises(ValueError, match=r"cat/\\xe9\.png is not a sound image"):
            image_folder(tree, "mine")

    def test_many_folders_inside_of_each_other_are_walked_through(self, tree):
        chain = [str(tree / "cat") + "/a" * depth for depth in range(1, 1100)]
        for place in chain:
            os.mkdir(place)
        assert len(image_files(tree, "mine")) == 2
        for place in reversed(chain):  # pytest's own way to clean up calls itself for each
            os.rmdir(place)

    def test_a_file_of_gigabytes_is_not_read(self, tree):
        with (tree / "cat" / "x.png").open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(ValueError, match=r"x\.png has 1099511627776 bytes, and at most 1073741824 are read"):
            image_folder(tree, "mine")


class TestArchives:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(contents, "LARGEST", 10**6)
        monkeypatch.setattr(digests, "LARGEST", 10**6)

    def test_gzip_unpacks_as_far_as_the_limit(self, tmp_path):
        (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(10**7)))
        with pytest.raises(ValueError, match=r"x\.gz unpacks to more than 1000000 bytes"):
            contents.unzipped(tmp_path / "x.gz")
        with pytest.raises(ValueError, match="its content has more than 1000000 bytes"):
            contents_match("0" * 64)(tmp_path / "x.gz")

    def archive(self, folder, *members):
        with tarfile.open(folder / CIFAR10.archive, "w:gz", format=tarfile.GNU_FORMAT) as packed:
            for member, content in members:
                member.name = f"{CIFAR10.folder}/{member.name}"
                packed.addfile(member, io.BytesIO(content))

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE]
    )
    def test_a_member_of_a_tar_that_is_no_file_is_not_read(self, tmp_path, kind):
        member = tarfile.TarInfo("data_batch_1")
        member.type, member.linkname = kind, f"{CIFAR10.folder}/data_batch_1"
        self.archive(tmp_path, (member, b""))
        with pytest.raises(ValueError, match=r"it has no file cifar-10-batches-py/data_batch_1"):
            cifar10(tmp_path, download=False)

    def test_a_member_that_says_it_is_larger_than_the_archive_is_refused(self, tmp_path):
        member = tarfile.TarInfo("data_batch_1")
        member.size = 2**40
        member.name = f"{CIFAR10.folder}/data_batch_1"
        header = member.tobuf(tarfile.GNU_FORMAT)
        (tmp_path / CIFAR10.archive).write_bytes(gzip.compress(header + bytes(10_000)))
        with pytest.raises(ValueError, match=r"is not a sound archive"):
            cifar10(tmp_path, download=False)

    def test_a_bit_of_the_archive_that_changed_is_seen(self, tmp_path):
        self.archive(tmp_path, (tarfile.TarInfo("data_batch_1"), b""))
        content = bytearray((tmp_path / CIFAR10.archive).read_bytes())
        content[-6] ^= 1  # of the checksum, which stands at the very end
        (tmp_path / CIFAR10.archive).write_bytes(content)
        with pytest.raises(ValueError, match="is not a sound gzip file"):
            cifar10(tmp_path, download=False)


class TestPickles:
    @pytest.mark.parametrize("content", [DEEP, b"\x80\x02K\x01r\xff\xff\xff\x7f.", b"\x80\x02K\x01p999999999\n."])
    def test_that_would_take_all_memory_or_end_the_process_are_not_read(self, tmp_path, content):
        with pytest.raises(ValueError, match="is not a sound pickle"):
            unpickled(content, tmp_path / "x")

    def test_of_torch_are_looked_at_too(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
            archive.writestr("x/data.pkl", DEEP)
        with pytest.raises(ValueError, match=r"x\.pth is damaged .*tuples inside of each other"):
            load_foreign(tmp_path / "x.pth", nn.Linear(2, 2))
        torch.save({"a": torch.ones(2)}, tmp_path / "y.pth", _use_new_zipfile_serialization=False)
        content = (tmp_path / "y.pth").read_bytes()
        start = content.index(b"\x80\x02}", 40)
        (tmp_path / "y.pth").write_bytes(content[:start] + DEEP)
        with pytest.raises(ValueError, match=r"y\.pth is damaged .*tuples inside of each other"):
            load_foreign(tmp_path / "y.pth", nn.Linear(2, 2))

    def test_an_archive_in_which_one_part_is_many_is_refused(self, tmp_path):
        torch.save({"weight": torch.zeros(1000)}, tmp_path / "x.pth")
        with zipfile.ZipFile(tmp_path / "x.pth", "a") as archive:
            data = next(x for x in archive.infolist() if x.filename.endswith("data/0"))
            for number in range(20):
                again = zipfile.ZipInfo(f"x/data/{number + 1}")
                again.header_offset, again.CRC = data.header_offset, data.CRC
                again.file_size = again.compress_size = data.file_size
                archive.filelist.append(again)
            archive._didModify = True
        with pytest.raises(ValueError, match="parts of it are in it more than once"):
            load_foreign(tmp_path / "x.pth", nn.Linear(2, 2))


class TestLabels:
    def parquet(self, path, labels, **options):
        images = [{"bytes": encoded("PNG"), "path": None}] * len(labels)
        pq.write_table(pa.table({"img": images, "label": labels}), path, **options)
        return path

    def test_a_file_that_says_it_unpacks_to_much_is_not_unpacked(self, tmp_path):
        images = [{"bytes": bytes(10**7), "path": None}, {"bytes": encoded("PNG"), "path": None}]
        pq.write_table(pa.table({"img": images, "label": [0, 1]}), tmp_path / "x.parquet", compression="zstd")
        with pytest.raises(ValueError, match=r"x\.parquet unpacks to 100\d+ bytes, which 2 images"):
            from_parquet(tmp_path / "x.parquet", CIFAR10, "mine")

    @pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "RLE_DICTIONARY"])
    def test_a_large_image_of_which_each_row_is_a_copy_is_refused(self, tmp_path, encoding):
        images = [{"bytes": b"x" * 10**6, "path": None}] * 200
        how = {"use_dictionary": False, "column_encoding": {"img.bytes": encoding}} if "DELTA" in encoding else {}
        pq.write_table(pa.table({"img": images, "label": [0] * 200}), tmp_path / "x.parquet", **how)
        assert (tmp_path / "x.parquet").stat().st_size < 1_100_000
        with pytest.raises(ValueError, match=r"unpacks to 100\d+ bytes where 100 images of 32 x 32 pixels are"):
            from_parquet(tmp_path / "x.parquet", CIFAR10, "mine")

    @pytest.mark.parametrize(
        "labels", [[0, -1], [0, 10], pa.array([0, 2**63], pa.uint64()), [0.0, 1.0], ["0", "1"], [None, 1]]
    )
    def test_that_are_no_classes_are_refused(self, tmp_path, labels):
        with pytest.raises(ValueError, match=r"x\.parquet|must be 0 to 9"):
            from_parquet(self.parquet(tmp_path / "x.parquet", labels), CIFAR10, "mine")

    @pytest.mark.parametrize("label", [True, 1.5, b"1", 2**70, -1, None])
    def test_of_a_pickle_are_whole_numbers(self, tmp_path, label):
        for name in (*CIFAR10.train, *CIFAR10.test):
            content = {b"data": np.zeros((1, 3072), np.uint8), b"labels": [label]}
            (tmp_path / name).write_bytes(pickle.dumps(content, 2))
        with pytest.raises(ValueError, match=r"does not hold the data and labels|must be 0 to 9"):
            cifar10(tmp_path, download=False)
