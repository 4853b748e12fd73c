"""The unit tests as other machines would run them: other instructions, no oneDNN, more threads, other seeds.

    python tests/everywhere.py [--only TEXT] [--workers N] [pytest's own arguments]

Twenty-three runs of the suite, not their product: all instructions × oneDNN on and off × one and two threads, ten seeds
on the processor as it is, and one run in which the processor says the opposite of whether bfloat16 pays. Instructions
are narrowed for PyTorch's own kernels, for oneDNN's and for MKL's; those that this processor lacks are named and left
out. Prints a table, and leaves with 1 if any test failed, was skipped, or did not run on what was asked for.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import torch

from tutelage.machine import cores, gains_from_bfloat16

ROOT = Path(__file__).resolve().parents[1]
SUITE = ["tests/unit", "tests/contract", "tests/reference", "src"]
FEATURES = {"default": (), "avx2": ("avx2", "fma3"), "avx512": ("avx512_f", "avx512_bw", "avx512_dq", "avx512_vl")}
"""Instructions as ``ATEN_CPU_CAPABILITY`` names them, and what a processor needs for them."""
ISA = {"default": "SSE41", "avx2": "AVX2", "avx512": "AVX512_CORE"}  # the same for oneDNN
BRANCH = {"default": "COMPATIBLE", "avx2": "AVX2", "avx512": "AVX512"}  # the same for MKL
COLUMNS = "{:>12} {:>6} {:>7} {:>4} {:>8} | {:>6} {:>6} {:>7} {:>7}"


class Combination(NamedTuple):
    """What a run of the tests is given."""

    instructions: str = "all"
    onednn: str = "on"
    threads: int = 1
    seed: int = 0
    bfloat16: str = "own"

    def environment(self) -> dict[str, str]:
        narrowed = {} if self.instructions == "all" else {
            "ATEN_CPU_CAPABILITY": self.instructions,
            "ONEDNN_MAX_CPU_ISA": ISA[self.instructions],
            "MKL_CBWR": BRANCH[self.instructions],
        }  # fmt: skip
        return narrowed | {
            "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait in a loop would take the cores from those that work
            "TUTELAGE_TEST_ONEDNN": self.onednn,
            "TUTELAGE_TEST_THREADS": str(self.threads),
            "TUTELAGE_TEST_SEED": str(self.seed),
            "TUTELAGE_TEST_BFLOAT16": self.bfloat16,
        }

    def header(self) -> str:
        """The line in which the tests say what they run on."""
        kernels = torch.backends.cpu.get_cpu_capability() if self.instructions == "all" else self.instructions.upper()
        gains = gains_from_bfloat16("cpu") != (self.bfloat16 == "opposite")
        return (
            f"kernels: {kernels}, oneDNN {self.onednn}, threads {self.threads}, seed {self.seed}, "
            f"bfloat16 {'gains' if gains else 'does not gain'}"
        )


class Outcome(NamedTuple):
    """What came of a run: the number of tests that passed, the names of the others, and its wall-clock time."""

    passed: int
    failed: list[str]
    skipped: list[str]
    seconds: float
    output: str

    @property
    def green(self) -> bool:
        return self.passed > 0 and not self.failed and not self.skipped


def available(instructions: str) -> bool:
    """Asked of the processor: PyTorch takes any capability that it is told, and the first such instruction kills it."""
    features = torch.cpu.get_capabilities()
    return all(features.get(name) is True for name in FEATURES[instructions])


def combinations() -> Iterator[Combination]:
    onednn = ["on", "off"] if torch.backends.mkldnn.is_available() else ["off"]
    for row in product(filter(available, FEATURES), onednn, (1, 2)):
        yield Combination(*row)
    for seed in range(10):
        yield Combination(onednn=onednn[0], seed=seed)
    yield Combination(onednn=onednn[0], bfloat16="opposite")


def lacking() -> Iterator[str]:
    """A line for everything that cannot be tried here."""
    for instructions in FEATURES:
        if not available(instructions):
            yield f"not tried: {instructions}, which this processor lacks"
    if not torch.backends.mkldnn.is_available():
        yield "not tried: oneDNN, which this PyTorch is built without"


def run(combination: Combination, workers: int, arguments: list[str]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "--tb=short", f"--junitxml={report}", "-n", str(workers)]
        command += [f"--hypothesis-seed={combination.seed}", *SUITE, *arguments]
        begin = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | combination.environment(), capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - begin
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    failed, skipped = (names(cases, *outcomes) for outcomes in (("failure", "error"), ("skipped",)))
    if not failed and (done.returncode or combination.header() not in done.stdout):
        failed = [f"the run, which ends with 0 and says {combination.header()!r} where all is well"]
    passed = len(cases) - len(names(cases, "failure", "error", "skipped"))
    return Outcome(passed, failed, skipped, seconds, done.stdout + done.stderr)


def names(cases: list[ElementTree.Element], *outcomes: str) -> list[str]:
    """The tests that ended in one of these ways."""
    return [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if any(case.find(outcome) is not None for outcome in outcomes)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a part of a row's text, such as 'avx2' or 'opposite'")
    parser.add_argument("--workers", type=int, default=cores(), help="processes of pytest; 0: this one's child alone")
    options, arguments = parser.parse_known_args()
    rows = [row for row in combinations() if options.only in " ".join(map(str, row))]
    for line in lacking():
        print(line)
    print(COLUMNS.format(*Combination._fields, "passed", "failed", "skipped", "seconds"), flush=True)
    outcomes = []
    for row in rows:
        outcome = run(row, options.workers, arguments)
        outcomes.append(outcome)
        counts = outcome.passed, len(outcome.failed), len(outcome.skipped), f"{outcome.seconds:.0f}"
        print(COLUMNS.format(*row, *counts), *outcome.failed, *outcome.skipped, sep="\n    ", flush=True)
    for row, outcome in zip(rows, outcomes, strict=True):
        if not outcome.green:
            print(f"\n==== {' '.join(map(str, row))}\n{outcome.output}")
    return 0 if outcomes and all(outcome.green for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
