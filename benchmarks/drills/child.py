"""A command in a process of its own, to which something happens.

``python -m drills.child SPEC``, or forked from a process that has imported everything. ``SPEC`` is JSON: the command's
words, and the troubles that come first, each with its name and its arguments.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from drills import troubles

REFUSED = 3


def perform(spec: Mapping[str, Any]) -> int:
    """Do what ``spec`` says, and return the exit code of the command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us may have been told to ignore it
    afterwards = [getattr(troubles, name)(*arguments) for name, *arguments in spec["troubles"]]
    try:
        return _done(spec["words"])
    finally:
        for last in filter(None, afterwards):
            last()


def forked(spec: Mapping[str, Any], out: str, err: str) -> None:
    """The same in a child of the fork server, whose own output is that of the server."""
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.exit(perform(spec))


def _done(words: Sequence[str]) -> int:
    if words[0] == "load":
        return _load(words[1])
    if words[0] == "fuzz":
        return _fuzz(*words[1:])
    from tutelage.cli.command import main

    return main(words)


def _load(folder: str) -> int:
    """Print who the delivered student is; one sentence on standard error where it is refused as documented."""
    import tutelage
    from tutelage.teachers.cached import weights_hash

    allowed = {"allow": ["killed_recipe"]} if "allow" in signature(tutelage.load).parameters else {}
    try:
        print(weights_hash(tutelage.load(folder, **allowed)))
    except (ValueError, OSError) as refusal:
        print(f"tutelage: {refusal}", file=sys.stderr)
        return REFUSED
    return 0


def _fuzz(name: str, inputs: str, seed: str, keep: str) -> int:
    """Print what became of a reader's damaged inputs."""
    from fuzz.drill import fuzzed
    from fuzz.readers import READERS

    (reader,) = (reader for reader in READERS if reader.name == name)
    print(json.dumps(asdict(fuzzed(reader, range(int(seed), int(seed) + int(inputs)), Path(keep)))))
    return 0


if __name__ == "__main__":
    sys.exit(perform(json.loads(sys.argv[1])))
