"""Folders as transformers saves them: read into encoders of ours, or refused in a sentence."""

import json
import re

import pytest
import torch
from safetensors.torch import save_file

from bert_folders import SIZES, saved, theirs
from tutelage.foreign.bert_files import encoder_in_folder, pieces_in_folder
from tutelage.models.encoder import Encoder


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_what_was_saved_is_read_and_answers_the_same(tmp_path, family):
    network, tokens = saved(tmp_path, family), torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]])
    found = encoder_in_folder(tmp_path)
    assert torch.equal(found(tokens), network(tokens)) and not found.training


def test_older_names_of_norms_are_read(tmp_path):
    network = saved(tmp_path, "bert")
    weights = {theirs(name, "bert"): x for name, x in network.state_dict().items()}
    old = {re.sub("(LayerNorm.)weight$", r"\1gamma", re.sub("(LayerNorm.)bias$", r"\1beta", x)): y
           for x, y in weights.items()}  # fmt: skip
    save_file(old, tmp_path / "model.safetensors")
    assert torch.equal(encoder_in_folder(tmp_path).layer2.norm.weight, network.layer2.norm.weight)


def without(name):
    return lambda folder: (folder / name).unlink()


def reconfigured(**config):
    def change(folder):
        said = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**said, **config}))

    return change


def less(folder):
    weights = {theirs(name, "bert"): x for name, x in Encoder(**SIZES).state_dict().items() if "widen" not in name}
    save_file(weights, folder / "model.safetensors")


def cut(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (without("config.json"), FileNotFoundError, r"has no config\.json; name a folder in which transformers saved"),
        (without("model.safetensors"), FileNotFoundError, r"has no model\.safetensors nor pytorch_model\.bin"),
        (reconfigured(model_type="roberta"), ValueError, "is of a network 'roberta'; encoders that are read are bert"),
        (reconfigured(hidden_act="relu"), ValueError, "says hidden_act 'relu'"),
        (reconfigured(layer_norm_eps=1e-5), ValueError, "says layer_norm_eps '1e-05'; '1e-12' is what is read"),
        (reconfigured(is_decoder=True), ValueError, "says is_decoder 'True'"),
        (reconfigured(num_hidden_layers=1), ValueError, "says 1 layers, and model.safetensors holds 2"),
        (reconfigured(num_attention_heads=None), ValueError, "does not say how many heads"),
        (reconfigured(num_attention_heads=3), ValueError, "holds no whole encoder: Heads divide the width"),
        (less, ValueError, "holds no encoder .* it has no layer1.widen.weight"),
        (cut, ValueError, "model.safetensors"),
    ],
)
def test_a_folder_without_a_network_is_refused_in_a_sentence(tmp_path, change, error, said):
    saved(tmp_path, "bert")
    change(tmp_path)
    with pytest.raises(error, match=said):
        encoder_in_folder(tmp_path)


def test_an_empty_folder_has_no_vocabulary(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*vocab\.txt"):
        pieces_in_folder(tmp_path)


def test_texts_longer_than_the_places_are_refused():
    with pytest.raises(ValueError, match=r"at most 12 a text; .* cut longer texts"):
        Encoder(**SIZES)(torch.ones(1, 13, dtype=torch.int64))


@pytest.mark.parametrize(
    ("sizes", "said"), [({"heads": 3}, "Heads divide the width"), ({"layers": 0}, "layers; got 0")]
)
def test_sizes_that_make_no_encoder_are_refused(sizes, said):
    with pytest.raises(ValueError, match=said):
        Encoder(**{**SIZES, **sizes})
