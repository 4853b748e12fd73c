"""Numbers that can be computed with; what lies outside is refused in a sentence."""

LARGEST = 1e18
"""Its square is a float32 still."""


def refuse_outside(what: str, value: float, low: float, high: float) -> None:
    """Raise ``ValueError`` unless ``low ≤ value ≤ high``; what is no number is outside of everything.

    >>> refuse_outside("A power", 2.0, 1, 16)
    """
    if not low <= value <= high:
        raise ValueError(f"{what} is from {low:g} to {high:g}; got {value}.")


def refuse_no_weights(**weights: float) -> None:
    """Raise ``ValueError`` unless every weight is from 0 to 1e18, in the name of the first that is not."""
    for name, weight in weights.items():
        refuse_outside(f"A weight ({name})", weight, 0, LARGEST)


def refuse_no_temperature(temperature: float, coolest: float = 1 / LARGEST) -> None:
    """Raise ``ValueError`` unless the temperature is above 0, and neither its square nor its inverse is lost."""
    if not temperature > 0:
        raise ValueError(f"A temperature is greater than 0; got {temperature}.")
    refuse_outside("A temperature", temperature, coolest, LARGEST)
