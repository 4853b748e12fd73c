"""Files of data sets: found where they may lie, read in one idx dialect, refused in one sentence."""

import gzip
import hashlib
import struct
from functools import partial
from pathlib import Path

import pytest
import torch

from tutelage.data import find as finding
from tutelage.data import idx, mnist
from tutelage.data.find import data_folders, download_folder, find_data
from tutelage.data.labelled import Labelled

MD5 = {  # of the unzipped files as they were published
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
EMBEDDED = Path(__file__).resolve().parents[2] / "data" / "mnist"
zipped = partial(gzip.compress, mtime=0)  # the same bytes, and so the same test names, whenever it runs
CONTENT = struct.pack(">IIII", 2051, 2, 2, 3) + bytes(range(12))
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without any data: no variable, an empty working folder and cache, no clone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUTELAGE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finding, "_clone", list)
    return tmp_path


def put(folder, *names, content=b"x"):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content)
    return folder


class TestIdx:
    @pytest.mark.parametrize(("name", "written"), [("x.gz", zipped(CONTENT)), ("x", CONTENT)])
    def test_it_reads_what_was_written_zipped_or_not(self, tmp_path, name, written):
        path = put(tmp_path, name, content=written) / name
        assert idx.read_idx(path, 3, SUM).tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]

    @pytest.mark.parametrize(
        ("written", "sentence"),
        [
            (zipped(CONTENT)[:-9], "is truncated: its gzip stream stops"),
            (zipped(CONTENT)[:20] + b"\0" + zipped(CONTENT)[21:], "is not a sound gzip file"),
            (b"<html>not found</html>", "is not a sound gzip file"),
            (b"", "is truncated: 0 bytes, and its header alone has 16"),
            (zipped(CONTENT[:10]), "is truncated: 10 bytes, and its header alone has 16"),
            (zipped(CONTENT[:-1]), "is truncated: its header promises 2 x 2 x 3 = 12 bytes, and 11 follow"),
            (zipped(CONTENT + b"!"), "is too long: its header promises 2 x 2 x 3 = 12 bytes, and 13 follow"),
            (
                zipped(struct.pack(">II", 2049, 1) + b"7"),
                "has the magic number 2049, but an idx file of bytes with 3 dimensions has 2051",
            ),
            (zipped(CONTENT[:-1] + b"!"), f"expected {SUM}"),
        ],
    )
    def test_a_bad_file_gets_one_sentence_with_its_path(self, tmp_path, written, sentence):
        path = put(tmp_path, "bad.gz", content=written) / "bad.gz"
        with pytest.raises(ValueError, match=r"bad\.gz") as refusal:
            idx.read_idx(path, 3, SUM)
        assert sentence in str(refusal.value) and "\n" not in str(refusal.value)

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no file .*gone\.gz"):
            idx.read_idx(tmp_path / "gone.gz", 3, SUM)

    def test_a_file_of_nothing_is_empty(self):
        assert idx.parsed(struct.pack(">II", 2049, 0), 1, Path("x")).shape == (0,)


