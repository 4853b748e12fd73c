"""An encoder that says which tokens were hidden: its head is tied to the table that tokens come from.

Devlin et al., "BERT", 2019, arXiv:1810.04805; Sanh et al., "DistilBERT", 2019, arXiv:1910.01108.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.models.encoder import DEVIATION, EPSILON, Encoder


class MaskedLanguageModel(nn.Module):
    """Tokens (N, T) -> logits (N, T, vocabulary) of what each of them is. The last hidden states are ``encoder``.

    Logits are what ``head`` makes of ``norm``. With ``encoder`` and ``head`` alike, the addresses of layers are those
    of DistilBERT's parts.
    With DistilBERT's encoder it has 66,985,530 parameters: the table of tokens is the last layer, too.

    >>> encoder = Encoder(layers=1, width=8, heads=2, inner=16, vocabulary=200)
    >>> MaskedLanguageModel(encoder)(torch.tensor([[101, 7, 102]])).shape
    torch.Size([1, 3, 200])
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        width = encoder.sizes["width"]
        self.encoder = encoder
        self.transform = nn.Linear(int(width), int(width))
        self.norm = nn.LayerNorm(int(width), eps=EPSILON)
        nn.init.normal_(self.transform.weight, std=DEVIATION)
        nn.init.zeros_(self.transform.bias)
        table = encoder.embeddings.tokens.weight
        self.head = nn.Linear(int(width), len(table), device="meta")  # of which nothing is kept but its sizes
        self.head.weight, self.head.bias = table, nn.Parameter(torch.zeros_like(table[:, 0]))

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(F.gelu(self.transform(self.encoder(tokens)))))
        return logits
