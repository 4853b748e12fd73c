"""How much of what several networks gain over one a single student has."""


def share_of_gain(alone: float, together: float, student: float, chance: float = 0.0) -> float | None:
    """``(student − alone) / (together − alone)``, or nothing where the gain ``together − alone`` is not there.

    Of all three a higher number is better; a metric that is better lower is negated first. A gain counts from more than
    ``chance`` on, 0 or more: how much chance alone may make of it, such as half the width of its interval.

    >>> round(share_of_gain(58.9, 61.1, 60.8), 2)  # frames of speech, as published
    0.86
    >>> share_of_gain(60.0, 60.2, 60.1, chance=0.5)
    """
    gain = together - alone
    return (student - alone) / gain if gain > max(chance, 0.0) else None
