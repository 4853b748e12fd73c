"""Trained networks of texts from folders as ``transformers`` saves them.

Of BERT and DistilBERT they are networks of ours, with all layers open, and nobody's code is run; those of other
families are run by that library, where it is installed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tutelage import plain_json
from tutelage.foreign.bert_files import CONFIG, config_in, encoder_in_folder, is_ours
from tutelage.foreign.transformers_folders import TransformersNetwork, loaded_by_transformers
from tutelage.foreign.weights_in_folder import weights_in
from tutelage.models.encoder import SEPARATOR
from tutelage.models.sentences import SentenceEncoder, mean_of_tokens
from tutelage.models.text_classifier import TextClassifier

HEADS = {"bert": ("bert.pooler.dense", "classifier", "tanh"), "distilbert": ("pre_classifier", "classifier", "relu")}
"""What each family calls the two linear layers of its classifier, and what stands between them."""
MODULES, PROMPTS = "modules.json", "config_sentence_transformers.json"
POOLING = Path("1_Pooling", "config.json")
"""Where sentence-transformers says what a text's vector is made by, what stands before a text, and how the vector is
made of those of its tokens."""
STEPS = ("Transformer", "Pooling", "Normalize", "Dropout")
"""Of its modules, those that leave the direction of the mean as it is."""


def texts_in_folder(folder: str, padding: int, separator: int, *, vectors: bool) -> nn.Module:
    """The network in ``folder``, tokens (N, T) -> logits, or ``vectors`` of texts (N, D), the mean over its tokens.

    ``padding`` and ``separator`` are the numbers that its vocabulary has for these. Raises ``FileNotFoundError`` for a
    folder without its files, ``ValueError`` for files that are damaged or do not fit each other, and for vectors that
    are made otherwise; ``ImportError`` with the install line for another family than BERT and DistilBERT without
    transformers.
    """
    place = Path(folder)
    if vectors:
        _refuse_other_vectors(place)
    refuse_other_padding(place, padding)
    if not is_ours(place):
        return _by_transformers(place, padding, separator, vectors)
    if not vectors:
        return classifier_in_folder(place, separator)
    return SentenceEncoder(encoder_in_folder(place, separator), padding).eval()


def refuse_other_padding(folder: Path, padding: int) -> None:
    """Raise ``ValueError`` where the network in ``folder`` pads with another token than the vocabulary."""
    if (said := config_in(folder).get("pad_token_id", padding)) not in (padding, None):
        raise ValueError(
            f"{folder / CONFIG} pads with the token {str(said)[:20]}, and the vocabulary with {padding}: they are of "
            "two networks; name the vocabulary of this one with --vocabulary."
        )


def classifier_in_folder(folder: Path, separator: int = SEPARATOR) -> TextClassifier:
    """The classifier of texts in ``folder``, BERT's or DistilBERT's, in eval mode. Raises as ``encoder_in_folder``."""
    encoder = encoder_in_folder(folder, separator)
    pooler, output, activation = HEADS[config_in(folder)["model_type"]]
    file, stored = weights_in(folder)
    found: dict[str, Tensor] = {}
    for theirs, ours in ((pooler, "pooler"), (output, "output")):
        for part in ("weight", "bias"):
            if (x := stored.get(f"{theirs}.{part}")) is None:
                raise ValueError(
                    f"{file} has no {theirs}.{part}: it is no classifier of texts; fine-tune it with a head, or say "
                    "--task embeddings."
                )
            found[f"{ours}.{part}"] = x.float()
    network = TextClassifier(encoder, len(found["output.weight"]), 0.0, activation)
    fitting = network.state_dict()
    if odd := [name for name, x in found.items() if x.shape != fitting[name].shape]:
        raise ValueError(f"{file} holds no whole classifier: its {odd[0]} is {tuple(found[odd[0]].shape)}.")
    network.load_state_dict({**fitting, **found})
    return network.eval()


class TransformersTexts(nn.Module):
    """Tokens (N, T) -> what a ``network`` of transformers says of them: its logits, or the mean of its last states."""

    def __init__(self, network: nn.Module, padding: int, separator: int, vectors: bool) -> None:
        super().__init__()
        self.asked, self.vectors = TransformersNetwork(network, padding, separator), vectors

    def forward(self, tokens: Tensor) -> Tensor:
        answer, counts = self.asked(tokens)
        if self.vectors:
            return mean_of_tokens(answer.last_hidden_state, counts)
        logits: Tensor = answer.logits
        return logits


def _by_transformers(folder: Path, padding: int, separator: int, vectors: bool) -> nn.Module:
    network: Any
    if vectors:  # which do without the pooler
        network = loaded_by_transformers(folder, "AutoModel", what="encoder", cure="save it again", spared=["pooler"])
        if getattr(getattr(network, "config", None), "is_encoder_decoder", False):
            network = network.get_encoder()
        if hasattr(network, "pooler"):  # which may have been drawn at random
            network.pooler = None
    else:
        cure = "fine-tune it with a head, or say --task embeddings"
        kind = "AutoModelForSequenceClassification"
        network = loaded_by_transformers(folder, kind, what="classifier of texts", cure=cure)
    return TransformersTexts(network, padding, separator, vectors).eval()


def _refuse_other_vectors(folder: Path) -> None:
    """Raise ``ValueError`` where sentence-transformers makes a text's vector otherwise than as the mean of tokens'."""
    modules = [x for x in _said(folder / MODULES, list) if isinstance(x, Mapping)]
    steps = {str(x.get("type")).rpartition(".")[2]: str(x.get("path")) for x in modules}
    if other := [x for x in steps if x not in STEPS]:
        raise ValueError(
            f"{folder / MODULES} says that a {other[0]} makes a text's vector, which is read as the mean over its "
            "tokens: that is another; export the whole as an ONNX file with an output sentence_embedding."
        )
    prompts = _said(folder / PROMPTS, dict)
    named, usual = prompts.get("prompts"), prompts.get("default_prompt_name")
    if isinstance(named, Mapping) and isinstance(usual, str) and (prompt := named.get(usual)):
        raise ValueError(
            f"{folder / PROMPTS} puts {str(prompt)[:40]!r} before each text, and here nothing is: write it into the "
            "texts, and make default_prompt_name null."
        )
    said = _said(file := folder / Path(steps.get("Pooling", POOLING.parent)).name / POOLING.name, dict)
    one = said.get("pooling_mode", ())
    ways = [name for name, value in said.items() if name.startswith("pooling_mode_") and value is True]
    ways += map(str, one if isinstance(one, list) else [one] if one else [])
    if ways and [x.removeprefix("pooling_mode_").removesuffix("_tokens") for x in ways] != ["mean"]:
        raise ValueError(
            f"{file} says {' and '.join(ways)}; a text's vector is read as the mean over its tokens, which is another."
        )


def _said(file: Path, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    """What a file says, empty where there is none. Raises ``ValueError`` for what is damaged, or of another kind."""
    if not file.is_file():
        return kind()
    try:
        said = plain_json.read(file)
    except ValueError as error:
        raise ValueError(f"{file} is damaged {error}; save the network again.") from None
    if not isinstance(said, kind):
        raise ValueError(f"{file} is not as sentence-transformers saves it; save the network again.")
    return said
