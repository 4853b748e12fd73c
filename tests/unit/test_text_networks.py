"""Trained networks of texts in the forms that people have them: what they answer, and what is refused."""

import json
import sys
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from torch import nn

from bert_folders import save_classifier
from onnx_texts import write_encoder
from tutelage.foreign.text_folders import texts_in_folder
from tutelage.foreign.text_networks import longest_of, text_network, texts_in_onnx, vocabulary_of
from tutelage.models.encoder import Encoder
from tutelage.models.sentences import SentenceEncoder
from tutelage.models.text_classifier import text_classifier

SIZES = {"layers": 2, "width": 16, "heads": 2, "inner": 24, "vocabulary": 40, "positions": 12}
TOKENS = torch.tensor([[2, 9, 3, 7, 3, 0], [2, 5, 6, 3, 0, 0]])
SPECIAL = (0, 3)

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def classifier(family="bert"):
    types, activation = (2, "tanh") if family == "bert" else (0, "relu")
    return text_classifier(3, **SIZES, types=types, separator=3, activation=activation).eval()


def built(text, vectors=False, weights=None):
    readers = partial(texts_in_folder, vectors=vectors), partial(texts_in_onnx, vectors=vectors)
    return text_network(text, weights, *readers, num_answers=3, special=SPECIAL, samples=None)()


def reconfigured(**said):
    config = Path("net/config.json")
    config.write_text(json.dumps({**json.loads(config.read_text()), **said}))


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_classifier_in_a_folder_answers_as_it_was_saved(family):
    network = classifier(family)
    save_classifier(network, Path("net"), family)
    assert torch.equal(built("hf:net")(TOKENS), network(TOKENS)) and longest_of("hf:net") == 12


def test_of_vectors_it_is_the_mean_over_the_tokens():
    network = classifier()
    save_classifier(network, Path("net"))
    assert torch.equal(built("hf:net", vectors=True)(TOKENS), SentenceEncoder(network.encoder)(TOKENS))


