"""Damaged files end in the right answer or in one sentence, whatever reads them."""

import os

import pytest

from fuzz import drill
from fuzz.drill import fuzzed, sound, survived, table
from fuzz.reader import Reader
from fuzz.readers import READERS

SLOW = {"report of a run": 20, "--from": 20}  # a page, a command line


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_damage_ends_in_the_right_answer_or_in_a_sentence(reader):
    row = fuzzed(reader, range(SLOW.get(reader.name, 200)))
    assert not row.failures and row.tried == row.right + row.refused and row.refused


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
