"""Turn a big trained network into a small, fast one, and show what that cost.

The names most people need. Each is imported when it is first used, so ``import tutelage`` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutelage.combine import ResolveConflicts, WeightedSum
    from tutelage.learn import train
    from tutelage.learner import Learner
    from tutelage.objective import Objective, Term
    from tutelage.run import Run, load
    from tutelage.speakers.cached import cached
    from tutelage.speakers.frozen import frozen
    from tutelage.taps import Tapped

__version__ = "0.1.0"

_HOMES = {
    "Learner": "learner",
    "Objective": "objective",
    "ResolveConflicts": "combine",
    "Run": "run",
    "Tapped": "taps",
    "Term": "objective",
    "WeightedSum": "combine",
    "cached": "speakers.cached",
    "frozen": "speakers.frozen",
    "load": "run",
    "train": "learn",
}

__all__ = [
    "Learner",
    "Objective",
    "ResolveConflicts",
    "Run",
    "Tapped",
    "Term",
    "WeightedSum",
    "cached",
    "frozen",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tutelage' has no attribute {name!r}")
    return getattr(import_module(f"tutelage.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
