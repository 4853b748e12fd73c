"""The learning rate of a network by a range test: a short training at ever higher rates, until its loss rises.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, arXiv:1506.01186, §3.3.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

from tutelage.optimizers.factory import Factory
from tutelage.optimizers.scheduled import scheduled
from tutelage.run import Run
from tutelage.study.planning.short_training import train_briefly
from tutelage.study.trials import Trial

LOWEST, HIGHEST = 1e-5, 10.0
"""The rates between which the test looks, as far as the loss stays finite."""
FEWEST = 20
"""Steps without which a test says nothing."""
SMOOTHED = 0.8
"""How much of the mean of the losses so far stays when the next one joins it."""
RISEN = 2.0
"""How many times as high as at its lowest a smoothed loss is where the test ends."""
SAFE = 0.1
"""The chosen rate, of that at which the loss was lowest."""


def ramp(steps: int) -> tuple[float, ...]:
    """Rates from ``LOWEST`` to ``HIGHEST``, each the same multiple of the one before it.

    >>> [round(rate, 5) for rate in ramp(3)]
    [1e-05, 0.01, 10.0]
    """
    return tuple(LOWEST * (HIGHEST / LOWEST) ** (step / (steps - 1)) for step in range(steps))


def ranged(run: Run, trial: Trial, factory: Callable[..., Factory], steps: int, floor: float = 0.0) -> float:
    """The rate for ``trial``'s student by ``factory(lr=…)``; see ``picked_rate``.

    Raises ``ValueError`` for fewer than ``FEWEST`` steps.
    """
    if steps < FEWEST:
        raise ValueError(f"A range test takes {FEWEST} steps or more; got {steps}.")
    rates = ramp(steps)
    found = train_briefly(run, trial, scheduled(factory(lr=1.0), partial(_at, rates=rates)), steps, watched=True)
    return picked_rate(rates, found.losses, floor)


def picked_rate(rates: Sequence[float], losses: Sequence[float], floor: float = 0.0) -> float:
    """A tenth of the rate at which the smoothed loss is lowest before it has doubled; two digits of it.

    It is no lower than ``floor``, unless that is more than a tenth of the rate at which the loss has doubled, or ceased
    to be finite: a ramp of a few dozen steps shows where a training breaks, but hardly where it is best, since nothing
    is learnt before the rates are high. ``losses`` are those of the first steps, each at its rate. The lowest rate of
    all where there are none.

    >>> picked_rate((1e-3, 1e-2, 1e-1, 1.0, 10.0), (5.0, 4.0, 2.0, 1.0, 99.0))
    0.1
    >>> picked_rate((1e-3, 1e-2, 1e-1, 1.0, 10.0), (5.0, 4.0, 2.0, 1.0, 99.0), floor=0.4)
    0.4
    """
    mean, best, chosen = 0.0, inf, rates[0] / SAFE
    broken = inf if len(losses) == len(rates) else rates[len(losses)]
    for step, (rate, loss) in enumerate(zip(rates, losses, strict=False), start=1):
        mean = SMOOTHED * mean + (1 - SMOOTHED) * loss
        smooth = mean / (1 - SMOOTHED**step)
        if smooth < best:
            best, chosen = smooth, rate
        if smooth > RISEN * best:
            broken = rate
            break
    return float(f"{max(SAFE * chosen, min(floor, SAFE * broken)):.1e}")


def _at(step: int, *, rates: Sequence[float]) -> float:
    return rates[min(step, len(rates) - 1)]
