"""Damaged files end in the right answer or in one sentence, whatever reads them."""

import os

import pytest

from fuzz import drill
from fuzz.drill import fuzzed, sound, survived, table
from fuzz.reader import Reader
from fuzz.readers import READERS

pytestmark = pytest.mark.slow

SLOW = {"report of a run": 20, "--from": 20}  # a page, a command line

FOUND = {
    "run of an earlier version": (1000280, 1005460, 1011704),
    "stage": (1001698, 1001816, 1003500),
    "cache": (1001594, 1001999, 1002188),
    "torch.save before 1.6": (1000842, 1003743, 1021684),
    "parquet": (1009352, 1012508, 1017393),
    "parquet, packed": (1001104, 1004730, 1006243),
    "exported program": (33, 398),
    "onnx": (0, 5551, 8478, 9290),
    "report of a run": (2540, 3394, 5351, 9785),
    "vocabulary": (293,),
    "folder of an encoder": (287, 517),
    "layers in x.onnx": (256,),
}
"""Seeds of damage that once ended in words of Python's or torch's own."""


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damage_ends_in_the_right_answer_or_in_a_sentence(reader):
    row = fuzzed(reader, range(SLOW.get(reader.name, 80)))
    assert not row.failures and row.tried == row.right + row.refused and row.refused


@pytest.mark.parametrize("name", FOUND)
def test_what_was_once_found_stays_mended(name):
    (reader,) = [reader for reader in READERS if reader.name == name]
    row = fuzzed(reader, FOUND[name])
    assert not row.failures and row.tried == len(FOUND[name])


@pytest.mark.parametrize(
    ("read", "column"),
    [
        (lambda folder: {}[(folder / "x").read_bytes()], "other"),
        (lambda folder: (folder / "x").read_bytes().decode(), "other"),
        (lambda folder: int((folder / "x").read_bytes()), "other"),
        (lambda folder: (folder / "x").read_bytes(), "silent"),
    ],
)
def test_whatever_else_they_end_in_is_counted(read, column):
    def gently(folder):
        return "sound" if (folder / "x").read_bytes() == b"sound" else read(folder)

    poor = Reader("poor", lambda folder: (folder / "x").write_bytes(b"sound"), gently, lambda a, b, _: a == b)
    row = fuzzed(poor, range(20))
    assert getattr(row, column) > 0 and row.failures
    assert f"| poor | 20 | {row.right} | {row.refused} | {row.silent} | {row.other} |" in table([row])


def test_what_takes_too_much_memory_is_counted(monkeypatch):
    monkeypatch.setattr(drill, "_peak", iter((0, 2**30)).__next__)
    row = fuzzed(Reader("large", lambda folder: (folder / "x").write_bytes(b"sound"), lambda _: 0), range(1))
    assert row.other == 1 and "took 1024 MiB" in row.failures[0]


def test_what_ends_the_process_is_counted():
    def read(folder):
        return (folder / "x").read_bytes() == b"sound" or os._exit(1)

    row = survived(Reader("fatal", lambda folder: (folder / "x").write_bytes(b"sound"), read), range(20))
    assert row.other == 1 and "ended the process" in row.failures[0] and row.tried < 20


def test_a_seed_damages_alike(tmp_path):
    (reader,) = [x for x in READERS if x.name == "json"]
    sound(reader, tmp_path / "files")
    assert fuzzed(reader, range(30, 60)) == fuzzed(reader, range(30, 60))
