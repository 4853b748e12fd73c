"""Match the scores of attention before their softmax, place by place."""

import torch
from torch import Tensor

from tutelage.losses.token_relations import mean_over_tokens, tokens_that_count
from tutelage.shapes import Divergence, ScoreMap, at_least_float32

CITATIONS = {
    "attention_scores": r"""@inproceedings{jiao2020tinybert,
  title     = {{TinyBERT}: Distilling {BERT} for Natural Language Understanding},
  author    = {Jiao, Xiaoqi and Yin, Yichun and Shang, Lifeng and Jiang, Xin and Chen, Xiao and Li, Linlin and Wang,
               Fang and Liu, Qun},
  booktitle = {Findings of the Association for Computational Linguistics},
  year      = {2020},
  url       = {https://arxiv.org/abs/1909.10351}
}"""
}
MASKED = -100.0
"""Scores up to this one are those of places that a network masks."""


def attention_scores(student: ScoreMap, teacher: ScoreMap, mask: Tensor | None = None) -> Divergence:
    r"""Mean squared difference of the unnormalised attention scores (N, heads, T, T), ``mean_nhij (a^s − a^t)²``.

    Scores of −100 or less, which a network gives to what it masks, are 0 in both, as in the authors' code: places of
    padding then count as places where both agree. With ``mask`` (N, T), true or 1 where a token counts, the mean is
    over the pairs of tokens that do, in each sample. A sum over layers is ``tutelage.matching.one_to_one``; of ``12``
    teacher layers and ``4`` of the student, published are those numbered 2, 5, 8 and 11, and for the hidden states
    (``hint.mean_squares`` behind a projector that they share) 0, 3, 6, 9 and 12, where 0 are the embeddings. Raises
    ``ValueError`` if the shapes differ, and for a sample without a token that counts.

    Jiao et al., "TinyBERT", 2020, arXiv:1909.10351, eq. 7; github.com/huawei-noah/Pretrained-Language-Model. Weight 1
    for each layer.

    >>> attention_scores(torch.full((1, 1, 2, 2), 3.0), torch.tensor([[[[1.0, 3.0], [3.0, -1e4]]]]))
    tensor(3.2500)
    """
    if student.shape != teacher.shape or student.ndim != 4:
        raise ValueError(
            f"Attention scores of both are (N, heads, T, T), for as many heads; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: where the heads differ, token_relations compares."
        )
    s, t = (torch.where(x <= MASKED, 0.0, x) for x in map(at_least_float32, (student, teacher)))
    squares = (s - t).square()
    if mask is None:
        return squares.mean()
    counts = tokens_that_count(mask, squares)
    keys = torch.where(counts[:, None, None], squares, 0.0).sum(-1) / counts.sum(1)[:, None, None]
    return mean_over_tokens(keys, counts)
