"""Numbers as a reader wants them: never more digits than their uncertainty carries."""

import math
import re

Number = int | float
MINUS = "−"


def decimal_places(spread: float) -> int:
    """Places after the point that an uncertainty of ``spread`` supports: its first digit is the last one shown.

    >>> decimal_places(3.6), decimal_places(0.12), decimal_places(0.034), decimal_places(40)
    (0, 1, 2, 0)
    """
    return max(0, -math.floor(math.log10(spread))) if 0 < spread < math.inf else 0


def decimals(spread: float) -> int:
    """Places after the point where the uncertainty itself is shown: one digit of it, two where it starts with 1.

    >>> decimals(3.6), decimals(0.12), decimals(0.034), decimals(40)
    (0, 2, 2, 0)
    """
    if not 0 < spread < math.inf:
        return 0
    power = math.floor(math.log10(spread))
    return max(0, int(round(spread / 10**power, 6) < 2) - power)


def true_minus(words: str) -> str:
    """``words`` whose negative numbers have a minus for a sign, not a hyphen.

    >>> true_minus("-2 to -0.18 in cifar-100, 1e-05")
    '−2 to −0.18 in cifar-100, 1e-05'
    """
    return re.sub(r"(?<![\w.-])-(?=\d)", MINUS, words)


def significant(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant digits and without an exponent.

    >>> significant(0.01234), significant(1234.5), significant(0)
    ('0.0123', '1,234', '0')
    """
    if value == 0:
        return "0"
    return true_minus(f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}")


def exact(value: Number) -> str:
    """A number that is known exactly, as it was given: ``74``, ``13.2``, ``10,000``."""
    return true_minus(f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}")


def rounded(value: float, spread: float) -> str:
    """``value`` to the places that ``spread`` supports; exact values (spread 0) as they are, to three digits."""
    if spread <= 0:
        return exact(value) if float(value).is_integer() else significant(value)
    return true_minus(f"{value:,.{decimal_places(spread)}f}")


def measured(value: float, spread: float, like: float | None = None, *, more: int = 0) -> str:
    """``value`` to three digits, but at most to one more place than ``spread`` supports; a count as a whole number.

    Bounds are as long as the value that they are ``like``, so that rows which chance would round to one stay apart.
    ``more`` places are added where that does not suffice.

    >>> measured(2.0837, 0.31), measured(58.951, 0.97), measured(0.4, 0.31, like=2.0837), measured(103, 20)
    ('2.08', '59.0', '0.40', '103')
    >>> measured(58.951, 0.97, more=1)
    '58.95'
    """
    like = value if like is None else like
    if spread <= 0 or float(like).is_integer():
        return rounded(value, spread)
    places = max(0, 2 - math.floor(math.log10(abs(like))))
    certain = decimal_places(spread)
    return true_minus(f"{value:,.{max(certain, min(places, certain + 1)) + more}f}")


def plus_minus(mean: float, sd: float | None, *, more: int = 0) -> str:
    """``92 ± 4``: mean and standard deviation to the digits of the latter; the mean alone where ``sd`` is None.

    ``more`` places are added.

    >>> plus_minus(91.7, 4.2), plus_minus(13.25, 0.12), plus_minus(98, None)
    ('92 ± 4', '13.25 ± 0.12', '98')
    """
    if sd is None:
        return rounded(mean, 0)
    digits = decimals(sd) + more
    return true_minus(f"{mean:,.{digits}f} ± {sd:,.{digits}f}") if sd else f"{rounded(mean, 0)} ± 0"


def scaled(value: float) -> str:
    """``2.40 M``: three digits and k, M, G or T.

    >>> scaled(2395210), scaled(800), scaled(1_000_000)
    ('2.40 M', '800', '1.00 M')
    """
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= power:
            return f"{significant(value / power)} {letter}"
    return exact(value)


def byte_size(count: float) -> str:
    """Bytes as ``9.58 MB`` (powers of a thousand)."""
    text = scaled(count)
    return f"{text}B" if text[-1] in "kMGT" else f"{text} B"


def time_text(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> time_text(880.2), time_text(4.26), time_text(7322)
    ('14 min 40 s', '4.3 s', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def times(ratio: float) -> str:
    """``2.1 ×``: a ratio to two digits (three from 10 on).

    >>> times(2.13), times(12.34)
    ('2.1 ×', '12.3 ×')
    """
    return f"{significant(ratio, 3 if ratio >= 10 else 2)} ×"


def probability(p: float) -> str:
    """A p-value to two digits; ``< 0.001`` below."""
    return "< 0.001" if p < 0.001 else significant(p, 2)


def unbroken(words: str) -> str:
    """``words`` whose numbers, signs and units do not part at the end of a line."""
    return re.sub(r" (?=[±×%])|(?<=±) ", "\u00a0", words)


def two_places(value: float) -> str:
    """Two places and a true minus: ``0.12``, ``−0.05``, ``0`` for what is nothing at two places.

    >>> two_places(0.123), two_places(-0.051), two_places(-0.001)
    ('0.12', '−0.05', '0')
    """
    words = f"{abs(value):.2f}"
    if not words.strip("0."):
        return "0"
    return f"{MINUS if value < 0 else ''}{words}"


def whole_percent(value: float) -> str:
    """A share in whole per cent: ``83 %``."""
    return f"{rounded(100 * value, 1)} %"
