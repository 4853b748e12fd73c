"""Encoders in ONNX files: they answer texts, and become networks with layers that answer the same."""

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from onnx_texts import write_encoder
from tutelage.foreign.bert_files import dequantised_sentences
from tutelage.foreign.onnx_encoder import ALIKE, onnx_sentences
from tutelage.foreign.onnx_weights import onnx_weights
from tutelage.models.encoder import Encoder
from tutelage.models.sentences import SentenceEncoder

KINDS = ("float32", "int8, multiplied", "int8, dequantised")
SIZES = {"layers": 2, "width": 32, "heads": 4, "inner": 48, "vocabulary": 300, "positions": 40}
TOKENS = torch.tensor([[101, 7, 8, 9, 102], [101, 200, 102, 0, 0], [101, 6, 102, 299, 102]])


def drawn(**sizes):
    torch.manual_seed(5)
    network = Encoder(**{**SIZES, **sizes}).eval()
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.3 * torch.randn_like(p))  # as it begins, attention hardly looks anywhere
    return network


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, network = tmp_path_factory.mktemp("onnx"), drawn()
    return {kind: write_encoder(network, folder / f"{kind}.onnx", kind) for kind in KINDS}


def answers(network, tokens=TOKENS):
    with torch.no_grad():
        return network.eval()(tokens)


def test_a_file_answers_as_the_network_that_is_in_it_pairs_and_padding_included(files):
    torch.testing.assert_close(
        answers(onnx_sentences(files["float32"])), answers(SentenceEncoder(drawn())), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_dequantised_network_answers_what_its_file_does(files, kind):
    wanted, found = answers(onnx_sentences(files[kind])), answers(dequantised_sentences(files[kind]))
    near = 0.05 if kind == "int8, dequantised" else 1e-5  # there the runtime multiplies whole numbers
    assert (found - wanted).norm() <= near * wanted.norm()


def test_weights_have_the_names_and_the_orientation_that_they_had(files):
    weights = onnx_weights(files["float32"])
    state = drawn().state_dict()
    for theirs, ours in (
        ("inner.encoder.layer.1.intermediate.dense.weight", "layer2.widen.weight"),
        ("inner.embeddings.word_embeddings.weight", "embeddings.tokens.weight"),
        ("inner.encoder.layer.0.attention.self.key.bias", "layer1.attention.key.bias"),
    ):
        assert torch.equal(weights[theirs], state[ours])


def test_what_was_quantised_is_off_by_half_a_step_at_most(files):
    weights, state = onnx_weights(files["int8, multiplied"]), drawn().state_dict()
    found, was = weights["inner.encoder.layer.0.output.dense.weight"], state["layer1.narrow.weight"]
    step = was.abs().max(1, keepdim=True).values / 127
    assert ((found - was).abs() <= 0.5001 * step).all() and not torch.equal(found, was)


def test_answers_do_not_depend_on_who_else_is_asked_about(files):
    network = onnx_sentences(files["float32"])
    many = TOKENS.repeat(ALIKE, 1)
    torch.testing.assert_close(answers(network, many)[:3], answers(network), rtol=1e-4, atol=1e-5)


def test_heads_that_are_not_usual_are_found_by_what_the_file_answers(tmp_path):
    file = write_encoder(drawn(heads=2), tmp_path / "two.onnx")
    assert dequantised_sentences(file).encoder.sizes["heads"] == 2


def test_a_network_without_types_is_asked_without_them(tmp_path):
    file = write_encoder(drawn(types=0), tmp_path / "none.onnx")
    torch.testing.assert_close(
        answers(onnx_sentences(file)), answers(dequantised_sentences(file)), rtol=1e-4, atol=1e-5
    )


def test_of_several_outputs_the_vectors_of_tokens_are_taken(files, tmp_path):
    def more(model):
        length = helper.make_node("Shape", ["input_ids"], ["length"])
        model.graph.node.append(length)
        model.graph.output.insert(0, helper.make_tensor_value_info("length", TensorProto.INT64, [2]))

    file = changed(files["float32"], more, tmp_path / "more.onnx")
    assert torch.equal(answers(onnx_sentences(file)), answers(onnx_sentences(files["float32"])))


def test_a_file_without_vectors_of_tokens_is_refused(files, tmp_path):
    def pooled(model):
        model.graph.node.append(helper.make_node("ReduceMax", [model.graph.output[0].name], ["one"], keepdims=0))
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info("one", TensorProto.FLOAT, []))

    file = changed(files["float32"], pooled, tmp_path / "one.onnx")
    with pytest.raises(ValueError, match="gives no vectors of tokens"):
        onnx_sentences(file)


def changed(file, change, to):
    model = onnx.load(file)
    change(model)
    onnx.save(model, to)
    return to


def other_activation(model):
    for node in model.graph.node:
        if node.op_type == "Erf":
            node.op_type = "Cos"


def elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../weights.bin")


def huge(model):
    tensor = model.graph.initializer[0]
    tensor.dims[:] = [2**40, 2**40]


def other_names(model):
    for tensor in model.graph.initializer:
        if tensor.name.endswith("bias"):
            for node in model.graph.node:
                node.input[:] = [f"{x}x" if x == tensor.name else x for x in node.input]
            tensor.name += "x"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_activation, "answers otherwise than one"),
        (elsewhere, "in another file"),
        (huge, "claims more than"),
        (other_names, "holds no encoder"),
    ],
)
def test_a_file_that_is_no_such_encoder_is_refused_in_a_sentence(files, tmp_path, change, said):
    file = changed(files["float32"], change, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=f"^{file}.*{said}"):
        dequantised_sentences(file)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused_in_a_sentence(files, tmp_path, kept):
    content = files["int8, multiplied"].read_bytes()
    file = tmp_path / "cut.onnx"
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=str(file)):
        onnx_weights(file)


def test_a_file_of_pictures_is_no_teacher_of_texts(tmp_path):
    node = helper.make_node("Relu", ["image"], ["answer"])
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("image", "answer")]
    graph = helper.make_graph([node], "one", infos[:1], infos[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="takes image, where an encoder of texts takes input_ids"):
        onnx_sentences(tmp_path / "x.onnx")


def test_tokens_that_the_file_does_not_know_are_refused_in_a_sentence(files):
    with pytest.raises(ValueError, match="does not answer texts of 3 tokens"):
        answers(onnx_sentences(files["float32"]), torch.tensor([[101, 5000, 102]]))
