"""What a person writes for a trained network of texts: a folder of transformers, an ONNX file, answers, a module.

Each is a network of tokens (N, T), int64, that answers with logits or, where ``vectors`` are wanted, with a vector a
text (N, D). What counts follows from the numbers of the tokens: all but the padding.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from tutelage.data.tokenizer_file import longest_text, vocabulary_file
from tutelage.foreign.bert_files import config_in
from tutelage.foreign.forms import own_network
from tutelage.foreign.onnx_encoder import OnnxAnswers, OnnxEncoder, outputs_of
from tutelage.foreign.onnx_file import OnnxNetwork, onnx_network
from tutelage.foreign.table_answers import Named
from tutelage.models.sentences import SentenceEncoder

FOLDER = "hf:"
FEWEST = 8
"""Tokens that a network of texts takes at least."""
PLACES = ("max_position_embeddings", "n_positions")
"""What files call the number of places that a network has vectors for."""
COUNTED_FROM_PADDING = (
    *["roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod", "camembert", "mpnet", "longformer"],
    *["ibert", "data2vec-text", "luke", "lilt"],
)
"""Families whose places are numbered from the padding's number on, which leaves so many fewer."""
WHOLE = "sentence_embedding"
"""What exporters of sentence encoders call a text's vector; ``pooler_output`` of a plain BERT is none."""


def text_network(
    text: str,
    weights: Path | None,
    folder: Callable[..., nn.Module],
    file: Callable[..., nn.Module],
    *,
    num_answers: int,
    special: tuple[int, int],
    samples: Named | None,
) -> Callable[[], nn.Module]:
    """The function that builds the network ``text`` speaks of, which a stage's key can name.

    ``special`` are the numbers of padding and of the separator in its vocabulary. ``folder`` and ``file`` build the
    network in a folder (``hf:folder``) and in an ONNX file, called with the path and these; all else is as of
    ``own_network``. Raises as it, and ``ValueError`` for weights beside one
    of the two, and for a program of torch's, which takes one input.
    """
    is_folder, ending = text.startswith(FOLDER), Path(text).suffix.lower()
    if not is_folder and ending == ".pt2":
        raise ValueError(f"{text} takes no texts; name a folder (hf:folder), an ONNX file, or a module of yours.")
    if not is_folder and ending != ".onnx":
        return own_network(text, weights, num_classes=num_answers, samples=samples)
    if weights is not None:
        raise ValueError(f"{text} holds all that it answers with; leave out --weights {weights}.")
    place = Path(text.removeprefix(FOLDER))
    if is_folder:
        if not place.is_dir():
            raise FileNotFoundError(f"There is no folder {place} with a network of transformers in it.")
        return partial(folder, str(place), *special)
    if not place.is_file():
        raise FileNotFoundError(f"There is no file {place}; a network of texts is hf:folder, model.onnx or a module.")
    return partial(file, place, *special)


def vocabulary_of(text: str) -> Path | None:
    """The vocabulary that lies beside the network ``text`` speaks of: in its folder, or in the one above a file's."""
    if text.startswith(FOLDER):
        return vocabulary_file(Path(text.removeprefix(FOLDER)))
    if Path(text).suffix.lower() != ".onnx":
        return None
    here = Path(text).absolute().parent
    return vocabulary_file(here) or vocabulary_file(here.parent)


def longest_of(text: str) -> int:
    """The most tokens that the network in a folder takes, as its files say; 0 where nothing does."""
    if not text.startswith(FOLDER):
        return 0
    folder = Path(text.removeprefix(FOLDER))
    try:
        said, told = config_in(folder), longest_text(folder)
    except (OSError, ValueError):  # which is said where the network is built
        return 0
    places, padding = next(filter(None, map(said.get, PLACES)), None), said.get("pad_token_id")
    if type(places) is int and type(padding) is int and said.get("model_type") in COUNTED_FROM_PADDING:
        places -= padding + 1
    known = [x for x in (places, told) if type(x) is int and x >= FEWEST]
    return min(known, default=0)


def texts_in_onnx(file: Path, padding: int, separator: int, *, vectors: bool) -> nn.Module:
    """The network in an ONNX ``file`` of texts: its ``logits``; or a text's vector, the mean of those of its tokens
    where it has no output ``sentence_embedding``.

    Raises as ``onnx_network``, and ``ValueError`` for other inputs than ids and masks, and without such an output.
    """
    network = onnx_network(file)
    assert isinstance(network, OnnxNetwork)
    whole, tokens = outputs_of(network, 2), outputs_of(network, 3)
    if vectors and tokens and WHOLE not in whole:
        return SentenceEncoder(OnnxEncoder(network, padding, separator), padding)
    wanted = WHOLE if vectors else "logits"
    if wanted not in whole and len(whole) != 1:
        kind = "a vector" if vectors else "a logit a class"
        raise ValueError(f"{file} has no output {wanted!r} of {kind} for a text, (N, D); export it with one.")
    return OnnxAnswers(network, wanted if wanted in whole else whole[0], padding, separator)