def in_parts():
    """The weights in two files, with the index that ``save_pretrained`` writes for large networks."""
    weights = load_file("net/model.safetensors")
    names = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(sorted(weights))}
    for part in {*names.values()}:
        save_file({name: x for name, x in weights.items() if names[name] == part}, f"net/{part}")
    Path("net/model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    Path("net/model.safetensors").unlink()
    return names


def test_weights_in_several_files_are_the_same():
    network = classifier()
    save_classifier(network, Path("net"))
    in_parts()
    assert torch.equal(built("hf:net")(TOKENS), network(TOKENS))


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        ({"a": "../model.safetensors"}, ValueError, "does not say which files beside it"),
        ({}, ValueError, "does not say which files beside it"),
        ({"a": "model-00003-of-00002.safetensors"}, FileNotFoundError, "has no model-00003.*, which .* names; copy it"),
    ],
)
def test_an_index_of_files_that_are_not_beside_it_is_one_sentence(named, error, words):
    save_classifier(classifier(), Path("net"))
    in_parts()
    Path("net/model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))
    with pytest.raises(error, match=words):
        built("hf:net")


@pytest.mark.parametrize(
    ("change", "vectors", "error", "words"),
    [
        (lambda: Path("net/model.safetensors").unlink(), False, FileNotFoundError, "has no model.safetensors"),
        (lambda: Path("net/config.json").unlink(), False, FileNotFoundError, "has no config.json"),
        (lambda: reconfigured(pad_token_id=1), False, ValueError, "pads with the token 1, and the vocabulary with 0"),
        (lambda: reconfigured(model_type="electra"), False, ImportError, "family 'electra', which transformers runs"),
        (lambda: reconfigured(layer_norm_eps=1e-5), False, ImportError, "family 'bert', which transformers runs"),
        (lambda: reconfigured(model_type="xlnet"), False, ValueError, "wants padding in front of texts, and would not"),
        (lambda: pooled(pooling_mode_cls_token=True), True, ValueError, "pooling_mode_cls_token; a text's vector is"),
        (lambda: pooled(pooling_mode="cls"), True, ValueError, "says cls; a text's vector is read as the mean"),
        (lambda: pooled(pooling_mode=["mean", "max"]), True, ValueError, "says mean and max; a text's vector is read"),
        (lambda: pooled("poolers", pooling_mode="lasttoken"), True, ValueError, "poolers/config.json says lasttoken"),
        (lambda: steps("Transformer", "Pooling", "Dense"), True, ValueError, "says that a Dense makes a text's vector"),
        (lambda: prompted("q"), True, ValueError, "puts 'query: ' before each text, and here nothing is: write it"),
        (lambda: Path("net/modules.json").write_text("{}"), True, ValueError, "not as sentence-transformers saves it"),
        (lambda: Path("net/modules.json").write_text("[["), True, ValueError, "modules.json is damaged"),
    ],
)
def test_what_lacks_or_differs_in_a_folder_is_one_sentence(change, vectors, error, words):
    save_classifier(classifier(), Path("net"))
    change()
    with pytest.raises(error, match=words):
        built("hf:net", vectors)


def steps(*kinds, pooling="1_Pooling"):
    """``modules.json`` of sentence-transformers."""
    places = {"Transformer": "", "Pooling": pooling}
    said = [{"path": places.get(kind, kind), "type": f"sentence_transformers.models.{kind}"} for kind in kinds]
    Path("net/modules.json").write_text(json.dumps(said))


def prompted(name):
    said = {"prompts": {"q": "query: ", "none": ""}, "default_prompt_name": name}
    Path("net/config_sentence_transformers.json").write_text(json.dumps(said))


def pooled(place="1_Pooling", **said):
    steps("Transformer", "Pooling", "Normalize", pooling=place)
    Path("net", place).mkdir()
    Path("net", place, "config.json").write_text(json.dumps(said))


@pytest.mark.parametrize("said", [{"pooling_mode": "mean"}, {"pooling_mode_mean_tokens": True}, {}])
def test_the_mean_is_what_sentence_transformers_says_in_any_of_its_words(said):
    network = classifier()
    save_classifier(network, Path("net"))
    pooled(**said)
    prompted(None)
    assert torch.equal(built("hf:net", vectors=True)(TOKENS), SentenceEncoder(network.encoder)(TOKENS))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("modules.json", [{"path": "../..", "type": "x.Pooling"}, {"path": [1], "type": None}, 7]),
        ("config_sentence_transformers.json", {"prompts": {"q": "a"}, "default_prompt_name": ["q"]}),
        ("config.json", {"model_type": ["bert"], "pad_token_id": 0}),
    ],
)
def test_what_stands_in_a_file_of_a_folder_may_be_anything(file, said):
    save_classifier(classifier(), Path("net"))
    Path("net", file).write_text(json.dumps(said))
    with suppress(ValueError, ImportError):
        built("hf:net", vectors=True)


def test_an_encoder_without_a_head_is_no_classifier():
    network = classifier()
    network.pooler = nn.Linear(16, 8)
    save_classifier(network, Path("net"))
    with pytest.raises(ValueError, match=r"holds no whole classifier: its pooler.weight is \(8, 16\)"):
        built("hf:net")


