"""How small or how fast a network is to be, in the words of people: by its file, by the clock, or by a count."""

import re

from tutelage.compress.budget import Budget, budget

TIMES = re.compile(r"(\d+\.?\d*|\.\d+)\s*(?:x|×|times)\s*(smaller|faster)")
SIZE = re.compile(r"(\d+\.?\d*|\.\d+)\s*(k|m|g|)(?:b|bytes?)")
UNITS = {"smaller": "bytes", "faster": "ms"}
PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
COUNTED = {"bytes": "parameters", "ms": "MACs"}
"""What is taken out of a network so that its file shrinks, or its answer comes sooner."""


def target(text: str) -> Budget:
    """What a person means by ``4x smaller``, ``2x faster``, ``1 MB``, ``3 ms``, or by any budget.

    Smaller are bytes of the file, faster are milliseconds at batch 1, both a share of what the network takes as it is;
    a kB has 1,000 bytes. All else is as ``compress.budget.budget`` has it: ``quarter`` is of the MACs. Raises
    ``ValueError`` for what is none of these, and for a share that is not below 1.

    >>> target("4x smaller"), target("1.5 MB")
    (Budget(amount=0.25, unit='bytes', is_share=True), Budget(amount=1500000.0, unit='bytes', is_share=False))
    """
    words = text.strip().lower()
    if found := TIMES.fullmatch(words):
        times = float(found[1])
        if not times > 1:
            raise ValueError(f"Smaller and faster are by more than 1 time, as in '2x smaller'; got {text!r}.")
        return Budget(1 / times, UNITS[found[2]], is_share=True)
    if (found := SIZE.fullmatch(words)) and float(found[1]) > 0:
        return Budget(float(found[1]) * PREFIXES[found[2]], "bytes")
    try:
        return budget(text)
    except ValueError as wrong:
        raise ValueError(
            f"A target is said as in '4x smaller', '2x faster', '1 MB', '3 ms', '90 MMACs' or 'quarter'; got {text!r}."
        ) from wrong
