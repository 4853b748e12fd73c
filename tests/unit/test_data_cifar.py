"""CIFAR in each of its forms, read alike; images from folders; what is wrong with a file in one sentence."""

import hashlib
import io
import pickle
import struct
import sys
import tarfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tutelage.data import cifar
from tutelage.data import find as finding
from tutelage.data.cifar import cifar10, cifar100
from tutelage.data.cifar_editions import CIFAR10, CIFAR100
from tutelage.data.cifar_files import from_batches
from tutelage.data.cifar_parquet import from_parquet
from tutelage.data.folder import image_folder
from tutelage.data.pictures import decoded_images

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
TRAIN, TEST = PIXELS[:10], PIXELS[10:]
LABELS = list(range(10))


def encoded(pixels, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, form, **options)
    return file.getvalue()


def rows(pixels, labels=LABELS, column="label"):
    images = [{"bytes": encoded(x, "WEBP", lossless=True), "path": None} for x in pixels]
    return pa.table({"img": images, column: labels})


def text(content):
    return b"T" + struct.pack("<i", len(content)) + content


def written_by_python_2(pixels, labels, key=b"labels"):
    """A pickle as the official ones are: protocol 2, byte strings, the pixels as a numpy array."""
    kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|")
    kind += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    shape = b"J" + struct.pack("<i", len(pixels)) + b"J" + struct.pack("<i", 3072) + b"\x86"
    array = empty + b"(K\x01" + shape + kind + b"\x89" + text(pixels.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(key) + numbers + b"u."


def batches():
    files = {f"data_batch_{i + 1}": slice(2 * i, 2 * i + 2) for i in range(5)}
    official = {file: written_by_python_2(TRAIN[part], LABELS[part]) for file, part in files.items()}
    return official | {"test_batch": written_by_python_2(TEST, LABELS)}


def as_parquet(folder):
    pq.write_table(rows(TRAIN), folder / "train.parquet")
    pq.write_table(rows(TEST), folder / "test.parquet")


def as_archive(folder):
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as packed:
        for name, content in batches().items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def as_unpacked(folder):
    (folder / "cifar-10-batches-py").mkdir()
    for name, content in batches().items():
        (folder / "cifar-10-batches-py" / name).write_bytes(content)


def as_folders(folder):
    for part, pixels in (("train", TRAIN), ("test", TEST)):
        for name, x in zip(CIFAR10.classes, pixels, strict=True):
            (folder / part / name).mkdir(parents=True)
            (folder / part / name / "0001.png").write_bytes(encoded(x))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without any data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUTELAGE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finding, "_clone", list)
    return tmp_path


class TestEveryForm:
    @pytest.mark.parametrize("write", [as_parquet, as_archive, as_unpacked, as_folders])
    @pytest.mark.parametrize("inside", ["", "cifar10"])
    def test_gives_the_same_pixels_and_labels(self, tmp_path, write, inside):
        (tmp_path / inside).mkdir(exist_ok=True)
        write(tmp_path / inside)
        train, test = cifar10(tmp_path, download=False)
        for part, name, pixels in ((train, "cifar10/train", TRAIN), (test, "cifar10/test", TEST)):
            assert torch.equal(part.inputs, torch.from_numpy(pixels)) and part.inputs.dtype is torch.uint8
            assert part.inputs.is_contiguous() and part.targets.tolist() == part.index.tolist() == LABELS
            assert (part.name, part.classes) == (name, CIFAR10.classes)

    def test_of_100_classes_is_read_by_its_fine_labels(self, tmp_path):
        pq.write_table(rows(TRAIN, [99] * 10, "fine_label"), tmp_path / "train.parquet")
        pq.write_table(rows(TEST, [3] * 10, "fine_label"), tmp_path / "test.parquet")
        train, test = cifar100(tmp_path, download=False)
        assert {train.classes[i] for i in train.targets} == {"worm"} and {test.classes[i] for i in test.targets} == {
            "bear"
        }
        assert len(CIFAR100.classes) == 100 and sorted(CIFAR100.classes) == list(CIFAR100.classes)

    @pytest.mark.parametrize("write", [as_parquet, as_archive, as_unpacked, as_folders])
    def test_is_found_where_the_variable_points(self, nowhere, monkeypatch, write):
        (nowhere / "sets" / "cifar10").mkdir(parents=True)
        write(nowhere / "sets" / "cifar10")
        monkeypatch.setenv("TUTELAGE_DATA", str(nowhere / "sets"))
        assert torch.equal(cifar10(download=False)[0].inputs, torch.from_numpy(TRAIN))

    @pytest.mark.parametrize("write", [as_parquet, as_folders])
    def test_of_a_common_name_is_not_taken_for_cifar_unless_its_folder_says_so(self, nowhere, write):
        (nowhere / "data").mkdir()
        write(nowhere / "data")
        with pytest.raises(FileNotFoundError, match="none of these has it"):
            cifar10(download=False)

    def test_of_an_unpacked_archive_may_be_named_itself(self, tmp_path):
        as_unpacked(tmp_path)
        assert len(cifar10(tmp_path / "cifar-10-batches-py", download=False)[0]) == 10

    @pytest.mark.parametrize("protocol", [2, 3, 4])
    def test_of_a_pickle_is_read_whoever_wrote_it(self, tmp_path, protocol):
        content = {b"data": TEST.reshape(10, 3072), b"fine_labels": LABELS}
        data = from_batches({"test": pickle.dumps(content, protocol)}, CIFAR100, "twin", tmp_path)
        assert torch.equal(data.inputs, torch.from_numpy(TEST)) and data.targets.tolist() == LABELS


