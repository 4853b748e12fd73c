"""The benchmark that is made for an accelerator, on the processor: its first student, and what it leaves."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_its_first_student_and_the_teacher_are_stages(tmp_path):
    words = ["--device", "cpu", "--preset", "smoke", "--parts", "students", "--first", "1", "--workers", "1"]
    command = [sys.executable, str(BENCHMARKS / "accelerator.py"), "--out", str(tmp_path), "--seconds", "100", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert ended.returncode == 0, ended.stderr[-2000:]
    figures = json.loads((tmp_path / "accelerator.json").read_text())
    assert [said.partition(" in ")[0] for said in figures["students"].values()] == ["trained"]
    (record,) = (tmp_path / "runs" / "accelerator cifar100-conflicts").glob("*/stages.json")
    keys = {stage["key"] for stage in json.loads(record.read_text())}
    assert keys == {place.name for place in (tmp_path / "runs" / "stages").iterdir()}
