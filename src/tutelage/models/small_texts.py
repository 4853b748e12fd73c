"""Small networks of texts for any task: a vector of the text, and a linear layer that makes answers of it."""

from torch import Tensor, nn

from tutelage.models import sentences
from tutelage.models.counts import refuse_counts
from tutelage.models.encoder import BASE, PADDING, SEPARATOR
from tutelage.models.sentences import sentence_encoder, static_sentences


class TextAnswers(nn.Module):
    """Tokens (N, T) -> (N, num_answers): of the vector that ``body`` makes of a text, (N, width), a linear layer."""

    def __init__(self, body: nn.Module, width: int, num_answers: int) -> None:
        super().__init__()
        self.body = body
        self.output = nn.Linear(width, num_answers)

    def forward(self, tokens: Tensor) -> Tensor:
        answers: Tensor = self.output(self.body(tokens))
        return answers


def tiny_texts(
    num_answers: int = 2,
    layers: int = 2,
    width: int = 128,
    heads: int = 2,
    inner: int = 512,
    vocabulary: int = BASE,
    positions: int = 128,
    types: int = 0,
    padding: int = PADDING,
    separator: int = SEPARATOR,
) -> TextAnswers:
    """A transformer of BERT-Tiny's sizes, the mean over its tokens, and a linear layer. Raises as ``Encoder``.

    Turc et al., "Well-Read Students Learn Better", 2019, arXiv:1908.08962.
    """
    refuse_counts("tiny_texts", num_answers=num_answers)
    body = sentence_encoder(layers, width, heads, inner, vocabulary, positions, types, 0.0, padding, separator)
    return TextAnswers(body, width, num_answers)


def static_texts(num_answers: int = 2, vocabulary: int = BASE, width: int = 64, padding: int = PADDING) -> TextAnswers:
    """A table of a vector and a weight a token, their mean, and a linear layer: next to no multiplications."""
    refuse_counts("static_texts", num_answers=num_answers)
    return TextAnswers(static_sentences(vocabulary, width, padding), width, num_answers)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default networks: ``count`` texts of tokens (count, 12), half of some of them padding."""
    return sentences.example_inputs(count)
