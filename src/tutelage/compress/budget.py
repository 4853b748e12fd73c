"""What a smaller network may cost, in the words of people."""

import re
from dataclasses import dataclass
from decimal import Decimal
from math import inf

from tutelage.compress.spending import MEASURES

PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
SHARES = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10}


@dataclass(frozen=True)
class Budget:
    """``amount`` of ``unit`` (MACs, operations, parameters or ms) for a sample, or that share of what there is."""

    amount: float
    unit: str
    is_share: bool = False

    def limit(self, whole: float) -> float:
        """The most that may be spent, in units, of a network that costs ``whole``."""
        return self.amount * whole if self.is_share else self.amount

    def __str__(self) -> str:
        return f"{100 * self.amount:g} % of the {self.unit}" if self.is_share else in_words(self.amount, self.unit)

    @property
    def in_full(self) -> str:
        """Words that ``budget`` understands as this, to the last digit: as ``str`` has it where that does.

        >>> budget("90 MMACs").in_full, budget("1234567 parameters").in_full
        ('90M MACs', '1234567.0 parameters')
        """
        if budget(str(self)) == self:
            return str(self)
        number = Decimal(repr(self.amount * (100 if self.is_share else 1)))
        return f"{number:f} % of the {self.unit}" if self.is_share else f"{number:f} {self.unit}"


def budget(text: str) -> Budget:
    """What a person means by ``90 MMACs``, ``0.3M parameters``, ``5 ms``, ``25 % of the parameters`` or ``quarter``.

    ``operations`` are MACs and one for each element that batch norm and ReLU go over. A share is of the MACs if nothing
    else is said. Raises ``ValueError`` for what says neither, and for what is not above 0, or a share that is not below
    1.

    >>> budget("90 MMACs"), budget("quarter")
    (Budget(amount=90000000.0, unit='MACs', is_share=False), Budget(amount=0.25, unit='MACs', is_share=True))
    """
    share, rest = _share(text.strip().lower())
    words = re.fullmatch(r"((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)?\s*(%?)(?:\s*of(?:\s+the)?\b)?\s*([a-z ]*)", rest)
    number, percent, unit = words.groups() if words else ("", "", "")
    is_share = share > 0 or bool(percent)
    scale, name = _unit(unit or "macs" * is_share)
    if not words or not name or bool(number) == (share > 0):
        raise ValueError(
            f"A budget is said as in '90 MMACs', '0.3M parameters', '90M operations', '5 ms', '25 %' or 'quarter'; "
            f"got {text!r}."
        )
    amount = share or float(number) * (0.01 if percent else scale)
    if not 0 < amount < (1 if is_share else inf):
        raise ValueError(f"A budget is more than 0, and a share of what there is less than all of it; got {text!r}.")
    return Budget(amount, name, is_share)


def is_budget(text: str) -> bool:
    """Whether ``text`` can be meant as a budget at all, however it is said: it begins with a number or a share.

    >>> [is_budget(x) for x in ("90 MMACs", "a quarter", ".5 GB", "resnet8", "half_net", "nets.half")]
    [True, True, True, False, False, False]
    """
    return bool(re.match(r"\s*[-+]?\.?\d", text)) or _share(text.strip().lower())[0] > 0


def in_words(amount: float, unit: str) -> str:
    """
    >>> in_words(287929692, "MACs"), in_words(4.97, "ms")
    ('287.9M MACs', '4.97 ms')
    """
    for prefix, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if amount >= scale:
            return f"{amount / scale:.4g}{prefix} {unit}"
    return f"{amount:.4g} {unit}"


def _share(text: str) -> tuple[float, str]:
    """The share that ``text`` begins with, 0 if with none, and the rest."""
    words = re.fullmatch(r"(?:an? |one )?([a-z]+)\b(.*)", text)
    return (SHARES[words[1]], words[2].strip()) if words and words[1] in SHARES else (0.0, text)


def _unit(text: str) -> tuple[float, str]:
    """How many of which unit ``text`` means: ``MMACs``, ``k parameters``; nothing where it means none."""
    known = {unit.lower(): unit for unit in MEASURES}
    for prefix, scale in PREFIXES.items():
        word = text.removeprefix(prefix).strip()
        for unit in (word, f"{word}s" if len(word) > 2 else word):
            if text.startswith(prefix) and unit in known:
                return scale, known[unit]
    return 1.0, ""