class TestWhatIsNotThere:
    def test_is_asked_for_in_one_sentence(self, nowhere):
        with pytest.raises(
            FileNotFoundError, match=r"'cifar100' needs train.parquet and .*cifar-100-python.tar.gz"
        ) as no:
            cifar100(download=False)
        assert str(nowhere / "cache") in str(no.value)

    def test_a_folder_that_does_not_exist_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*gone"):
            cifar10(tmp_path / "gone")

    def test_half_of_the_parquet_files_is_not_passed_over(self, tmp_path):
        pq.write_table(rows(TRAIN), tmp_path / "train.parquet")
        with pytest.raises(FileNotFoundError, match=r"one of train.parquet and test.parquet; cifar10 needs both"):
            cifar10(tmp_path)

    def test_is_fetched_and_verified(self, nowhere, monkeypatch):
        (nowhere / "served").mkdir()
        as_archive(nowhere / "served")
        md5 = hashlib.md5((nowhere / "served" / "cifar-10-python.tar.gz").read_bytes()).hexdigest()
        monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
        handler = partial(SimpleHTTPRequestHandler, directory=nowhere / "served")
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
            monkeypatch.setattr(cifar, "CIFAR10", replace(CIFAR10, url=url, md5=md5))
            fetched = cifar10()[1]
            server.shutdown()
        assert torch.equal(fetched.inputs, torch.from_numpy(TEST))
        assert (nowhere / "cache" / "tutelage" / "cifar10" / "cifar-10-python.tar.gz").exists()

    @pytest.mark.parametrize(("module", "package"), [("pyarrow.parquet", "pyarrow"), ("PIL.Image", "pillow")])
    def test_an_extra_is_named_with_its_install_line(self, tmp_path, monkeypatch, module, package):
        as_parquet(tmp_path)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=rf"needs {package}: pip install 'tutelage\[images\]'"):
            cifar10(tmp_path)


class TestABadParquetFile:
    def refused(self, tmp_path, table, sentence):
        pq.write_table(table, tmp_path / "bad.parquet")
        with pytest.raises(ValueError, match=sentence) as refusal:
            from_parquet(tmp_path / "bad.parquet", CIFAR10, "bad")
        assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize("content", [b"RIFF0000WEBP", b"no image", b"", encoded(TRAIN[3])[:200]])
    def test_a_corrupt_image_is_named_by_its_row(self, tmp_path, content):
        table = rows(TRAIN).to_pydict()
        table["img"][7]["bytes"] = content
        self.refused(tmp_path, pa.table(table), r"Row 7 of .*bad\.parquet is not a sound image")

    def test_a_row_without_an_image_is_named(self, tmp_path):
        table = rows(TRAIN).to_pydict()
        table["img"][2]["bytes"] = None
        self.refused(tmp_path, pa.table(table), r"Row 2 of .*bad\.parquet holds no image")

    def test_an_image_of_another_size_is_named(self, tmp_path):
        table = rows(TRAIN).to_pydict()
        table["img"][5]["bytes"] = encoded(TRAIN[5][:, :16])
        self.refused(tmp_path, pa.table(table), r"Row 5 of .* is 32 x 16 pixels and Row 0 of .* 32 x 32")

    def test_images_that_are_all_of_another_size_are_refused(self, tmp_path):
        self.refused(tmp_path, rows(TRAIN[:, :, :16]), r"images of 32 x 16 pixels; those of cifar10 have 32 x 32")

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            (pa.table({"image": [b""], "label": [0]}), r"has no column img; it has image, label"),
            (pa.table({"a": [1]}), r"has no column img, label; it has a"),
            (pa.table({"img": [b"x"], "label": [0]}), r"has no bytes in its column img"),
            (rows(TRAIN, [None, *LABELS[1:]]), r"has 1 rows without a label"),
            (rows(TRAIN, ["1"] * 10), r"has string in its column label, where classes are whole numbers"),
            (rows(TRAIN, [0.5, *LABELS[1:]]), r"has double in its column label, where classes are whole numbers"),
            (rows(TRAIN, [True] * 10), r"has bool in its column label, where classes are whole numbers"),
            (rows(TRAIN, pa.array([2**64 - 1, *LABELS[1:]], pa.uint64())), r"is not a sound parquet file"),
            (rows(TRAIN).slice(0, 0), r"has no rows"),
            (rows(TRAIN, [10, *LABELS[1:]]), r"must be 0 to 9, one for each class; 10 is among them"),
        ],
    )
    def test_is_refused_by_what_it_lacks(self, tmp_path, table, sentence):
        self.refused(tmp_path, table, sentence)

    def test_a_file_that_is_no_parquet_is_refused(self, tmp_path):
        (tmp_path / "x.parquet").write_bytes(b"PAR1 but not really")
        with pytest.raises(ValueError, match=r"x\.parquet is not a sound parquet file"):
            from_parquet(tmp_path / "x.parquet", CIFAR10, "x")


