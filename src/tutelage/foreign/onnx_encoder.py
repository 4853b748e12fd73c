"""An ONNX file that answers texts: an encoder as ``transformers`` exports it, asked with numbers of tokens."""

from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage.foreign.onnx_file import OnnxNetwork, onnx_network
from tutelage.models.encoder import PADDING, SEPARATOR
from tutelage.models.sentences import SentenceEncoder

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
STATES = "last_hidden_state"
ALIKE = 32
"""Texts that are asked about together, of nearly the same length."""


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
        names = [x.name for x in network.session.get_inputs()]
        if "input_ids" not in names or not set(names) <= set(INPUTS):
            raise ValueError(
                f"{network.name} takes {', '.join(names)}, where an encoder of texts takes input_ids and, if it wants, "
                f"{' and '.join(INPUTS[1:])}; export it so."
            )
        floats = [x for x in network.session.get_outputs() if x.type.startswith("tensor(float")]
        vectors = [x.name for x in floats if len(x.shape) == 3]
        if not vectors:
            raise ValueError(f"{network.name} gives no vectors of tokens, (N, T, D); export it with them.")
        self._names = names
        self._output = STATES if STATES in vectors else vectors[0]

    def forward(self, tokens: Tensor) -> Tensor:
        lengths = (tokens != self.padding).sum(1)
        order = lengths.argsort(stable=True)
        pieces = [self._ask(tokens[part], int(lengths[part].max())) for part in order.split(ALIKE)]
        longest = tokens.shape[1]
        whole = torch.cat([_widened(piece, longest) for piece in pieces])
        return whole.to(tokens.device)[order.argsort()]

    def _ask(self, tokens: Tensor, longest: int) -> Tensor:
        ids = tokens[:, : max(longest, 1)].long().cpu()
        mask = (ids != self.padding).long()
        ends = (ids == self.separator).long()
        given = dict(zip(INPUTS, (ids, mask, ((ends.cumsum(1) - ends) > 0).long() * mask), strict=True))
        session = self.network.session
        try:
            (answer,) = session.run([self._output], {name: given[name].numpy() for name in self._names})
        except Exception as failure:  # its own kinds of errors, of many lines
            words = str(failure).strip().partition("\n")[0].rstrip(".")
            raise ValueError(f"{self.network.name} does not answer texts of {ids.shape[1]} tokens ({words}).") from None
        return torch.from_numpy(answer).float()


def onnx_sentences(file: Path, padding: int = PADDING, separator: int = SEPARATOR) -> SentenceEncoder:
    """A network that only answers, (N, T) -> (N, D): the mean of the vectors that the encoder in ``file`` gives tokens.

    Raises ``FileNotFoundError``, ``ValueError`` and ``ImportError`` as ``onnx_network``, and ``ValueError`` for a file
    that is no encoder of texts.
    """
    network = onnx_network(file)
    assert isinstance(network, OnnxNetwork)
    return SentenceEncoder(OnnxEncoder(network, padding, separator), padding)


def _widened(states: Tensor, longest: int) -> Tensor:
    """Vectors of ``longest`` tokens, zeros where there was none."""
    lacking = longest - states.shape[1] if states.ndim == 3 else 0
    return torch.nn.functional.pad(states, (0, 0, 0, lacking)) if lacking else states
