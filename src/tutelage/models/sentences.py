"""A vector for a sentence: the mean of its tokens' vectors, of an encoder or of a table."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tutelage.models.counts import refuse_counts
from tutelage.models.encoder import BASE, PADDING, SEPARATOR, Encoder

RARE = 1e-3
"""The share of a token in a corpus from which on it is weighed less."""
NOTHING = -9.0
"""The logarithm of a weight that is next to nothing."""


class SentenceEncoder(nn.Module):
    """Tokens (N, T) -> (N, width): the mean of what ``encoder`` says of those that are not padding.

    Raises ``ValueError``, on a CPU, for a row of nothing but padding.
    """

    def __init__(self, encoder: nn.Module, padding: int = PADDING) -> None:
        super().__init__()
        self.encoder = encoder
        self.padding = padding

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = trimmed(tokens, self.padding)
        return mean_of_tokens(self.encoder(tokens), counting(tokens, self.padding))


class StaticSentences(nn.Module):
    """Tokens (N, T) -> (N, width): the mean of vectors from a table, each token with a learnt weight.

    ``Σ e^a x / Σ e^a`` over the tokens that are not padding, ``x`` and ``a`` from tables. Order and context say
    nothing, and an answer costs no multiplication of matrices. Raises ``ValueError`` as ``SentenceEncoder``.
    """

    def __init__(self, vocabulary: int, width: int, padding: int = PADDING) -> None:
        super().__init__()
        self.padding = padding
        self.vectors = nn.Embedding(vocabulary, width)
        self.weights = nn.Embedding(vocabulary, 1)
        nn.init.zeros_(self.weights.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = trimmed(tokens, self.padding)
        weights = self.weights(tokens).exp().squeeze(-1)
        return mean_of_tokens(self.vectors(tokens), weights * counting(tokens, self.padding))


@torch.no_grad()
def begin_table_(table: StaticSentences, vectors: Tensor, counts: Tensor, special: Sequence[int]) -> StaticSentences:
    """``table`` with what a teacher says of each token by itself, ``vectors`` (V, D), and frequent tokens weighed less.

    Of the vectors, less their mean, the principal components that the width has room for; a token that is there
    ``counts`` (V,) times in a corpus begins with the weight ``a / (a + its share)``, a = 0.001. The ``special`` tokens,
    which every text has, begin with next to nothing. Raises ``ValueError`` for tables of other sizes, and for a width
    above D or V.

    Weights: Arora, Liang & Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017. To ask for
    each token: github.com/MinishLab/model2vec.
    """
    wanted, width = table.vectors.weight.shape
    if len(vectors) != wanted or counts.shape != (wanted,) or width > min(vectors.shape):
        raise ValueError(
            f"A table of {wanted} tokens and {width} numbers begins with as many vectors, and of that width or more; "
            f"got {tuple(vectors.shape)} and counts {tuple(counts.shape)}."
        )
    known = torch.ones(wanted, dtype=torch.bool)
    known[list(special)] = False
    centred = vectors.double() - vectors[known].double().mean(0)
    centred[~known] = 0
    _, _, directions = torch.linalg.svd(centred[known], full_matrices=False)
    directions = directions * directions.sum(1, keepdim=True).sign()  # whichever way round the decomposition has them
    shares = counts.double().clamp_min(1) / counts.double().sum().clamp_min(1)
    table.vectors.weight.copy_(centred @ directions[:width].T)
    table.weights.weight.copy_((RARE / (RARE + shares)).log().unsqueeze(1))
    table.weights.weight[list(special)] = NOTHING
    return table


def sentence_encoder(
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    inner: int = 256,
    vocabulary: int = BASE,
    positions: int = 128,
    types: int = 0,
    dropout: float = 0.0,
    padding: int = PADDING,
    separator: int = SEPARATOR,
) -> SentenceEncoder:
    """A small transformer for sentences: tokens (N, T), whole numbers, -> (N, width). Raises as ``Encoder``."""
    encoder = Encoder(layers, width, heads, inner, vocabulary, positions, types, dropout, padding, separator)
    return SentenceEncoder(encoder, padding)


def static_sentences(vocabulary: int = BASE, width: int = 14, padding: int = PADDING) -> StaticSentences:
    """A table of vectors for sentences: tokens (N, T), whole numbers, -> (N, width)."""
    refuse_counts("static_sentences", vocabulary=vocabulary, width=width)
    return StaticSentences(vocabulary, width, padding)


def trimmed(tokens: Tensor, padding: int) -> Tensor:
    """``tokens`` (N, T) without the padding that all of them end in; as they are on an accelerator, which would wait.

    >>> trimmed(torch.tensor([[7, 8, 0, 0], [7, 0, 0, 0]]), 0)
    tensor([[7, 8],
            [7, 0]])
    """
    if not tokens.is_cpu or torch.compiler.is_compiling():
        return tokens
    used = (tokens != padding).any(0).nonzero()
    return tokens[:, : int(used[-1]) + 1] if len(used) else tokens


def counting(tokens: Tensor, padding: int) -> Tensor:
    """1 for each token but padding, (N, T)."""
    counts = tokens != padding
    if counts.is_cpu and not torch.compiler.is_compiling() and not bool(counts.any(1).all()):
        empty = int((~counts.any(1)).nonzero()[0])
        raise ValueError(f"Sample {empty} of the batch is nothing but padding; leave it out.")
    return counts.float()


def mean_of_tokens(states: Tensor, weights: Tensor) -> Tensor:
    """The mean of (N, T, D) over T by ``weights`` (N, T): (N, D)."""
    weights = weights.to(states.dtype)
    total: Tensor = (weights[:, None] @ states).squeeze(1)
    return total / weights.sum(1, keepdim=True)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default networks: ``count`` texts of tokens (count, 12), half of some of them padding."""
    tokens = torch.randint(999, BASE, (count, 12))
    tokens[1::2, 6:] = PADDING
    return tokens
