"""Weights of BERT and DistilBERT under the names of ``transformers``, as those of ``tutelage.models.encoder``."""

import re
from collections.abc import Mapping

from torch import Tensor

NAMES = (
    (r"embeddings\.word_embeddings\.", "embeddings.tokens."),
    (r"embeddings\.position_embeddings\.", "embeddings.positions."),
    (r"embeddings\.token_type_embeddings\.", "embeddings.types."),
    (r"embeddings\.LayerNorm\.", "embeddings.norm."),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.", r"layer\1.attention.\2."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layer\1.attention.output."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"layer\1.attention_norm."),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layer\1.widen."),
    (r"encoder\.layer\.(\d+)\.output\.dense\.", r"layer\1.narrow."),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"layer\1.norm."),
    (r"transformer\.layer\.(\d+)\.attention\.q_lin\.", r"layer\1.attention.query."),
    (r"transformer\.layer\.(\d+)\.attention\.k_lin\.", r"layer\1.attention.key."),
    (r"transformer\.layer\.(\d+)\.attention\.v_lin\.", r"layer\1.attention.value."),
    (r"transformer\.layer\.(\d+)\.attention\.out_lin\.", r"layer\1.attention.output."),
    (r"transformer\.layer\.(\d+)\.sa_layer_norm\.", r"layer\1.attention_norm."),
    (r"transformer\.layer\.(\d+)\.ffn\.lin1\.", r"layer\1.widen."),
    (r"transformer\.layer\.(\d+)\.ffn\.lin2\.", r"layer\1.narrow."),
    (r"transformer\.layer\.(\d+)\.output_layer_norm\.", r"layer\1.norm."),
)
"""Theirs, of which layers are counted from 0, and ours, of which they are counted from 1."""
PATTERNS = [(re.compile(rf"(?:^|\.){theirs}(weight|bias|gamma|beta)$"), ours) for theirs, ours in NAMES]
OLDER = {"gamma": "weight", "beta": "bias"}
"""What the norms of the first checkpoints call theirs."""


def own_name(name: str) -> str | None:
    """What ``Encoder`` calls the weight ``name`` of BERT or DistilBERT, whatever stands before it; nothing of others.

    >>> own_name("bert.encoder.layer.0.output.LayerNorm.gamma"), own_name("cls.predictions.bias")
    ('layer1.norm.weight', None)
    """
    for pattern, ours in PATTERNS:
        if found := pattern.search(name):
            *number, what = found.groups()
            place = found.expand(ours)
            if number and number[0].isdecimal():
                place = re.sub(r"^layer\d+", f"layer{int(number[0]) + 1}", place)
            return place + OLDER.get(what, what)
    return None


def own_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an encoder among ``weights``, under our names; those of heads are left out.

    Raises ``ValueError`` where two of them would be one.
    """
    found: dict[str, Tensor] = {}
    for name, x in weights.items():
        if (own := own_name(name)) is None:
            continue
        if own in found:
            raise ValueError(f"Two weights are that of {own!r}, {name!r} the second; there is one encoder in a file.")
        found[own] = x
    return found