class Attack:
    def __reduce__(self):
        return print, ("this must never be called",)


class TestABadArchive:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (pickle.dumps(Attack()), r"asks for builtins\.print, which no file of this set needs"),
            (pickle.dumps({b"data": np.ones((1, 3072)), b"labels": [0]}, 2), r"an array of another kind than bytes"),
            (pickle.dumps({b"data": 3, b"labels": [0]}), r"does not hold the data and labels of cifar10"),
            (pickle.dumps({b"data": TEST[0].reshape(1, 3072)}, 2), r"does not hold the data and labels .*KeyError"),
            (written_by_python_2(TEST, LABELS[:3]), r"does not hold the data and labels of cifar10"),
            (written_by_python_2(TEST, LABELS)[:-500], r"is not a sound pickle"),
            (b"", r"is not a sound pickle"),
            (written_by_python_2(TEST[:1], [11]), r"must be 0 to 9, one for each class; 11 is among them"),
        ],
    )
    def test_no_code_is_run_and_the_file_is_named(self, tmp_path, capsys, content, sentence):
        with pytest.raises(ValueError, match=sentence) as refusal:
            from_batches({"test_batch": content}, CIFAR10, "bad", tmp_path)
        assert "\n" not in str(refusal.value) and not capsys.readouterr().out

    def test_a_truncated_archive_is_refused(self, tmp_path):
        as_archive(tmp_path)
        path = tmp_path / "cifar-10-python.tar.gz"
        path.write_bytes(path.read_bytes()[:9000])
        with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz is truncated: its gzip stream stops"):
            cifar10(tmp_path)

    def test_an_archive_without_one_of_the_files_is_refused(self, tmp_path):
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz"):
            pass
        with pytest.raises(ValueError, match=r"it has no file cifar-10-batches-py/data_batch_1"):
            cifar10(tmp_path)


class TestAFolderOfImages:
    def test_has_the_classes_of_its_folders_however_deep_the_files_lie(self, tmp_path):
        for place, name in enumerate(["b/2.PNG", "a/deep/1.png", "b/.hidden.png", "b/notes.txt", "a/0.bmp"]):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(encoded(TRAIN[place], "BMP" if name.endswith("bmp") else "PNG"))
        data = image_folder(tmp_path, "mine")
        assert data.classes == ("a", "b") and data.targets.tolist() == [0, 0, 1]
        assert torch.equal(data.inputs, torch.from_numpy(TRAIN[[4, 1, 0]]))

    def test_shows_grey_and_transparent_images_in_colour(self):
        grey, clear = io.BytesIO(), io.BytesIO()
        Image.new("L", (2, 3), 7).save(grey, "PNG")
        Image.new("RGBA", (2, 3), (1, 2, 3, 0)).save(clear, "PNG")
        images = decoded_images([grey.getvalue(), clear.getvalue()], str)
        assert images.shape == (2, 3, 3, 2) and images[:, :, 0, 0].tolist() == [[7, 7, 7], [1, 2, 3]]

    def test_that_is_not_there_or_holds_nothing_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*gone"):
            image_folder(tmp_path / "gone", "x")
        with pytest.raises(FileNotFoundError, match="has no folders; it needs one for each class"):
            image_folder(tmp_path, "x")
        (tmp_path / "cat").mkdir()
        with pytest.raises(FileNotFoundError, match=r"cat holds no image \(\.png, "):
            image_folder(tmp_path, "x")
        with pytest.raises(ValueError, match="There are no images"):
            decoded_images([], str)

    def test_a_corrupt_file_is_named(self, tmp_path):
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "0.png").write_bytes(encoded(TRAIN[0])[:-900])
        with pytest.raises(ValueError, match=r"0\.png is not a sound image"):
            image_folder(tmp_path, "x")

    def test_of_other_classes_is_no_cifar(self, tmp_path):
        as_folders(tmp_path)
        (tmp_path / "train" / "cat").rename(tmp_path / "train" / "lynx")
        with pytest.raises(ValueError, match=r"like the classes of cifar10; they differ in cat, lynx"):
            cifar10(tmp_path)
