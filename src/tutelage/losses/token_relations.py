"""Match how the tokens of a sample relate to each other, by the products of their queries, keys or values."""

from math import inf, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.kd import not_negative, weighted
from tutelage.losses.masked import as_mask
from tutelage.losses.similarity_preserving import gram_matrix
from tutelage.shapes import Divergence, HeadVectors, at_least_float32

WANG = r"""@inproceedings{wang2020minilm,
  title     = {{MiniLM}: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers},
  author    = {Wang, Wenhui and Wei, Furu and Dong, Li and Bao, Hangbo and Yang, Nan and Zhou, Ming},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020},
  url       = {https://arxiv.org/abs/2002.10957}
}
@inproceedings{wang2021minilmv2,
  title     = {{MiniLMv2}: Multi-Head Self-Attention Relation Distillation for Compressing Pretrained Transformers},
  author    = {Wang, Wenhui and Bao, Hangbo and Huang, Shaohan and Dong, Li and Wei, Furu},
  booktitle = {Findings of the Association for Computational Linguistics},
  year      = {2021},
  url       = {https://arxiv.org/abs/2012.15828}
}"""
CITATIONS = {"token_relations": WANG}


def token_relations(
    student: HeadVectors, teacher: HeadVectors, mask: Tensor | None = None, num_heads: int = 1
) -> Divergence:
    r"""``mean_nht KL(R_t ‖ R_s)`` of the relations ``R = softmax(X Xᵀ / √d)`` of the tokens of a sample, in nats.

    ``X`` are the vectors of one head, (T, d). They come as (N, heads, T, d), or as (N, T, heads · d), which is how the
    linear layer of queries, keys or values returns them: these are split into ``num_heads``. Student and teacher have
    as many heads and tokens, and **any widths**, so that nothing is projected. With ``mask`` (N, T), true or 1 where a
    token counts, the others are related to nothing. The mean over tokens is taken in each sample, as published.

    Of the values of the last layers, with the networks' own heads, it is MiniLM's value relation; beside it stands the
    divergence of the attention, which is ``soft_targets`` of its scores (or of the logs of its probabilities) with
    ``temperature=1, dim=-1``. MiniLMv2 has it of queries, of keys and of values, with more heads than the networks
    have. Raises ``ValueError`` for vectors of other samples, heads or tokens, for a width that ``num_heads`` does not
    divide, and for a sample without a token that counts.

    Wang et al., "MiniLM", NeurIPS 2020, arXiv:2002.10957, eq. 5–8; "MiniLMv2", 2021, arXiv:2012.15828. Weight 1 each.

    >>> student, teacher = torch.tensor([[[[1.0], [0.0]]]]), torch.tensor([[[[0.0], [0.0]]]])
    >>> token_relations(student, teacher)
    tensor(0.0601)
    """
    s, t = in_heads(student, num_heads), in_heads(teacher, num_heads)
    if s.shape[:3] != t.shape[:3]:
        raise ValueError(
            f"Student and teacher must show vectors of the same samples, heads and tokens; got {tuple(s.shape)} and "
            f"{tuple(t.shape)}: choose as many heads for both (num_heads)."
        )
    counts = None if mask is None else tokens_that_count(mask, s)
    log_s, log_t = (_log_relations(x, counts) for x in (s, t))
    gaps = weighted(log_t.exp(), log_t - log_s).sum(-1)
    return not_negative(mean_over_tokens(gaps, counts))


def in_heads(vectors: Tensor, num_heads: int) -> Tensor:
    """(N, T, heads · d) as (N, heads, T, d), at least float32; what has heads already stays.

    >>> in_heads(torch.zeros(2, 5, 12), 3).shape
    torch.Size([2, 3, 5, 4])
    """
    x = at_least_float32(vectors)
    if x.ndim == 4:
        return x
    if x.ndim != 3 or not isinstance(num_heads, int) or num_heads < 1 or x.shape[-1] % num_heads:
        raise ValueError(
            f"Vectors of tokens are (N, heads, T, d), or (N, T, D) whose width 1 head or more divide; got "
            f"{tuple(vectors.shape)} for {num_heads}."
        )
    split: Tensor = x.unflatten(-1, (num_heads, -1)).transpose(1, 2)
    return split


def tokens_that_count(mask: Tensor, heads: Tensor) -> Tensor:
    """``mask`` (N, T) as bool, beside (N, heads, T, …). Raises ``ValueError`` where it does not fit, or a row is empty.

    The latter is looked at on a CPU only: elsewhere it would make the machine wait.
    """
    counts = as_mask(mask)
    if counts.shape != (heads.shape[0], heads.shape[2]):
        raise ValueError(
            f"A mask says of each token whether it counts, {(heads.shape[0], heads.shape[2])}; got {tuple(mask.shape)}."
        )
    if counts.is_cpu and not bool(counts.any(1).all()):
        empty = int((~counts.any(1)).nonzero()[0])
        raise ValueError(f"Sample {empty} of the batch is nothing but padding (its mask is 0); leave it out.")
    return counts


def mean_over_tokens(x: Tensor, counts: Tensor | None) -> Tensor:
    """The mean of (N, heads, T) over heads and the tokens that count (N, T), and then over samples."""
    if counts is None:
        return x.mean()
    each = torch.where(counts[:, None], x, 0.0).sum(2) / counts.sum(1)[:, None]
    return each.mean()


def _log_relations(x: Tensor, counts: Tensor | None) -> Tensor:
    scores = gram_matrix(x / sqrt(sqrt(x.shape[-1])))
    return F.log_softmax(scores if counts is None else scores.masked_fill(~counts[:, None, None], -inf), dim=-1)
