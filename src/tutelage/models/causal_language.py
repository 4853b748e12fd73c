"""A network that says which token comes next: BERT's layers, in which a token sees itself and those before it alone.

Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018, with the head tied to the table
that tokens come from.
"""

import torch
from torch import Tensor, nn

from tutelage.limits import refuse_outside
from tutelage.models.counts import refuse_counts, refuse_dropout
from tutelage.models.encoder import Embeddings, Layer, drawn_

NONE = -1
"""The number of no token: padding stands behind all that counts, where nobody looks."""


class Decoder(nn.Module):
    """Tokens (N, T), whole numbers, -> vectors (N, T, width), each of a token and those before it.

    Its layers are ``embeddings, layer1, layer2, …``. Raises ``ValueError`` for sizes below 1 or a width that the heads
    do not divide, and, when called, for texts that are longer than ``positions``.
    """

    def __init__(
        self, layers: int, width: int, heads: int, inner: int, vocabulary: int, positions: int, dropout: float
    ) -> None:
        super().__init__()
        sizes = {"layers": layers, "width": width, "heads": heads, "inner": inner, "vocabulary": vocabulary}
        refuse_counts("A decoder", **sizes, positions=positions)
        refuse_dropout("A decoder", dropout=dropout)
        if width % heads:
            raise ValueError(f"Heads divide the width; got {width} and {heads}.")
        self.positions = positions
        self.embeddings = Embeddings(width, vocabulary, positions, 0, dropout, NONE, NONE)
        for number in range(1, layers + 1):
            self.add_module(f"layer{number}", Layer(width, heads, inner, dropout))
        self.apply(drawn_)

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] > self.positions:
            raise ValueError(
                f"Tokens are (N, T), at most {self.positions} a text; got {tuple(tokens.shape)}: cut longer texts."
            )
        length = tokens.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        states: Tensor = self.embeddings(tokens)
        for layer in self.children():
            if isinstance(layer, Layer):
                states = layer(states, later)
        return states


class CausalLanguageModel(nn.Module):
    """Tokens (N, T) -> logits (N, T, vocabulary) of the token after each of them; ``head`` makes them of ``decoder``.

    Raises as ``Decoder`` does.

    >>> CausalLanguageModel(layers=1, width=8, heads=2, vocabulary=50)(torch.tensor([[7, 8, 9]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(
        self,
        layers: int = 4,
        width: int = 256,
        heads: int = 4,
        inner: int = 0,
        vocabulary: int = 8000,
        positions: int = 128,
        dropout: float = 0.0,
    ) -> None:
        """``inner`` of 0 is four times the width."""
        super().__init__()
        self.decoder = Decoder(layers, width, heads, inner or 4 * width, vocabulary, positions, dropout)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.decoder.embeddings.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.decoder(tokens))
        return logits


class Writer(nn.Module):
    """The logits after the last token alone, (N, 1, vocabulary): all that whoever writes on needs of ``model``.

    That is a ``CausalLanguageModel``; raises ``ValueError`` for another network.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if not isinstance(model, CausalLanguageModel):
            raise ValueError(f"A CausalLanguageModel writes on; got a {type(model).__name__}.")
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.model.head(self.model.decoder(tokens)[:, -1:])
        return logits


class MixedWriter(nn.Module):
    """The same of a mixture: the logarithms of ``(1 − share)`` of the ``model``'s probabilities and ``share`` of the
    ``teacher``'s, (N, 1, vocabulary).

    Raises as ``Writer``, and ``ValueError`` for a share outside 0 … 1.
    """

    def __init__(self, model: nn.Module, teacher: nn.Module, share: float = 0.2) -> None:
        super().__init__()
        refuse_outside("The share of the teacher in what is written", share, 0, 1)
        self.model, self.teacher, self.share = Writer(model), Writer(teacher), share

    def forward(self, tokens: Tensor) -> Tensor:
        own, known = (writer(tokens).double().softmax(-1) for writer in (self.model, self.teacher))
        mixture: Tensor = ((1 - self.share) * own + self.share * known).log()
        return mixture
