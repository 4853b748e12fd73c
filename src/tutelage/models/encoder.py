"""BERT's encoder, with and without what DistilBERT leaves out: numbers of tokens in, a vector for each of them out.

Devlin et al., "BERT", 2019, arXiv:1810.04805; Sanh et al., "DistilBERT", 2019, arXiv:1910.01108. Layers are called
``embeddings, layer1, layer2, …``; the scores of attention before the softmax can be read, ``layer1.attention.scores``.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.models.counts import refuse_counts, refuse_dropout
from tutelage.models.dropout import FastDropout

BASE = 30522
"""Pieces of BERT's uncased vocabulary."""
PADDING, SEPARATOR = 0, 102
"""The numbers that ``[PAD]`` and ``[SEP]`` have in it."""
DEVIATION = 0.02
"""With which BERT draws its weights."""
EPSILON = 1e-12


class Encoder(nn.Module):
    """Tokens (N, T), whole numbers, -> vectors (N, T, width). With its defaults it is BERT-base without the pooler.

    Which tokens count follows from their numbers: all but ``padding``; and of which sentence they are (``types`` of 2),
    from those that are ``separator``. With ``types=0`` no token says so, as in DistilBERT, which has 6 layers and
    66,362,880 parameters. Raises ``ValueError`` for sizes below 1 or a width that the heads do not divide, and, when
    called, for texts that are longer than ``positions``.

    >>> Encoder(layers=1, width=8, heads=2, inner=16, vocabulary=200)(torch.tensor([[101, 7, 102, 0]])).shape
    torch.Size([1, 4, 8])
    """

    def __init__(
        self,
        layers: int = 12,
        width: int = 768,
        heads: int = 12,
        inner: int = 3072,
        vocabulary: int = BASE,
        positions: int = 512,
        types: int = 2,
        dropout: float = 0.1,
        padding: int = PADDING,
        separator: int = SEPARATOR,
    ) -> None:
        super().__init__()
        refuse_counts("An encoder", layers=layers, width=width, heads=heads, inner=inner, vocabulary=vocabulary)
        refuse_counts("An encoder", positions=positions)
        refuse_dropout("An encoder", dropout=dropout)
        if width % heads or types not in (0, 2):
            raise ValueError(f"Heads divide the width, and there are 0 or 2 types; got {width}, {heads}, {types}.")
        self.sizes = {
            "layers": layers, "width": width, "heads": heads, "inner": inner, "vocabulary": vocabulary,
            "positions": positions, "types": types, "dropout": dropout, "padding": padding, "separator": separator,
        }  # fmt: skip
        self.padding, self.positions = padding, positions
        self.embeddings = Embeddings(width, vocabulary, positions, types, dropout, padding, separator)
        self.depth = layers
        for number in range(1, layers + 1):
            self.add_module(f"layer{number}", Layer(width, heads, inner, dropout))
        self.apply(drawn_)

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] > self.positions:
            raise ValueError(
                f"Tokens are (N, T), at most {self.positions} a text; got {tuple(tokens.shape)}: cut longer texts."
            )
        unseen = (tokens == self.padding)[:, None, None]
        states: Tensor = self.embeddings(tokens)
        for layer in self.layers():
            states = layer(states, unseen)
        return states

    def layers(self) -> "list[Layer]":
        """Its layers, from the embeddings up."""
        return [layer for layer in self.children() if isinstance(layer, Layer)]


class Embeddings(nn.Module):
    """Of tokens, their places and, with ``types``, the sentence that they are of; added, and normed."""

    def __init__(
        self, width: int, vocabulary: int, positions: int, types: int, dropout: float, padding: int, separator: int
    ) -> None:
        super().__init__()
        self.padding, self.separator = padding, separator
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.types = nn.Embedding(types, width) if types else None
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.dropout = FastDropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        if self.types is not None:
            ends = (tokens == self.separator).long()
            second = ((ends.cumsum(1) - ends) > 0) & (tokens != self.padding)
            x = x + self.types(second.long())
        states: Tensor = self.dropout(self.norm(x))
        return states


class Attention(nn.Module):
    """Each token looks at those of its text that count, with several heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.scores = nn.Identity()  # a place to read them
        self.dropout = FastDropout(dropout)
        self.output = nn.Linear(width, width)

    def forward(self, states: Tensor, unseen: Tensor) -> Tensor:
        parts = (self.query(states), self.key(states), self.value(states))
        query, key, value = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in parts)  # (N, heads, T, d)
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        scores = self.scores(scores.masked_fill(unseen, torch.finfo(scores.dtype).min))
        seen = self.dropout(scores.softmax(-1)) @ value
        mixed: Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return mixed


class Layer(nn.Module):
    """Attention and two linear layers, each beside what goes in and normed after it."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.attention_dropout = FastDropout(dropout)
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.dropout = FastDropout(dropout)

    def forward(self, states: Tensor, unseen: Tensor) -> Tensor:
        states = self.attention_norm(states + self.attention_dropout(self.attention(states, unseen)))
        wide = F.gelu(self.widen(states))
        normed: Tensor = self.norm(states + self.dropout(self.narrow(wide)))
        return normed


def drawn_(module: nn.Module) -> None:
    """As BERT's: from N(0, 0.02²), biases 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=DEVIATION)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
