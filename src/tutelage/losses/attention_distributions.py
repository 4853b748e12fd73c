"""Match what each token looks at: the distributions of attention, head by head."""

from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.kd import not_negative, weighted
from tutelage.losses.token_relations import WANG, mean_over_tokens, tokens_that_count
from tutelage.shapes import Divergence, ScoreMap, at_least_float32

CITATIONS = {"attention_distributions": WANG}


def attention_distributions(student: ScoreMap, teacher: ScoreMap, mask: Tensor | None = None) -> Divergence:
    r"""``mean_nht KL(softmax(a^t) ‖ softmax(a^s))`` of the scores of attention (N, heads, T, T), in nats.

    Scores are as they stand before the softmax, those of what a network masks very low. With ``mask`` (N, T), true or 1
    where a token counts, the mean is over the tokens that look and count; what they look at the scores say. Raises
    ``ValueError`` if the shapes differ, as they do for other numbers of heads, and for a sample without a token that
    counts.

    Wang et al., "MiniLM", NeurIPS 2020, arXiv:2002.10957, eq. 4: of the last layers, weight 1, beside the relations of
    the values (``token_relations``).

    >>> import torch
    >>> attention_distributions(torch.tensor([[[[2.0, 0.0]]]]), torch.tensor([[[[0.0, 2.0]]]]))
    tensor(1.5232)
    """
    if student.shape != teacher.shape or student.ndim != 4:
        raise ValueError(
            f"Attention scores of both are (N, heads, T, T), for as many heads; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: where the heads differ, token_relations compares."
        )
    log_s, log_t = (F.log_softmax(at_least_float32(x), dim=-1) for x in (student, teacher))
    counts = None if mask is None else tokens_that_count(mask, log_t)
    gaps = weighted(log_t.exp(), log_t - log_s).sum(-1)
    return not_negative(mean_over_tokens(gaps, counts))
