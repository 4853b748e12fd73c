"""What reading a pickle would take, found out without reading it: some take all memory, some end the process."""

import pickletools
from os import SEEK_CUR
from typing import IO, Any

DEEPEST = 100
"""Tuples inside of each other; as the key of a mapping, too many overflow the stack of Python itself."""
_DEEPER = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ", "NEWOBJ_EX"}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_MARK = pickletools.markobject


def refuse_bomb(file: IO[bytes], pickles: int = 1) -> None:
    """Raise ``ValueError`` where one of the first ``pickles`` in ``file`` is none, or reading it would do harm.

    A damaged number of the table of what was met before makes Python's reader clear as much memory as it says.
    """
    for _ in range(pickles):
        if not file.read(1):
            return
        file.seek(-1, SEEK_CUR)
        depths, marks, known = [0], [], dict[int, int]()  # of what would be on the reader's stack, and in its table
        argument: Any
        for place, (operation, argument, _) in enumerate(pickletools.genops(file), 1):
            name, before = operation.name, operation.stack_before
            if name == "MARK":
                marks.append(len(depths))
                continue
            if name in _PUT:
                if argument > place:
                    raise ValueError(f"it numbers {argument} things and holds fewer")
                known[argument] = depths[-1]
                continue
            if name == "MEMOIZE":
                known[len(known)] = depths[-1]
                continue
            start = (
                (marks.pop() if marks else 0) - before.index(_MARK) if _MARK in before else len(depths) - len(before)
            )
            depth = max(depths[max(start, 0) :], default=0) + (name in _DEEPER)
            del depths[max(start, 1) :]
            if depth > DEEPEST:
                raise ValueError(f"it holds tuples inside of each other, more than {DEEPEST} deep")
            depths += [known.get(argument, 0) if name in _GET else depth] * len(operation.stack_after)
