"""An encoder that answers about a whole text or a pair: from the vector of its first token.

Devlin et al., "BERT", 2019, arXiv:1810.04805.
"""

import torch
from torch import Tensor, nn

from tutelage.models.counts import refuse_counts
from tutelage.models.dropout import FastDropout
from tutelage.models.encoder import BASE, DEVIATION, PADDING, SEPARATOR, Encoder
from tutelage.models.sentences import counting, trimmed

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
"""What stands behind the first linear layer: in BERT, and in DistilBERT."""


class TextClassifier(nn.Module):
    """Tokens (N, T) -> (N, num_answers): what ``encoder`` says of the first token, a linear layer, tanh, the output.

    With ``activation`` of ``relu`` it is DistilBERT's. Raises ``ValueError`` for other ones and, on a CPU, for a row of
    nothing but padding.
    """

    def __init__(self, encoder: Encoder, num_answers: int, dropout: float, activation: str = "tanh") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"A text classifier's activation is {' or '.join(ACTIVATIONS)}; got {activation!r}.")
        self.activation = activation
        width = len(encoder.embeddings.norm.weight)
        self.encoder = encoder
        self.pooler = nn.Linear(width, width)
        self.bend = ACTIVATIONS[activation]()
        self.dropout = FastDropout(dropout)
        self.output = nn.Linear(width, num_answers)
        for layer in (self.pooler, self.output):
            nn.init.normal_(layer.weight, std=DEVIATION)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = trimmed(tokens, self.encoder.padding)
        counting(tokens, self.encoder.padding)  # refuses what is nothing but padding
        first = self.encoder(tokens)[:, 0]
        answers: Tensor = self.output(self.dropout(self.bend(self.pooler(first))))
        return answers


def text_classifier(
    num_answers: int = 2,
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
    activation: str = "tanh",
) -> TextClassifier:
    """A transformer for texts and pairs: tokens (N, T), whole numbers, -> (N, num_answers). Raises as ``Encoder``."""
    refuse_counts("text_classifier", num_answers=num_answers)
    encoder = Encoder(layers, width, heads, inner, vocabulary, positions, types, dropout, padding, separator)
    return TextClassifier(encoder, num_answers, dropout, activation)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` pairs of tokens (count, 12), some of them with padding behind."""
    tokens = torch.randint(999, BASE, (count, 12))
    tokens[:, 4] = SEPARATOR
    tokens[1::2, 9:] = PADDING
    return tokens
