"""An encoder that finds where in a text an answer begins and ends.

Devlin et al., "BERT", 2019, arXiv:1810.04805, §4.2.
"""

from torch import Tensor, nn
from torch.nn.functional import pad

from tutelage.models import text_classifier
from tutelage.models.dropout import FastDropout
from tutelage.models.encoder import BASE, DEVIATION, PADDING, SEPARATOR, Encoder
from tutelage.models.sentences import counting, trimmed


class SpanNetwork(nn.Module):
    """Tokens (N, T) -> (N, T, 2), of each token a logit of being the first of an answer, and one of being the last.

    Raises as ``Encoder`` does and, on a CPU, ``ValueError`` for a row of nothing but padding.

    >>> import torch
    >>> SpanNetwork(layers=1, width=8, heads=2, inner=8, vocabulary=50, separator=3)(torch.tensor([[2, 7, 3, 0]])).shape
    torch.Size([1, 4, 2])
    """

    def __init__(
        self,
        layers: int = 2,
        width: int = 64,
        heads: int = 4,
        inner: int = 256,
        vocabulary: int = BASE,
        positions: int = 128,
        types: int = 2,
        dropout: float = 0.0,
        padding: int = PADDING,
        separator: int = SEPARATOR,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(layers, width, heads, inner, vocabulary, positions, types, dropout, padding, separator)
        self.dropout = FastDropout(dropout)
        self.output = nn.Linear(width, 2)
        nn.init.normal_(self.output.weight, std=DEVIATION)
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        kept = trimmed(tokens, self.encoder.padding)
        counting(kept, self.encoder.padding)  # refuses what is nothing but padding
        answers: Tensor = self.output(self.dropout(self.encoder(kept)))
        return pad(answers, (0, 0, 0, tokens.shape[1] - kept.shape[1]))


def tiny_spans(
    layers: int = 2,
    width: int = 128,
    heads: int = 2,
    inner: int = 512,
    vocabulary: int = BASE,
    positions: int = 128,
    types: int = 2,
    padding: int = PADDING,
    separator: int = SEPARATOR,
) -> SpanNetwork:
    """A transformer of BERT-Tiny's sizes. Raises as ``Encoder``.

    Turc et al., "Well-Read Students Learn Better", 2019, arXiv:1908.08962.
    """
    return SpanNetwork(layers, width, heads, inner, vocabulary, positions, types, 0.0, padding, separator)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` questions with their contexts, as in ``text_classifier``."""
    return text_classifier.example_inputs(count)
