"""How much a term counts in which epoch: weights that follow the clock of a training."""

from tutelage.objective import Clock, Weight


def falling(clock: Clock, *, first: float, last: float, epochs: int, scale: float = 1.0) -> float:
    """``scale`` times a straight line from ``first`` in the first epoch to ``last`` after ``epochs``.

    >>> [falling(Clock(epoch, 0, 0.0), first=4, last=1, epochs=500) for epoch in (0, 100, 250, 500, 600)]
    [4.0, 3.4, 2.5, 1.0, 1.0]
    """
    return scale * (first + (last - first) * min(clock.epoch / epochs, 1.0))


def rising(clock: Clock, *, begin: float, end: float, scale: float = 1.0) -> float:
    """0 up to the epoch ``begin``, then a straight line to ``scale`` at the epoch ``end``, and that from there on.

    Raises ``ValueError`` unless it ends no earlier than it begins.

    The warm-up of a variational network's KL, without which most weights are noise before they have learnt anything;
    Molchanov, Ashukha & Vetrov, ICML 2017, arXiv:1701.05369, let it rise from epoch 5 to 20 of 200 (their code).

    >>> [round(rising(Clock(epoch, 0, 0.0), begin=5, end=20), 4) for epoch in (0, 4, 5, 12, 19, 20)]
    [0.0, 0.0, 0.0, 0.4667, 0.9333, 1.0]
    """
    if not begin <= end:
        raise ValueError(f"A weight rises from an epoch, begin, to a later one, end; got {begin:g} and {end:g}.")
    if clock.epoch >= end:
        return scale
    return scale * max(clock.epoch - begin, 0.0) / (end - begin)


def until(clock: Clock, *, epoch: int, before: Weight, after: float = 0.0) -> float:
    """``before``, a number or itself a function of the clock, in the first ``epoch`` epochs; then ``after``.

    With 0 afterwards a term is no longer evaluated, and a teacher that nothing else reads is no longer asked. Raises
    ``ValueError`` in a training that ends before.

    Cho & Hariharan, "On the Efficacy of Knowledge Distillation", ICCV 2019, arXiv:1910.01348: KD stopped early.

    >>> [until(Clock(epoch, 0, 0.0), epoch=120, before=0.9) for epoch in (0, 119, 120, 199)]
    [0.9, 0.9, 0.0, 0.0]
    """
    if clock.epochs:
        refuse_no_switch(epoch, clock.epochs)
    if clock.epoch >= epoch:
        return after
    return before(clock) if callable(before) else before


def refuse_no_switch(epoch: int, epochs: int) -> None:
    """Raise ``ValueError`` unless something can be switched after ``epoch`` epochs of ``epochs``."""
    if not 0 < epoch < epochs:
        within = f"from 1 to {epochs - 1} of {epochs}" if epochs > 1 else "which takes 2 epochs or more"
        raise ValueError(f"What is switched after an epoch is so within the training, {within}; got {epoch}.")


def in_last_epoch(weight: Weight, epochs: int) -> float:
    """What ``weight`` is in the last of so many epochs.

    >>> in_last_epoch(0.5, 10), in_last_epoch(lambda clock: clock.epoch / 10, 10)
    (0.5, 0.9)
    """
    return weight(Clock(epochs - 1, 0, 1.0, epochs)) if callable(weight) else weight
