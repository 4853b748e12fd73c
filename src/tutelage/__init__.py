"""Turn a big trained network into a small, fast one, and show what that cost.

The names most people need. Each is imported when it is first used, so ``import tutelage`` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutelage.api import Distilled, compressed, distill, export, measure
    from tutelage.combine.resolve import ResolveConflicts
    from tutelage.combine.weighted_sum import WeightedSum
    from tutelage.delivery import load, save
    from tutelage.learn import train
    from tutelage.learner import Learner
    from tutelage.machine import tune_allocator
    from tutelage.objective import Objective, Term
    from tutelage.run import Run
    from tutelage.study.planning.quantised import quantised
    from tutelage.taps import Tapped
    from tutelage.teachers.cached import cached
    from tutelage.teachers.frozen import frozen

__version__ = "0.1.0"

_HOMES = {
    "Distilled": "api",
    "Learner": "learner",
    "Objective": "objective",
    "ResolveConflicts": "combine.resolve",
    "Run": "run",
    "Tapped": "taps",
    "Term": "objective",
    "WeightedSum": "combine.weighted_sum",
    "cached": "teachers.cached",
    "compressed": "api",
    "distill": "api",
    "export": "api",
    "frozen": "teachers.frozen",
    "load": "delivery",
    "measure": "api",
    "quantised": "study.planning.quantised",
    "save": "delivery",
    "train": "learn",
    "tune_allocator": "machine",
}

__all__ = [
    "Distilled",
    "Learner",
    "Objective",
    "ResolveConflicts",
    "Run",
    "Tapped",
    "Term",
    "WeightedSum",
    "cached",
    "compressed",
    "distill",
    "export",
    "frozen",
    "load",
    "measure",
    "quantised",
    "save",
    "train",
    "tune_allocator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tutelage' has no attribute {name!r}")
    return getattr(import_module(f"tutelage.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
