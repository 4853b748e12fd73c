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


class TransformersNetwork(nn.Module):
    """Tokens (N, T) -> what a ``network`` of transformers says of them, and which of them count (N, T')."""

    def __init__(self, network: nn.Module, padding: int, separator: int) -> None:
        super().__init__()
        self.network, self.padding, self.separator = network, padding, separator
        types = getattr(getattr(network, "config", None), "type_vocab_size", 2)
        self.has_types = types > 1 and "token_type_ids" in signature(network.forward).parameters

    def forward(self, tokens: Tensor) -> tuple[Any, Tensor]:
        tokens = trimmed(tokens, self.padding)
        counts = counting(tokens, self.padding)
        ends = (tokens == self.separator).long()
        types = {"token_type_ids": ((ends.cumsum(1) - ends) > 0).long() * counts.long()} if self.has_types else {}
        return self.network(input_ids=tokens, attention_mask=counts.long(), **types), counts


def loaded_by_transformers(folder: Path, kind: str, *, what: str, cure: str, spared: Iterable[str] = ()) -> nn.Module:
    """The network in ``folder`` as the class of transformers called ``kind`` loads it, with all of its weights.

    Names of weights that hold one of ``spared`` may be lacking. Raises ``ImportError`` with the install line, and
    ``ValueError`` for what is not loaded, and for weights that are not there: then it is no whole ``what``, and the
    sentence ends with ``cure``.
    """
    try:
        library: Any = imported("transformers")
    except Refused:
        raise
    except Exception as failure:
        torch_version = version("torch").partition("+")[0]
        raise ImportError(
            f"{folder} holds a network of the family {config_in(folder).get('model_type')!r}, which transformers runs "
            f"({lacking(failure)}): pip install transformers torch=={torch_version}; {' and '.join(FAMILIES)} need no "
            "more than tutelage."
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
    return network
