"""Where an answer begins and ends in a text: a teacher's two distributions over its tokens, as on SQuAD."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from tutelage.losses.kd import soft_targets
from tutelage.losses.masked import as_mask

CITATIONS: dict[str, str] = {}  # of losses that are drawn by their types, which a mask has none of
ENDS = 2
"""A logit of the start and one of the end, for each token."""


def span_targets(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float = 2.0) -> Tensor:
    r"""``½ T² (KL_start + KL_end)`` over the tokens where ``mask`` (N, T) holds; logits (N, T, 2), start before end.

    A softmax runs over the tokens of a text, and not over those that may be no answer: padding, the question. The
    published α is 0.5, beside as much of ``span_labels``. Raises ``ValueError`` for other shapes, and for a text in
    which no token may be an answer.

    Sanh et al., "DistilBERT", 2019, arXiv:1910.01108; huggingface/transformers-research-projects,
    run_squad_w_distillation.py.

    >>> import torch
    >>> logits = torch.tensor([[[2.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    >>> span_targets(torch.zeros(1, 3, 2), logits, torch.tensor([[1, 1, 0]]), temperature=1.0)
    tensor(0.3278)
    """
    starts_and_ends = [_over_tokens(x, mask) for x in (student, teacher)]
    ours, theirs = (x.flatten(0, 1) for x in starts_and_ends)
    return soft_targets(ours, theirs, temperature)


def span_labels(student: Tensor, places: Tensor, mask: Tensor) -> Tensor:
    """The mean cross entropy of start and end with their true ``places`` (N, 2), int64, over the same tokens.

    Raises as ``span_targets``, and ``ValueError`` for a place that may be no answer.
    """
    if places.shape != (len(student), ENDS) or not bool(as_mask(mask).gather(1, places).all()):
        raise ValueError(f"The places of answers are (N, 2), at tokens that count; got {tuple(places.shape)}.")
    return cross_entropy(_over_tokens(student, mask).flatten(0, 1), places.T.flatten())


def _over_tokens(logits: Tensor, mask: Tensor) -> Tensor:
    """Start and end (2, N, T), at minus infinity where no answer may be."""
    counts = as_mask(mask)
    if logits.shape != (*counts.shape, ENDS):
        raise ValueError(
            f"A span has a start and an end for each token, (N, T, 2), and a mask (N, T); got {tuple(logits.shape)} "
            f"and {tuple(counts.shape)}."
        )
    if not bool(counts.any(1).all()):
        empty = int((~counts.any(1)).nonzero()[0])
        raise ValueError(f"Text {empty} of the batch has no token that may be an answer; leave it out.")
    return logits.movedim(-1, 0).masked_fill(~counts, -float("inf"))
