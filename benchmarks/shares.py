"""Which share of a run is not training: what the command itself says with ``--profile``, whole processes.

A round is a fresh `tutelage run mnist:hinton --preset quick` and the distillation of `make tour` on a budget of three
minutes, both from their first line to their report: some six minutes on two cores. A pilot trains, too, a tenth of the
minutes at most: it is not counted as what is outside of training.

    python benchmarks/shares.py [--rounds 3]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from measure import conditions, place, spread, write

from tutelage.report.shares import PROFILE, read_profile

EXAMPLE = Path(__file__).parents[1] / "examples" / "mnist_as_pictures.py"
TRAINING = ("training steps", "plan")
QUICK = "a quick run's time outside of its training steps, share"
DISTILLATION = "a distillation's time outside of its pilot and its training steps, share"
LIMITS = {QUICK: 0.08, DISTILLATION: 0.10}
STUDENT = "tutelage.models.mlp.mlp(widths=(784, 64, 10))"


def commands(folder: Path) -> dict[str, list[str]]:
    """What is profiled, by its figure."""
    own = ["--teacher", "lenet5", "--weights", str(folder / "teacher.safetensors"), "--data", str(folder / "digits")]
    return {
        QUICK: ["run", "mnist:hinton", "--preset", "quick"],
        DISTILLATION: ["distill", *own, "--student", STUDENT, "--minutes", "3"],
    }


def seconds(words: Sequence[str]) -> dict[str, float]:
    """By part of the work, of one run in a folder of its own."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "tutelage", *words, "--profile", "--quiet", "--runs", runs]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (profile,) = Path(runs).rglob(PROFILE)
        return read_profile(profile.parent)


def outside(parts: Mapping[str, float]) -> float:
    return 1 - sum(parts.get(name, 0.0) for name in TRAINING) / sum(parts.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (2 or more)")
    parser.add_argument("--out", type=Path, default=place("shares"), help="where the figures are written")
    asked = parser.parse_args()
    if asked.rounds < 2:
        parser.error(f"Quartiles need 2 rounds or more; got {asked.rounds}.")
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(EXAMPLE), folder], check=True, stdout=subprocess.DEVNULL)
        subjects = commands(Path(folder))
        taken = {name: [seconds(words) for _ in range(asked.rounds)] for name, words in subjects.items()}
    result = {
        "benchmark": "shares",
        "environment": conditions(),
        "load_average": [round(before, 2), round(os.getloadavg()[0], 2)],
        "note": "seconds by the clock, medians over rounds; a share is of all seconds of one run, its report included",
        "rounds": asked.rounds,
        "seconds": {name: {part: round(median(run[part] for run in runs), 2) for part in runs[0]}
                    for name, runs in taken.items()},
        "figures": {name: {"wall": spread([outside(run) for run in runs])} for name, runs in taken.items()},
    }  # fmt: skip
    result["targets"] = {
        name: {"limit": limit, "met": result["figures"][name]["wall"]["median"] <= limit}
        for name, limit in LIMITS.items()
    }
    write(asked.out, result)
    for name, clocks in result["figures"].items():
        print(f"{name}: {clocks['wall']['median']:.3f}, target {LIMITS[name]}", result["seconds"][name])


if __name__ == "__main__":
    main()
