"""Objectives of language models, by the addresses of layers: which ones these are nobody can guess from a network."""

from collections.abc import Sequence
from functools import partial

from torch import nn
from torch.nn.functional import cross_entropy

from tutelage.losses.attention_distributions import attention_distributions
from tutelage.losses.attention_scores import attention_scores
from tutelage.losses.chunked import chunked
from tutelage.losses.cosine_distance import cosine_distance
from tutelage.losses.hint import mean_squares
from tutelage.losses.kd import soft_targets
from tutelage.losses.masked import masked
from tutelage.losses.policy_gradient import sequence_reverse_kl
from tutelage.losses.token_relations import token_relations
from tutelage.matching.one_to_one import one_to_one
from tutelage.matching.projected import projected
from tutelage.methods.pair import Pair
from tutelage.objective import Loss, Objective, Term, Weight

MASK, LABELS = "batch.attention_mask", "batch.labels"
IGNORED = -100


def triple_loss(
    student_hidden: str,
    teacher_hidden: str,
    *,
    soft: Weight = 5.0,
    label: Weight = 2.0,
    direction: Weight = 1.0,
    temperature: float = 2.0,
) -> Objective:
    r"""DistilBERT's three losses: ``5 · T² KL + 2 · CE + 1 · (1 − cos)``, T = 2, as published.

    Soft targets and the directions of the hidden states are means over the tokens of ``batch.attention_mask``, the
    labels' loss over those of ``batch.labels`` that are not −100, such as ``tutelage.data.masked_tokens`` makes. The
    arguments are the addresses of the last hidden states, ``"student.transformer"`` and ``"teacher.encoder"``, of one
    width.

    Sanh, Debut, Chaumond & Wolf, "DistilBERT", 2019, arXiv:1910.01108; huggingface/transformers-research-projects,
    distillation: weights of its README.

    >>> sorted(triple_loss("student.transformer", "teacher.encoder").terms)
    ['direction', 'label', 'soft']
    """
    softened = masked(partial(soft_targets, temperature=temperature))
    return Objective(
        soft=Term(softened, "student.output", "teacher.output", MASK, weight=soft),
        label=Term(masked(cross_entropy, ignore_index=IGNORED), "student.output", LABELS, LABELS, weight=label),
        direction=Term(masked(cosine_distance), student_hidden, teacher_hidden, MASK, weight=direction),
    )


def triple_loss_in_slabs(
    student: nn.Module,
    teacher: nn.Module,
    *,
    soft: Weight = 5.0,
    label: Weight = 2.0,
    direction: Weight = 1.0,
    temperature: float = 2.0,
) -> Objective:
    r"""``triple_loss`` of two networks of ``tutelage.models.masked_language``, without all logits at a time.

    Soft targets are of the tokens of ``batch.attention_mask`` and labels of those that were hidden, a slab of either
    after the other (``tutelage.losses.chunked``): to the same values, and neither head is run for what does not count.
    A weight of 0 leaves a loss out.
    """
    heads = [network.get_submodule("head") for network in (student, teacher)]
    softened = masked(chunked(partial(soft_targets, temperature=temperature), *heads))  # type: ignore[arg-type]  # refused
    told = masked(chunked(cross_entropy, heads[0]), ignore_index=IGNORED)  # type: ignore[arg-type]  # if they are others
    hidden = "student.encoder", "teacher.encoder"
    return Objective(
        soft=Term(softened, "student.norm", "teacher.norm", MASK, weight=soft),
        label=Term(told, "student.norm", LABELS, LABELS, weight=label),
        direction=Term(masked(cosine_distance), *hidden, MASK, weight=direction),
    )


