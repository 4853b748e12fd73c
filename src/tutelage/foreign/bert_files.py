"""Encoders that somebody else trained, BERT or DistilBERT, from their files as networks of ours, with all layers.

From an ONNX file, whose matrices may be stored in fewer bits, or from a folder as ``transformers`` saves it. Neither
that library nor any code of the files is run.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage import plain_json
from tutelage.data.wordpiece import WordPieces, read_pieces
from tutelage.foreign.onnx_encoder import onnx_sentences
from tutelage.foreign.onnx_weights import onnx_weights
from tutelage.foreign.weights_in_folder import weights_in
from tutelage.models.bert_names import own_names
from tutelage.models.encoder import EPSILON, SEPARATOR, Encoder
from tutelage.models.sentences import SentenceEncoder

HEAD_WIDTHS = (64, 32, 16, 128)
"""Of the heads of published networks, the usual one first."""
ROUNDING, NEAR = 1e-4, 0.05
"""How far (relatively) vectors are from what the file itself answers: at once the right ones; those that may be."""
CONFIG, PIECES = "config.json", "vocab.txt"
FAMILIES = ("bert", "distilbert")
USUAL = {
    "hidden_act": "gelu",
    "activation": "gelu",
    "position_embedding_type": "absolute",
    "layer_norm_eps": EPSILON,
    "is_decoder": False,
}
"""How networks of these are computed, unless their files say otherwise."""
LAYERS = ("num_hidden_layers", "n_layers")


def dequantised_sentences(file: Path) -> SentenceEncoder:
    """The encoder in an ONNX ``file`` as a network of ours, (N, T) -> (N, D): its weights as float32, all layers open.

    The file does not say how many heads there are: that number is taken with which the network answers as the file
    does, to rounding; or, as a runtime may multiply whole numbers, to a few hundredths. Raises as ``onnx_weights`` and
    ``onnx_sentences`` do, and ``ValueError`` for a file that holds no such encoder, or one that answers otherwise.
    """
    weights = _encoder_of(onnx_weights(file), str(file))
    asked = onnx_sentences(file)
    tokens = _some_tokens(weights)
    gaps: dict[int, float] = {}
    with torch.no_grad():
        wanted = asked(tokens)
        for heads in _possible_heads(weights):
            network = SentenceEncoder(_filled(weights, heads, str(file)).eval())
            gaps[heads] = float((network(tokens) - wanted).norm() / wanted.norm())
            if gaps[heads] <= ROUNDING:
                return network.eval()
    nearest = min(gaps, key=gaps.__getitem__)
    if gaps[nearest] > NEAR:
        raise ValueError(
            f"{file} holds the weights of a BERT and answers otherwise than one: its activation or norms are others; "
            "use it as a teacher that only answers."
        )
    return SentenceEncoder(_filled(weights, nearest, str(file))).eval()


def encoder_in_folder(folder: Path, separator: int = SEPARATOR) -> Encoder:
    """The encoder that ``transformers`` saved in ``folder``: ``config.json`` and ``model.safetensors``; in eval mode.

    ``separator`` is the number that its vocabulary has for ``[SEP]``, which no file of these says. Heads beside it are
    left out. Raises ``FileNotFoundError`` for a folder without these files, ``ValueError`` for a network of another
    family than BERT or DistilBERT, and for files that are damaged or do not fit each other.
    """
    config = config_in(folder)
    refuse_other_kinds(folder, config)
    file, stored = weights_in(folder)
    weights = _encoder_of(stored, str(file))
    heads = config.get("num_attention_heads", config.get("n_heads"))
    padding = config.get("pad_token_id", 0)
    if not isinstance(heads, int) or not isinstance(padding, int):
        raise ValueError(f"{folder / CONFIG} does not say how many heads the network has.")
    vocabulary, width = weights["embeddings.tokens.weight"].shape
    if not 0 < heads <= width or not 0 <= padding < vocabulary:
        raise ValueError(
            f"{folder / CONFIG} says {str(heads)[:20]} heads and {str(padding)[:20]} for padding, but the network is "
            f"{width} wide and has {vocabulary} tokens; save it again."
        )
    network = _filled(weights, heads, str(file), padding, separator).eval()
    layers = next((config[name] for name in LAYERS if name in config), network.depth)
    if layers != network.depth:
        raise ValueError(
            f"{folder / CONFIG} says {str(layers)[:20]} layers, and {file.name} holds {network.depth}: they are of two "
            "networks; save it again."
        )
    return network


def pieces_in_folder(folder: Path) -> WordPieces:
    """The vocabulary that lies in ``folder`` beside a network. Raises as ``read_pieces``."""
    return read_pieces(folder / PIECES)


def config_in(folder: Path) -> Mapping[str, Any]:
    """What ``config.json`` says. Raises ``FileNotFoundError`` without it, ``ValueError`` where it is damaged."""
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(
            f"{folder} has no {CONFIG}; name a folder in which transformers saved a network: save_pretrained."
        )
    try:
        config = plain_json.read(folder / CONFIG)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is damaged {error}; save the network again.") from None
    if not isinstance(config, dict):
        raise ValueError(
            f"{folder / CONFIG} is of a network None; encoders that are read are {' and '.join(FAMILIES)}."
        )
    return config


def refuse_other_kinds(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a network that is not computed as BERT is."""
    if (family := config.get("model_type")) not in FAMILIES:
        raise ValueError(
            f"{folder / CONFIG} is of a network {family!r}; encoders that are read are {' and '.join(FAMILIES)}."
        )
    if other := _unusual(config):
        raise ValueError(
            f"{folder / CONFIG} says {other[0]} {str(config[other[0]])[:20]!r}; {str(USUAL[other[0]])!r} is what is "
            "read."
        )