@pytest.mark.parametrize(
    ("text", "weights", "error", "words"),
    [
        ("hf:nowhere", None, FileNotFoundError, "no folder nowhere"),
        ("nowhere.onnx", None, FileNotFoundError, "no file nowhere.onnx"),
        ("net.pt2", None, ValueError, "takes no texts"),
        ("hf:net", Path("w.pt"), ValueError, "leave out --weights"),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_one_sentence(text, weights, error, words):
    with pytest.raises(error, match=words):
        built(text, weights=weights)


def test_another_family_is_run_by_transformers_without_what_that_says_of_it(monkeypatch, capfd):
    network = classifier()
    save_classifier(network, Path("net"))
    reconfigured(model_type="electra")
    seen = {}

    class Theirs(nn.Module):
        config = SimpleNamespace(type_vocab_size=2)

        def forward(self, input_ids=None, attention_mask=None, token_type_ids=None):
            seen.update(mask=attention_mask, types=token_type_ids)
            return SimpleNamespace(logits=network(input_ids))

    module = ModuleType("transformers")
    module.AutoModelForSequenceClassification = SimpleNamespace(from_pretrained=lambda *_, **how: loaded(how))

    def loaded(how):
        assert how == {
            "use_safetensors": True,
            "trust_remote_code": False,
            "local_files_only": True,
            "output_loading_info": True,
        }
        print("Loading weights: 100%", file=sys.stderr)
        warnings.warn("a report of what is lacking", stacklevel=1)
        return Theirs(), {"missing_keys": set()}

    monkeypatch.setattr("tutelage.foreign.transformers_folders.imported", lambda _: module)
    assert torch.equal(texts_in_folder("net", *SPECIAL, vectors=False)(TOKENS), network(TOKENS))
    assert seen["mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert seen["types"].tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]
    assert capfd.readouterr() == ("", "")


def test_vectors_are_those_of_an_encoder_alone(monkeypatch):
    """A pooler that is not in the file would be drawn at random, and a decoder has nothing to go on."""
    network = classifier().encoder
    save_classifier(classifier(), Path("net"))
    reconfigured(model_type="t5")

    class Whole(nn.Module):
        config = SimpleNamespace(is_encoder_decoder=True)

        def get_encoder(self):
            return Half()

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.pooler = nn.Linear(2, 2)

        def forward(self, input_ids=None, attention_mask=None):
            assert self.pooler is None and attention_mask is not None
            return SimpleNamespace(last_hidden_state=network(input_ids))

    module = ModuleType("transformers")
    module.AutoModel = SimpleNamespace(from_pretrained=lambda *_, **_how: (Whole(), {"missing_keys": {"pooler.bias"}}))
    monkeypatch.setattr("tutelage.foreign.transformers_folders.imported", lambda _: module)
    found = texts_in_folder("net", *SPECIAL, vectors=True)
    assert torch.equal(found(TOKENS), SentenceEncoder(network)(TOKENS)) and not [*found.parameters()]


@pytest.mark.parametrize(("family", "said"), [("roberta", {"type_vocab_size": 1}), ("gpt2", {"pad_token_id": None})])
def test_a_family_without_types_of_tokens_is_given_none(monkeypatch, family, said):
    """RoBERTa takes ``token_type_ids``, of which it knows one: the second text of a pair would be out of its table.

    GPT-2 would add the vector of its first token to all. What pads is said where a network does not know it.
    """
    save_classifier(classifier(), Path("net"))
    reconfigured(model_type=family)
    seen = []

    class Theirs(nn.Module):
        config = SimpleNamespace(**said)

        def forward(self, input_ids=None, attention_mask=None, token_type_ids=None):
            seen.append(token_type_ids)
            return SimpleNamespace(logits=input_ids * attention_mask)

    module = ModuleType("transformers")
    module.AutoModelForSequenceClassification = SimpleNamespace(from_pretrained=lambda *_, **_how: (Theirs(), {}))
    monkeypatch.setattr("tutelage.foreign.transformers_folders.imported", lambda _: module)
    texts_in_folder("net", *SPECIAL, vectors=False)(TOKENS)
    assert seen == [None] and getattr(Theirs.config, "pad_token_id", 0) == 0


@pytest.mark.parametrize(
    ("vectors", "missing", "words"),
    [
        (
            False,
            {"classifier.out_proj.weight"},
            "no whole classifier of texts: classifier.out_proj.weight is not there",
        ),
        (True, {"pooler.dense.weight", "encoder.layer.0.weight"}, "no whole encoder: encoder.layer.0.weight is not"),
        (True, {"pooler.dense.weight"}, ""),
    ],
)
def test_what_transformers_would_draw_at_random_is_no_trained_network(monkeypatch, vectors, missing, words):
    save_classifier(classifier(), Path("net"))
    reconfigured(model_type="roberta")
    module = ModuleType("transformers")
    network = nn.Linear(2, 2).bfloat16()  # as most are saved
    loaded = SimpleNamespace(from_pretrained=lambda *_, **_how: (network, {"missing_keys": missing}))
    module.AutoModel = module.AutoModelForSequenceClassification = loaded
    monkeypatch.setattr("tutelage.foreign.transformers_folders.imported", lambda _: module)
    if not words:
        found = texts_in_folder("net", *SPECIAL, vectors=vectors)
        assert {x.dtype for x in found.parameters()} == {torch.float32}
        return
    with pytest.raises(ValueError, match=words):
        texts_in_folder("net", *SPECIAL, vectors=vectors)


def test_why_transformers_cannot_be_imported_is_told(monkeypatch):
    def failing(_):
        raise ImportError("huggingface-hub>=1.0 is required")

    save_classifier(classifier(), Path("net"))
    reconfigured(model_type="electra")
    monkeypatch.setattr("tutelage.foreign.transformers_folders.imported", failing)
    with pytest.raises(ImportError, match=r"runs \(ImportError: huggingface-hub>=1.0 is required.*pip install transf"):
        built("hf:net")


def test_an_encoder_in_a_file_gives_the_mean_over_its_tokens():
    encoder = Encoder(**SIZES, types=2, separator=3).eval()
    write_encoder(encoder, Path("net.onnx"))
    with torch.no_grad():
        torch.testing.assert_close(
            built("net.onnx", True)(TOKENS), SentenceEncoder(encoder)(TOKENS), rtol=1e-4, atol=1e-5
        )


def summed_ids(*outputs, kind=TensorProto.INT64, shape=("batch", "sequence")):
    """A file whose outputs are the sums of ids that count, each with its name."""
    axes = numpy_helper.from_array(torch.tensor([1]).numpy(), "axes")
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axes"], ["sum"], keepdims=1),
        *(helper.make_node("Cast", ["sum"], [name], to=TensorProto.FLOAT) for name in outputs),
    ]
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info(name, kind, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [shape[0], 1]) for name in outputs],
        [axes],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "net.onnx")