def layer_losses(
    student_hidden: Sequence[str],
    teacher_hidden: Sequence[str],
    student_scores: Sequence[str] = (),
    teacher_scores: Sequence[str] = (),
) -> Objective:
    r"""TinyBERT's losses of layers: sums over pairs of the squares of hidden states and of attention scores, weight 1.

    The student's hidden states, of the embeddings and of its layers, go through one linear map that all of them share,
    and are compared where ``batch.attention_mask`` has a token; of scores (N, heads, T, T), which a network has to
    show, those of padding are 0 in both. Of 12 layers of the teacher and 4 of the student, published are hidden states
    0, 3, 6, 9 and 12, where 0 is the embeddings, and the scores of layers 2, 5, 8 and 11, counted from 0. Raises
    ``ValueError`` where the lists are not equally long.

    Jiao et al., "TinyBERT", 2020, arXiv:1909.10351; github.com/huawei-noah/Pretrained-Language-Model.

    >>> objective = layer_losses(["student.0"], ["teacher.2"])
    >>> sorted(objective.terms)
    ['hidden']
    """
    _refuse_unequal(student_hidden, teacher_hidden)
    _refuse_unequal(student_scores, teacher_scores, least=0)
    squares = masked(one_to_one(projected(mean_squares), weights=[1.0] * len(student_hidden)))
    terms = {"hidden": Term(squares, list(student_hidden), list(teacher_hidden), MASK)}
    if student_scores:
        scores = one_to_one(attention_scores, weights=[1.0] * len(student_scores))
        terms["scores"] = Term(scores, list(student_scores), list(teacher_scores))
    return Objective(**terms)


def last_layer_relations(student: str, teacher: str, num_heads: int) -> Objective:
    r"""MiniLM's two losses of the last layers, weight 1 each: what tokens look at, and how their values relate.

    The arguments are the addresses of attention modules that show ``scores`` (N, heads, T, T) and ``value`` (N, T, D),
    as those of ``tutelage.models.encoder`` do: ``"student.layer3.attention"``, ``"teacher.layer12.attention"``. Both
    have ``num_heads`` heads, and any widths. Tokens are those of ``batch.attention_mask``.

    Wang et al., "MiniLM", 2020, arXiv:2002.10957.

    >>> sorted(last_layer_relations("student.layer3.attention", "teacher.layer12.attention", 12).terms)
    ['attention', 'values']
    """
    attention = Term(attention_distributions, f"{student}.scores", f"{teacher}.scores", MASK)
    relations = partial(token_relations, num_heads=num_heads)
    return Objective(attention=attention, values=Term(relations, f"{student}.value", f"{teacher}.value", MASK))


def tokens_in_slabs(pair: Pair, loss: Loss, hidden: str = "decoder", head: str = "head") -> Objective:
    r"""``loss`` of both networks' logits, a mean over the tokens that ``batch.target`` has, some of them at a time.

    Both networks make logits of what the layer ``hidden`` shows by the linear layer ``head``, as those of
    ``tutelage.models.causal_language`` do; neither head is run but for its slabs (``tutelage.losses.chunked``). Labels
    count only by where there are any.
    """
    heads = [network.get_submodule(head) for network in (pair.student, pair.teacher)]
    slabs = masked(chunked(loss, *heads), ignore_index=IGNORED)  # type: ignore[arg-type]  # refused if they are others
    return Objective(soft=Term(slabs, f"student.{hidden}", f"teacher.{hidden}", "batch.target"))


def policy_gradient(_pair: Pair, *, share: float = 0.2) -> Objective:
    """MiniLLM's: the reverse divergence of the texts of ``batch.target``, which were written by the student and, in
    ``share``, by the teacher (``tutelage.losses.policy_gradient``). Its loss on a further corpus is a term to be added.
    """
    loss = partial(sequence_reverse_kl, share=share)
    return Objective(policy=Term(loss, "student.output", "teacher.output", "batch.target"))


def _refuse_unequal(student: Sequence[str], teacher: Sequence[str], least: int = 1) -> None:
    if len(student) != len(teacher) or len(student) < least:
        raise ValueError(f"Layers are paired one to one; got {list(student)} and {list(teacher)}.")
