"""Networks of ours under the names of transformers, in folders as that library saves them."""

import json
import re

import torch
from safetensors.torch import save_file

from tutelage.models.encoder import Encoder

SIZES = {"layers": 2, "width": 16, "heads": 2, "inner": 24, "vocabulary": 40, "positions": 12}
BERT = {
    "embeddings.tokens": "embeddings.word_embeddings",
    "embeddings.positions": "embeddings.position_embeddings",
    "embeddings.types": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "norm": "output.LayerNorm",
}
DISTILBERT = {
    **BERT,
    "attention.query": "attention.q_lin",
    "attention.key": "attention.k_lin",
    "attention.value": "attention.v_lin",
    "attention.output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "widen": "ffn.lin1",
    "narrow": "ffn.lin2",
    "norm": "output_layer_norm",
}
FAMILIES = {
    "bert": (BERT, "bert.encoder.layer", "bert.", {"num_attention_heads": 2}, 2),
    "distilbert": (DISTILBERT, "distilbert.transformer.layer", "distilbert.", {"n_heads": 2}, 0),
}


def theirs(name, family):
    names, layers, prefix, *_ = FAMILIES[family]
    place, what = name.rsplit(".", 1)
    if found := re.match(r"layer(\d+)\.(.*)", place):
        return f"{layers}.{int(found[1]) - 1}.{names[found[2]]}.{what}"
    return f"{prefix}{names[place]}.{what}"


def saved(folder, family, **config):
    """What ``BertForMaskedLM`` and ``DistilBertForMaskedLM`` save, a head included."""
    torch.manual_seed(0)
    network = Encoder(**SIZES, types=FAMILIES[family][4]).eval()
    weights = {theirs(name, family): x for name, x in network.state_dict().items()}
    save_file({**weights, "cls.predictions.bias": torch.zeros(40)}, folder / "model.safetensors")
    said = {"model_type": family, "pad_token_id": 0, **FAMILIES[family][3], **config}
    (folder / "config.json").write_text(json.dumps(said))
    return network


def save_finder(network, folder, family="bert"):
    """A ``SpanNetwork`` as ``BertForQuestionAnswering`` or ``DistilBertForQuestionAnswering`` saves it."""
    save(network, folder, family, {f"qa_outputs.{name}": x for name, x in network.output.state_dict().items()})


HEADS = {"bert": ("bert.pooler.dense", "classifier"), "distilbert": ("pre_classifier", "classifier")}


def save_classifier(network, folder, family="bert"):
    """A ``TextClassifier`` as ``BertForSequenceClassification`` or ``DistilBertForSequenceClassification`` saves it."""
    head = {}
    for theirs_, part in zip(HEADS[family], (network.pooler, network.output), strict=True):
        head |= {f"{theirs_}.{name}": x for name, x in part.state_dict().items()}
    save(network, folder, family, head)


def save(network, folder, family, head):
    folder.mkdir(exist_ok=True)
    weights = {**{theirs(name, family): x for name, x in network.encoder.state_dict().items()}, **head}
    save_file({name: x.contiguous() for name, x in weights.items()}, folder / "model.safetensors")
    heads = {"bert": "num_attention_heads", "distilbert": "n_heads"}[family]
    sizes = network.encoder.sizes
    said = {
        "model_type": family,
        "pad_token_id": 0,
        heads: sizes["heads"],
        "max_position_embeddings": sizes["positions"],
    }
    (folder / "config.json").write_text(json.dumps(said))
