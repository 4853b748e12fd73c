"""Trained networks that find answers in texts, in folders as ``transformers`` saves them and in ONNX files.

Of BERT and DistilBERT they are networks of ours, with all layers open; of other families that library runs them.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tutelage.foreign.bert_files import encoder_in_folder, is_ours
from tutelage.foreign.onnx_encoder import asked_for, by_length, inputs_of, outputs_of
from tutelage.foreign.onnx_file import OnnxNetwork, onnx_network
from tutelage.foreign.text_folders import refuse_other_padding
from tutelage.foreign.transformers_folders import TransformersNetwork, loaded_by_transformers
from tutelage.foreign.weights_in_folder import weights_in
from tutelage.models.span_network import SpanNetwork

HEAD, KIND = "qa_outputs", "AutoModelForQuestionAnswering"
CURE = "fine-tune it with a head that finds answers (AutoModelForQuestionAnswering)"
OUTPUTS = ("start_logits", "end_logits")


def spans_in_folder(folder: str, padding: int, separator: int) -> nn.Module:
    """The network in ``folder``, tokens (N, T) -> logits (N, T, 2) of being the first and the last of an answer.

    ``padding`` and ``separator`` are the numbers that its vocabulary has for these. Raises as ``texts_in_folder``.
    """
    place = Path(folder)
    refuse_other_padding(place, padding)
    if not is_ours(place):
        network = loaded_by_transformers(place, KIND, what="finder of answers", cure=CURE)
        return TransformersSpans(network, padding, separator).eval()
    encoder = encoder_in_folder(place, separator)
    file, stored = weights_in(place)
    finder = SpanNetwork(**{**encoder.sizes, "dropout": 0.0})  # type: ignore[arg-type]
    for name, wanted in finder.output.state_dict().items():
        found = stored.get(f"{HEAD}.{name}")
        if found is None or found.shape != wanted.shape:
            there = "no" if found is None else f"{tuple(found.shape)} for its"
            raise ValueError(f"{file} has {there} {HEAD}.{name}: it does not find answers in texts; {CURE}.")
        wanted.copy_(found)
    finder.encoder.load_state_dict(encoder.state_dict())
    return finder.eval()


class TransformersSpans(nn.Module):
    """Tokens (N, T) -> (N, T, 2): what a ``network`` of transformers says of where an answer begins and ends."""

    def __init__(self, network: nn.Module, padding: int, separator: int) -> None:
        super().__init__()
        self.asked = TransformersNetwork(network, padding, separator)

    def forward(self, tokens: Tensor) -> Tensor:
        answer, _ = self.asked(tokens)
        return _as_wide(torch.stack([getattr(answer, name) for name in OUTPUTS], 2), tokens.shape[1])


class OnnxSpans(nn.Module):
    """The same of an ONNX file with the outputs ``start_logits`` and ``end_logits``, (N, T) each."""

    def __init__(self, network: OnnxNetwork, padding: int, separator: int) -> None:
        super().__init__()
        self.network, self.padding, self.separator = network, padding, separator
        self._inputs = inputs_of(network)

    def forward(self, tokens: Tensor) -> Tensor:
        return by_length(partial(self._asked, longest=tokens.shape[1]), tokens, self.padding, self._inputs)

    def _asked(self, tokens: Tensor, longest: int) -> Tensor:
        ends = asked_for(self.network, self._inputs, OUTPUTS, tokens, self.padding, self.separator)
        return _as_wide(torch.stack(ends, 2), longest)


def _as_wide(answers: Tensor, longest: int) -> Tensor:
    """With zeros for the padding that was left out behind all texts."""
    return pad(answers, (0, 0, 0, longest - answers.shape[1]))


def spans_in_onnx(file: Path, padding: int, separator: int) -> nn.Module:
    """The network in an ONNX ``file``. Raises as ``onnx_network``, and ``ValueError`` without ``OUTPUTS``."""
    network = onnx_network(file)
    assert isinstance(network, OnnxNetwork)
    if lacking := [name for name in OUTPUTS if name not in outputs_of(network, 2)]:
        raise ValueError(f"{file} has no output {lacking[0]!r} of a logit a token, (N, T); export it with {OUTPUTS}.")
    return OnnxSpans(network, padding, separator)
