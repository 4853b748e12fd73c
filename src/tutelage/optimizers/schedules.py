"""The course of a learning rate over a training of so many steps: its factor at each step."""

from collections.abc import Callable
from math import cos, pi
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int], Callable[[int], float]]
"""Number of steps -> (step, from 0 -> factor of the learning rate)."""


def cosine(steps: int) -> Callable[[int], float]:
    """From 1 down to 0 along half a cosine.

    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, arXiv:1608.03983.

    >>> [round(cosine(4)(step), 2) for step in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """
    return lambda step: 0.5 * (1 + cos(pi * min(step / steps, 1.0)))


def stepwise(steps: int, at: tuple[float, ...], by: float = 0.1) -> Callable[[int], float]:
    """``by`` times less after each of the shares ``at`` of all steps.

    Drops after 150, 180 and 210 of 240 epochs, as in most tables of CIFAR-100, are ``partial(stepwise, at=(150 / 240,
    180 / 240, 210 / 240))``.

    >>> [round(stepwise(8, at=(0.5, 0.75))(step), 4) for step in range(8)]
    [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    drops = [round(share * steps) for share in at]
    return lambda step: by ** sum(step >= drop for drop in drops)


def one_cycle(steps: int, rise: float = 0.2) -> Callable[[int], float]:
    """Up to 1 over the share ``rise`` of the steps, then down to 0, both in straight lines: for short trainings.

    Step ``n`` gets the value in its middle, so that no step is wasted on a factor of 0.
    Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018,
    arXiv:1708.07120, without its last, very low phase.

    >>> [round(one_cycle(5)(step), 3) for step in range(5)]
    [0.5, 0.875, 0.625, 0.375, 0.125]
    """
    top = max(rise * steps, 1e-9)
    return lambda step: max(min((step + 0.5) / top, (steps - step - 0.5) / max(steps - top, 1e-9)), 0.0)


def constant(_steps: int) -> Callable[[int], float]:
    """1 at every step.

    >>> [constant(3)(step) for step in range(3)]
    [1.0, 1.0, 1.0]
    """
    return lambda _step: 1.0


def truncated(steps: int, schedule: Schedule, share: float) -> Callable[[int], float]:
    """How ``schedule`` begins: the first ``share`` of a training of ``steps / share`` steps, which ends there.

    A training that is cut off has made fewer of the schedule's drops, or none; a shorter training with ``schedule``
    itself makes them all. Cho & Hariharan, "On the Efficacy of Knowledge Distillation", ICCV 2019, arXiv:1910.01348,
    stop teachers early in the latter way. Raises ``ValueError`` for a share that is not above 0 and at most 1.

    >>> [round(truncated(3, cosine, share=0.75)(step), 2) for step in range(3)]
    [1.0, 0.85, 0.5]
    """
    if not 0 < share <= 1:
        raise ValueError(f"A training is cut off after a share of more than 0 and at most 1 of it; got {share}.")
    return schedule(round(steps / share))
