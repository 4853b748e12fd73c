"""Kills a run with SIGKILL at 24 random moments, in new interpreters, and compares what it leaves, bit for bit.

The long form of ``tests/e2e/test_killed.py``: several runs are killed four times each, at moments drawn anew from
``--seed``, and each must end exactly as one that was never interrupted. Exit code 0 if all do.
"""

import argparse
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from killed_recipe import afresh, go, killed, outcome

KILLS_A_RUN = 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=24, help="SIGKILLs in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    wanted = parser.parse_args()
    moments, died, differing, begun = random.Random(wanted.seed), 0, 0, time.monotonic()
    with TemporaryDirectory() as folder:
        go(Path(folder) / "undisturbed", save_every=1e9)
        expected, runs = outcome(Path(folder) / "undisturbed"), 0
        while died < wanted.kills:
            root = Path(folder) / str(runs)
            died += killed(root, [moments.uniform(0.0, 0.5) for _ in range(KILLS_A_RUN)], afresh)
            observed, runs = outcome(root), runs + 1
            changed = sorted(name for name in {*expected, *observed} if expected.get(name) != observed.get(name))
            differing += bool(changed)
            print(f"run {runs}, {died} kills so far: {'differs in ' + ', '.join(changed) if changed else 'equal'}")
    print(f"{died} kills in {runs} runs, {runs - differing} bit for bit equal; {time.monotonic() - begun:.0f} s")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