def is_ours(folder: Path) -> bool:
    """Whether the network in ``folder`` is computed as ``Encoder`` is. Raises as ``config_in``."""
    config = config_in(folder)
    return config.get("model_type") in FAMILIES and not _unusual(config)


def _unusual(config: Mapping[str, Any]) -> list[str]:
    return [x for x, usual in USUAL.items() if config.get(x, usual) != usual]


def _encoder_of(weights: Mapping[str, Tensor], called: str) -> dict[str, Tensor]:
    found = own_names(weights)
    wanted = {"embeddings.tokens.weight", "embeddings.positions.weight", "layer1.widen.weight"}
    if missing := sorted(wanted - found.keys()):
        raise ValueError(f"{called} holds no encoder of the families {' and '.join(FAMILIES)}: it has no {missing[0]}.")
    if odd := sorted(name for name in wanted if found[name].ndim != 2):
        raise ValueError(
            f"{called} holds no encoder that is whole: {odd[0]} is {tuple(found[odd[0]].shape)}, no matrix."
        )
    return found


def _filled(
    weights: Mapping[str, Tensor], heads: int, called: str, padding: int = 0, separator: int = SEPARATOR
) -> Encoder:
    vocabulary, width = weights["embeddings.tokens.weight"].shape
    numbers = {int(found[1]) for name in weights if (found := re.match(r"layer(\d+)\.", name))}
    try:
        network = Encoder(
            layers=max(numbers),
            width=width,
            heads=heads,
            inner=len(weights["layer1.widen.weight"]),
            vocabulary=vocabulary,
            positions=len(weights["embeddings.positions.weight"]),
            types=len(weights.get("embeddings.types.weight", ())),
            padding=padding,
            separator=separator,
        )
        network.load_state_dict({name: x.float() for name, x in weights.items()})
    except (RuntimeError, ValueError) as misfit:
        words = str(misfit).partition("\n")[2].strip().partition("\n")[0] or str(misfit)
        raise ValueError(f"{called} holds no whole encoder: {words.rstrip('.')}.") from None
    return network


def _possible_heads(weights: Mapping[str, Tensor]) -> list[int]:
    width = weights["embeddings.tokens.weight"].shape[1]
    usual = [width // x for x in HEAD_WIDTHS if width % x == 0]
    return [*usual, *(x for x in range(1, width + 1) if width % x == 0 and x not in usual)]


def _some_tokens(weights: Mapping[str, Tensor]) -> Tensor:
    """Two texts of any tokens, one longer than the other; none of them padding, or the end of a sentence."""
    vocabulary = len(weights["embeddings.tokens.weight"])
    tokens = torch.arange(1, 13).mul(7919).remainder(max(vocabulary - 1, 1)).add(1).view(2, 6)
    tokens[tokens == 102] = 1
    tokens[1, 4:] = 0
    return tokens
