"""On-policy distillation: a share of the texts is what the student writes, and the teacher judges it there."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from tutelage.data.batches import Batch
from tutelage.data.on_policy import continued, on_policy
from tutelage.schemes.answers import Conditions, kept_for
from tutelage.schemes.by_method import Teaching, prepared
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.tasks.language import IGNORED


def on_own_texts(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    teaching: Teaching,
    writer: Callable[[nn.Module], nn.Module],
    prompt: int,
    share: float = 0.5,
    seed: int = 0,
) -> None:
    """Fit the objective of ``teaching``; a ``share`` of the batches goes on after ``prompt`` tokens as ``model`` says.

    What the student wrote is what counts of such a text, and ``teaching`` compares with a teacher alone: of the
    student's own words no label is known. ``writer(model)`` gives logits after the last token, (N, 1, V). No answer of
    the teacher is kept. Raises ``ValueError`` for a share outside 0 … 1, and for prompts that are no part of a text.

    Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, arXiv:2306.13649 (GKD).
    """
    length = plan.lesson.train.inputs.shape[1]
    if not 1 <= prompt <= length:
        raise ValueError(f"A prompt has 1 to {length} tokens, as long as a text is; got {prompt}.")
    conditions = Conditions(stage.shared, stage.precision, stage.exact)
    objective, teachers = prepared(model, replace(teaching, cache_views=0), plan, conditions, kept_for(stage))
    written = partial(_written, writer(model), prompt, seed)
    learner = plan.learner(model, objective, teachers, teaching.combine())
    plan.train(stage, learner, partial(on_policy, written=written, share=share, seed=seed))


def _written(writer: Callable[[Tensor], Tensor], prompt: int, seed: int, batch: Batch, epoch: int) -> Batch:
    """The texts of ``batch`` as the student goes on with them, as many tokens as there were."""
    inputs = batch["input"]
    length = inputs.shape[1] + 1 - prompt
    tokens = continued(writer, inputs[:, :prompt], length, seed=seed, epoch=epoch, index=batch["index"])
    target = tokens[:, 1:].clone()
    target[:, : prompt - 1] = IGNORED
    return {**batch, "input": tokens[:, :-1], "target": target}
