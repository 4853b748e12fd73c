"""Teachers that stop early: a complete shorter training, or a longer one that is cut off.

Cho & Hariharan, "On the Efficacy of Knowledge Distillation", ICCV 2019, arXiv:1910.01348.
"""

from dataclasses import replace
from functools import partial

from tutelage.checks import refuse_too_few
from tutelage.optimizers.schedules import truncated
from tutelage.schemes.plan import Plan


def complete(plan: Plan, epochs: int) -> Plan:
    """``plan`` in ``epochs``, all of its schedule in them: as many drops, or the whole way down.

    What the paper means by an early-stopped teacher. Raises ``ValueError`` for as many epochs as ``plan`` has, or more,
    and for epochs that are not counted in whole numbers, 1 or more.
    """
    _refuse_no_fewer(plan, epochs)
    return replace(plan, epochs=epochs)


def cut_off(plan: Plan, epochs: int) -> Plan:
    """The first ``epochs`` of ``plan``, to the same bits: its rate has then fallen as far as it had by that time.

    Raises ``ValueError`` as ``complete`` does.
    """
    _refuse_no_fewer(plan, epochs)
    return replace(plan, epochs=epochs, schedule=partial(truncated, schedule=plan.schedule, share=epochs / plan.epochs))


def _refuse_no_fewer(plan: Plan, epochs: int) -> None:
    if isinstance(epochs, bool):  # which counts as 0 or 1 wherever a number is expected
        raise ValueError(f"A teacher stops early after so many epochs, a whole number; got {epochs}.")
    refuse_too_few(epochs=epochs)
    if epochs >= plan.epochs:
        raise ValueError(f"A teacher stops early after fewer epochs than its {plan.epochs}; got {epochs}.")
