"""Training with the rounding of int8 in the forward pass, by labels or any method: what is lost is learnt back."""

from torch import nn

from tutelage.compress.fake_quantised import fill_, freeze_
from tutelage.schemes.by_method import AnyTeaching
from tutelage.schemes.penalised import penalised
from tutelage.schemes.plan import Plan
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
    ranges and the statistics of batch norms stay as they are, so that the last epochs round as the file will.

    Raises ``ValueError`` for a ``start`` of another architecture.
    """
    fill_(model, start)
    if frozen:
        freeze_(model)
    penalised(stage, model, plan=plan, penalties={}, teaching=teaching)
