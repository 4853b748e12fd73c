"""``tutelage verify``: whether runs, stages, plans, caches and results are still what was written."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tutelage.cli.failures import DONE, FILES, Usage


def verify(words: Sequence[str]) -> int:
    """Check all files in the given folders against their checksums; nothing is changed.

    A folder is a run, a stage, a cache, a delivered student, holds plans or decoded pictures, or such things at any
    depth; so does a folder of collected results. For each thing: whole; unverified, where it has no checksums (an
    earlier version wrote it, or somebody took them away); unfinished, where the same command goes on; damaged, with
    each file that has changed or is missing, and what helps. The exit code is 3 if anything is damaged.
    """
    if flags := [word for word in words if word.startswith("-")]:
        raise Usage(f"verify has no flag {flags[0]}; `tutelage verify --help` says what it takes.")
    if not words:
        raise Usage("which folder? tutelage verify FOLDER …, such as runs.")
    from tutelage.integrity import findings

    verdicts: Counter[str] = Counter()
    for folder in map(Path, words):
        if not folder.exists():
            raise FileNotFoundError(f"There is no folder {folder}; name one that holds runs, such as runs.")
        if not folder.is_dir():
            raise Usage(f"{folder} is a file; name the folder that it lies in.")
        empty = True
        for finding in findings(folder):
            empty = False
            verdicts[finding.verdict] += 1
            print(f"{finding.verdict:<10}  {finding.kind} {finding.place}")
            for problem in finding.problems:
                print(f"            {problem}")
        if empty:
            raise Usage(f"{folder} holds no run, stage, plan, cache, student or collected result.")
    order = ("whole", "unverified", "unfinished", "damaged")
    print(", ".join(f"{verdicts[verdict]} {verdict}" for verdict in order if verdicts[verdict]))
    return FILES if verdicts["damaged"] else DONE