@pytest.mark.parametrize(
    ("outputs", "vectors"),
    [(["logits"], False), (["scores"], False), (["other", "logits"], False), (["other", "sentence_embedding"], True)],
)
def test_the_output_of_a_file_that_is_meant_is_found(outputs, vectors):
    summed_ids(*outputs)
    assert built("net.onnx", vectors)(TOKENS).tolist() == [[24.0], [16.0]]


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
@pytest.mark.parametrize("shape", [("batch", "sequence"), (1, 8), (4, "sequence"), ("batch", 6)])
def test_a_file_is_asked_in_the_type_and_the_sizes_that_it_takes(kind, shape):
    summed_ids("logits", kind=kind, shape=shape)
    tokens = torch.cat([TOKENS, 2 * TOKENS, TOKENS])
    assert built("net.onnx")(tokens).flatten().tolist() == [24, 16, 48, 32, 24, 16]


def test_texts_of_more_tokens_than_a_file_takes_are_refused_with_what_helps():
    summed_ids("logits", shape=(1, 4))
    with pytest.raises(ValueError, match=r"takes texts of 4 tokens, and there is one of 5; say --longest 4"):
        built("net.onnx")(TOKENS)


def test_a_file_that_takes_no_mask_never_sees_padding():
    """It would count as any token: here each text's numbers are divided by how many there are."""
    mean = helper.make_node("ReduceMean", ["numbers"], ["logits"], axes=[1], keepdims=1)
    cast = helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    graph = helper.make_graph([cast, mean], "means", [ids],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])])  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "net.onnx")
    assert built("net.onnx")(TOKENS).flatten().tolist() == pytest.approx([24 / 5, 4])


def test_a_file_that_leaves_open_what_it_answers_is_refused():
    summed_ids("one", "other")
    with pytest.raises(ValueError, match="has no output 'logits' of a logit a class"):
        built("net.onnx")


def test_the_vocabulary_lies_beside_the_network_or_above_it():
    Path("net/onnx").mkdir(parents=True)
    Path("net/vocab.txt").write_text("")
    assert vocabulary_of("hf:net") == Path("net/vocab.txt")
    assert vocabulary_of("net/onnx/model.onnx") == Path("net/vocab.txt").absolute()
    assert vocabulary_of("my_lab.nets:Net") is None and longest_of("net/onnx/model.onnx") == 0
