"""An ONNX file that answers texts: an encoder as ``transformers`` exports it, asked with numbers of tokens."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tutelage.foreign.onnx_file import OnnxNetwork, onnx_network
from tutelage.foreign.pieces import in_pieces
from tutelage.models.encoder import PADDING, SEPARATOR
from tutelage.models.sentences import SentenceEncoder

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
STATES = "last_hidden_state"
ALIKE = 32
"""Texts that are asked about together, of nearly the same length."""
TYPES = {"tensor(int64)": torch.int64, "tensor(int32)": torch.int32}


class Inputs(NamedTuple):
    """Those of ``INPUTS`` that a file takes, each of its type; and how many texts of how many tokens, 0 where any."""

    types: dict[str, torch.dtype]
    texts: int
    tokens: int


class OnnxEncoder(nn.Module):
    """Tokens (N, T) -> vectors of the tokens (N, T, D): the output ``last_hidden_state``, or the first of that form.

    The file gets of ``INPUTS`` those that it takes; what counts and which sentence a token is of follow from the
    numbers of ``padding``, which is behind a text, and ``separator``. Short texts are not asked about with long ones.
    Raises ``ValueError`` for other inputs, for a file that has no such output and, when asked, for tokens that it does
    not answer.
    """

    def __init__(self, network: OnnxNetwork, padding: int = PADDING, separator: int = SEPARATOR) -> None:
        super().__init__()
        self.network = network
        self.padding, self.separator = padding, separator
        self._inputs = inputs_of(network)
        vectors = outputs_of(network, 3)
        if not vectors:
            raise ValueError(f"{network.name} gives no vectors of tokens, (N, T, D); export it with them.")
        self._output = STATES if STATES in vectors else vectors[0]

    def forward(self, tokens: Tensor) -> Tensor:
        ask = partial(self._asked, longest=tokens.shape[1])
        return by_length(ask, tokens, self.padding, self._inputs)

    def _asked(self, tokens: Tensor, longest: int) -> Tensor:
        answer = asked(self.network, self._inputs, self._output, tokens, self.padding, self.separator)
        return _widened(answer, longest)


class OnnxAnswers(nn.Module):
    """Tokens (N, T) -> (N, D): the output of that name, logits or vectors of whole texts; asked as ``OnnxEncoder``."""

    def __init__(self, network: OnnxNetwork, output: str, padding: int = PADDING, separator: int = SEPARATOR) -> None:
        super().__init__()
        self.network = network
        self.padding, self.separator = padding, separator
        self._inputs, self._output = inputs_of(network), output

    def forward(self, tokens: Tensor) -> Tensor:
        ask = partial(asked, self.network, self._inputs, self._output, padding=self.padding, separator=self.separator)
        return by_length(ask, tokens, self.padding, self._inputs)


def inputs_of(network: OnnxNetwork) -> Inputs:
    """What it takes, of ``INPUTS``. Raises ``ValueError`` for anything else."""
    found = network.session.get_inputs()
    names = [x.name for x in found]
    if "input_ids" not in names or not set(names) <= set(INPUTS) or any(x.type not in TYPES for x in found):
        raise ValueError(
            f"{network.name} takes {', '.join(names)}, where an encoder of texts takes input_ids and, if it wants, "
            f"{' and '.join(INPUTS[1:])}, whole numbers all; export it so."
        )
    sizes = [x if isinstance(x, int) else 0 for x in found[names.index("input_ids")].shape]
    return Inputs({x.name: TYPES[x.type] for x in found}, *(sizes if len(sizes) == 2 else (0, 0)))


def outputs_of(network: OnnxNetwork, axes: int) -> list[str]:
    """The names of its outputs of fractions that have so many axes."""
    floats = [x for x in network.session.get_outputs() if x.type.startswith("tensor(float")]
    return [x.name for x in floats if len(x.shape) == axes]


def by_length(ask: Callable[[Tensor], Tensor], tokens: Tensor, padding: int, inputs: Inputs) -> Tensor:
    """``ask`` of all texts, ``ALIKE`` of nearly one length at a time, each time without the padding behind them all.

    Of one length where a file takes no mask, and would not know padding; as many texts as it takes, if that is fixed.
    """
    lengths = (tokens != padding).sum(1)
    order = lengths.argsort(stable=True)
    alike = lengths[order].unique_consecutive(return_counts=True)[1].tolist()
    parts = order.split(ALIKE if INPUTS[1] in inputs.types else alike)
    cut = [tokens[part][:, : max(int(lengths[part].max()), 1)] for part in parts]
    return torch.cat([in_pieces(ask, x, inputs.texts) for x in cut]).to(tokens.device)[order.argsort()]


def asked(network: OnnxNetwork, inputs: Inputs, output: str, tokens: Tensor, padding: int, separator: int) -> Tensor:
    """What ``network`` answers to ``tokens`` with its ``output``, given those ``inputs``."""
    return asked_for(network, inputs, (output,), tokens, padding, separator)[0]


def asked_for(
    network: OnnxNetwork, inputs: Inputs, outputs: Sequence[str], tokens: Tensor, padding: int, separator: int
) -> list[Tensor]:
    """The same of several outputs, at once. Raises ``ValueError`` for texts that it does not answer."""
    ids = tokens.long().cpu()
    if inputs.tokens and ids.shape[1] > inputs.tokens:
        raise ValueError(
            f"{network.name} takes texts of {inputs.tokens} tokens, and there is one of {ids.shape[1]}; say --longest "
            f"{inputs.tokens}, and they are cut."
        )
    ids = torch.nn.functional.pad(ids, (0, max(inputs.tokens - ids.shape[1], 0)), value=padding)
    mask = (ids != padding).long()
    ends = (ids == separator).long()
    given = dict(zip(INPUTS, (ids, mask, ((ends.cumsum(1) - ends) > 0).long() * mask), strict=True))
    try:
        answers = network.session.run([*outputs], {name: given[name].to(x).numpy() for name, x in inputs.types.items()})
    except Exception as failure:  # its own kinds of errors, of many lines
        words = str(failure).strip().partition("\n")[0].rstrip(".")
        raise ValueError(f"{network.name} does not answer texts of {ids.shape[1]} tokens ({words}).") from None
    return [torch.from_numpy(answer).float() for answer in answers]


def onnx_sentences(file: Path, padding: int = PADDING, separator: int = SEPARATOR) -> SentenceEncoder:
    """A network that only answers, (N, T) -> (N, D): the mean of the vectors that the encoder in ``file`` gives tokens.

    Raises ``FileNotFoundError``, ``ValueError`` and ``ImportError`` as ``onnx_network``, and ``ValueError`` for a file
    that is no encoder of texts.
    """
    network = onnx_network(file)
    assert isinstance(network, OnnxNetwork)
    return SentenceEncoder(OnnxEncoder(network, padding, separator), padding)


def _widened(states: Tensor, longest: int) -> Tensor:
    """Vectors of ``longest`` tokens, zeros where there was none; a file of a fixed length has them of padding, too."""
    lacking = longest - states.shape[1] if states.ndim == 3 else 0
    return torch.nn.functional.pad(states, (0, 0, 0, lacking)) if lacking else states
