"""Training with the rounding of int8 in the forward pass, by labels or any method: what is lost is learnt back."""

from dataclasses import replace

from torch import nn

from tutelage.compress.fake_quantised import fill_, freeze_
from tutelage.optimizers.masked import masked
from tutelage.schemes.by_method import AnyTeaching
from tutelage.schemes.penalised import penalised
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import STUDENT
from tutelage.stages.stage import Stage


def quantisation_aware(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    start: nn.Module,
    teaching: AnyTeaching | None = None,
    frozen: bool = False,
) -> None:
    """Fit what ``teaching`` says, or the labels alone, with a ``model`` that ``compress.fake_quantised`` builds.

    It begins with the weights of ``start``, a trained network of the same architecture; the plan's rate is to be a
    tenth to a hundredth of what that was trained with. A second stage, which starts from the first one, is ``frozen``:
    ranges and the statistics of batch norms stay as they are, so that the last epochs round as the file will. Weights
    that are 0 at the start stay 0.

    Raises ``ValueError`` for a ``start`` of another architecture.
    """
    fill_(model, start)
    if frozen:
        freeze_(model)
    rounded = {f"{STUDENT}{name}" for name, _ in model.named_parameters() if name.endswith("weight.original")}
    held = replace(plan, optimizer=masked(plan.optimizer, rounded.__contains__))
    penalised(stage, model, plan=held, penalties={}, teaching=teaching)