class TestFinding:
    def test_the_places_come_in_their_order(self, nowhere, monkeypatch):
        monkeypatch.setenv("TUTELAGE_DATA", str(nowhere / "named"))
        monkeypatch.setattr(finding, "_clone", lambda: [nowhere / "clone"])
        roots = [nowhere / "named", Path("data"), nowhere / "clone", nowhere / "cache" / "tutelage"]
        for root in roots[::-1]:  # each one found hides those after it
            put(root / "set", "a", "b.gz")
            assert find_data("set", ["a", "b"]) == [root / "set" / "a", root / "set" / "b.gz"]
        put(nowhere / "said", "a", "b")
        assert find_data("set", ["a", "b"], nowhere / "said") == [nowhere / "said" / "a", nowhere / "said" / "b"]

    def test_a_folder_may_hold_the_files_or_a_folder_called_after_the_set(self, nowhere):
        put(nowhere / "said" / "set", "a")
        assert find_data("set", ["a"], nowhere / "said") == find_data("set", ["a"], nowhere / "said" / "set")

    def test_an_explicit_folder_is_the_only_place(self, nowhere):
        put(nowhere / "data" / "set", "a")
        with pytest.raises(FileNotFoundError, match="elsewhere"):
            find_data("set", ["a"], nowhere / "elsewhere")

    def test_the_sentence_says_where_it_looked_and_what_is_missing(self, nowhere):
        put(nowhere / "data" / "set", "a")
        with pytest.raises(FileNotFoundError) as refusal:
            find_data("set", ["a", "b"])
        said = str(refusal.value)
        assert all(str(place) in said for place in data_folders("set"))
        assert "data/set (lacks b)" in said and "--data or TUTELAGE_DATA" in said and "\n" not in said

    def test_a_download_goes_where_the_set_would_be_found(self, nowhere, monkeypatch):
        assert download_folder("set", ["a"]) == nowhere / "cache" / "tutelage" / "set"
        monkeypatch.setenv("TUTELAGE_DATA", str(nowhere / "named"))
        assert download_folder("set", ["a"]) == nowhere / "named" / "set"
        assert download_folder("set", ["a"], nowhere / "said") == nowhere / "said" / "set"
        assert download_folder("set", ["a"], put(nowhere / "said", "a.gz")) == nowhere / "said"

    def test_a_clone_is_recognised_and_an_installed_package_is_none(self, tmp_path, monkeypatch):
        assert [EMBEDDED.parent] == finding._clone()
        monkeypatch.setattr(finding, "__file__", str(tmp_path / "site-packages" / "tutelage" / "data" / "find.py"))
        assert finding._clone() == []


class TestMnist:
    def test_the_embedded_set_is_the_published_one(self):
        for file, md5 in MD5.items():
            content = idx.unzipped(EMBEDDED / f"{file}.gz")
            assert hashlib.md5(content).hexdigest() == md5
            assert hashlib.sha256(content).hexdigest() == mnist.CHECKSUMS[file]

    def test_it_loads_as_two_sets(self):
        train, test = mnist.mnist(EMBEDDED)
        assert isinstance(train, Labelled) and train.name == "mnist/train" and test.name == "mnist/test"
        assert train.inputs.shape == (60000, 1, 28, 28) and test.inputs.shape == (10000, 1, 28, 28)
        assert train.inputs.dtype == torch.uint8 and torch.equal(train.index, torch.arange(60000))
        assert train.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # the first ten digits everyone knows
        assert train.targets.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert abs(train.inputs.float().mean().item() / 255 - 0.1307) < 5e-5  # the usual mean of MNIST

    def test_a_folder_that_does_not_exist_is_not_made(self, nowhere):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*typo"):
            mnist.mnist(nowhere / "typo")
        assert not (nowhere / "typo").exists()

    @pytest.mark.usefixtures("nowhere")
    def test_without_download_a_missing_set_is_refused(self):
        with pytest.raises(FileNotFoundError, match=r"needs train-images-idx3-ubyte, .* but none of these has it"):
            mnist.mnist(download=False)

    def test_labels_in_the_place_of_images_are_refused(self, nowhere):
        for file in MD5:
            put(nowhere / "mnist", f"{file}.gz", content=(EMBEDDED / "t10k-labels-idx1-ubyte.gz").read_bytes())
        with pytest.raises(ValueError, match="magic number 2049, but an idx file of bytes with 3 dimensions has 2051"):
            mnist.mnist(nowhere)

    def test_swapped_files_are_refused_by_their_checksum(self, nowhere):
        for file in MD5:
            put(nowhere, f"{file}.gz", content=(EMBEDDED / f"{file.replace('train', 't10k')}.gz").read_bytes())
        with pytest.raises(ValueError, match="is not the file as it was published"):
            mnist.mnist(nowhere)
