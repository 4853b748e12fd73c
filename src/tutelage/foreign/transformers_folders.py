"""Networks of texts of any family in folders, as ``transformers`` loads and runs them: nobody else's code is run."""

from collections.abc import Iterable
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tutelage.calls import lacking
from tutelage.foreign.bert_files import FAMILIES, config_in
from tutelage.models.sentences import counting, trimmed
from tutelage.quiet import quiet
from tutelage.trust import Refused, imported

ASKED_OTHERWISE = {
    "xlnet": "padding in front of texts",
    "funnel": "a number of its own for the type of the first token",
}
"""Families that answer otherwise to what is given here, and what they want."""


class TransformersNetwork(nn.Module):
    """Tokens (N, T) -> what a ``network`` of transformers says of them, and which of them count (N, T')."""

    def __init__(self, network: nn.Module, padding: int, separator: int) -> None:
        super().__init__()
        self.network, self.padding, self.separator = network, padding, separator
        config: Any = getattr(network, "config", None)
        types = getattr(config, "type_vocab_size", 0)  # GPT-2 has none, and would add its first token's vector
        if getattr(config, "pad_token_id", padding) is None:  # by which a classifier finds a text's last token
            config.pad_token_id = padding
        self.has_types = types > 1 and "token_type_ids" in signature(network.forward).parameters

    @property
    def vocabulary(self) -> int:
        """How many pieces it has a vector for; 0 where it does not say."""
        try:
            table = self.network.get_input_embeddings()  # type: ignore[operator]
        except (AttributeError, NotImplementedError):
            return 0
        return table.num_embeddings if isinstance(table, nn.Embedding) else 0

    def forward(self, tokens: Tensor) -> tuple[Any, Tensor]:
        tokens = trimmed(tokens, self.padding)
        counts = counting(tokens, self.padding)
        ends = (tokens == self.separator).long()
        types = {"token_type_ids": ((ends.cumsum(1) - ends) > 0).long() * counts.long()} if self.has_types else {}
        return self.network(input_ids=tokens, attention_mask=counts.long(), **types), counts


def loaded_by_transformers(folder: Path, kind: str, *, what: str, cure: str, spared: Iterable[str] = ()) -> nn.Module:
    """The network in ``folder`` as the class of transformers called ``kind`` loads it, with all of its weights,
    in float32.

    Names of weights that hold one of ``spared`` may be lacking. Raises ``ImportError`` with the install line, and
    ``ValueError`` for what is not loaded, and for weights that are not there: then it is no whole ``what``, and the
    sentence ends with ``cure``; and for a family that has to be asked otherwise.
    """
    family = str(config_in(folder).get("model_type"))
    if family in ASKED_OTHERWISE:
        raise ValueError(
            f"{folder} holds a network of the family {family!r}, which wants {ASKED_OTHERWISE[family]}, and would not "
            "get it; take a teacher of another family, or a table of its answers."
        )
    try:
        library: Any = imported("transformers")
    except Refused:
        raise
    except Exception as failure:
        torch_version = version("torch").partition("+")[0]
        raise ImportError(
            f"{folder} holds a network of the family {family!r}, which transformers runs "
            f"({lacking(failure)}): pip install transformers torch=={torch_version}; {' and '.join(FAMILIES)} of the "
            "usual kind need no more than tutelage."
        ) from None
    try:
        network: nn.Module
        with quiet():  # what is lacking is said below, in a sentence
            network, told = getattr(library, kind).from_pretrained(
                str(folder),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as failure:  # its own kinds of errors, of many lines
        words = str(failure).strip().partition("\n")[0].rstrip(".")
        raise ValueError(f"{folder} is no network that transformers loads ({words}); save it again.") from None
    names = [str(name) for kinds in ("missing_keys", "mismatched_keys") for name in told.get(kinds, ())]
    if drawn := sorted(name for name in names if not any(x in name for x in spared)):
        raise ValueError(
            f"{folder} holds no whole {what}: {drawn[0]} is not there, and would be drawn at random; {cure}."
        )
    return network.float()  # whatever precision it was saved in, which that library keeps
