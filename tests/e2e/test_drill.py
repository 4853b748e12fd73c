"""Whatever happens to a run, it ends in the same bits or says so in a sentence: a few trials of every kind.

``make drill`` tries thousands.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from drills.processes import Ended

ROOT = Path(__file__).resolve().parents[2]

SENTENCE = "tutelage: the disk is full; make room and start again."


@pytest.mark.long  # of `make drill`, which is longer still
def test_a_few_of_all_trials_end_in_the_same_bits_or_in_a_sentence(tmp_path):
    words = ["benchmarks/drill.py", "--trials", "1", "--reader", "json", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    rows = json.loads((tmp_path / "drill.json").read_text())["rows"]
    assert len(rows) > 16 and all(row["tried"] == row["same bits"] + row["refused"] > 0 for row in rows.values())
    assert all(rows[kind]["same bits"] == 1 for kind in rows if kind.startswith("killed"))
    assert all(kind in (tmp_path / "drill.md").read_text() for kind in rows)


@pytest.mark.parametrize(
    ("code", "err", "refused", "faulty"),
    [
        (0, "student: done\n", False, False),
        (3, f"student: 4 epochs\n{SENTENCE}\n", True, False),
        (2, f"{SENTENCE}\n", True, False),
        (3, f"{SENTENCE}\n{SENTENCE}\n", False, False),
        (3, f"{SENTENCE}\nand more\n", False, False),
        (4, f"{SENTENCE}\n", True, False),
        (5, f"{SENTENCE}\n", False, False),
        (1, "Traceback (most recent call last):\nKeyError: 'x'\n", False, True),
        (0, "Exception ignored in: <stdout>\nOSError\n", False, True),
        (-11, "", False, True),
        (-9, "", False, False),
        (None, "", False, False),
    ],
)
def test_a_sentence_is_told_from_a_fault(code, err, refused, faulty):
    ended = Ended(("run",), code, "", err)
    assert (bool(ended.refusal), bool(ended.fault)) == (refused, faulty)
