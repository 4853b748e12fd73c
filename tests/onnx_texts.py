"""ONNX files of small encoders as exporters write them: names of transformers, matrices turned round and nameless."""

from itertools import count
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tutelage.models.encoder import Encoder


class Graph:
    """Nodes and weights, as they are added."""

    def __init__(self, stored: str) -> None:
        self.nodes, self.weights, self.stored, self.numbers = [], [], stored, count()

    def op(self, kind, *inputs, **options):
        name = f"val_{next(self.numbers)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **options))
        return name

    def keep(self, values, name=""):
        name = name or f"val_{next(self.numbers)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def matrix(self, values, name=""):
        """Kept as it is, or as int8 and a scale a column (a row of a table)."""
        name = name or f"val_{next(self.numbers)}"
        if self.stored == "float32":
            return self.keep(values, name)
        axis = 0 if name.startswith("val_") else 1
        scale = np.abs(values).max(axis, keepdims=True).astype(np.float32) / 127
        whole = self.keep(np.round(values / scale).astype(np.int8), f"{name}_q")
        if self.stored == "int8, multiplied":
            scale = self.keep(scale, f"{name}_scale")
            self.nodes.append(helper.make_node("Cast", [whole], [f"{name}_f"], to=TensorProto.FLOAT))
            self.nodes.append(helper.make_node("Mul", [f"{name}_f", scale], [name]))
        else:
            inputs = [whole, self.keep(scale.flatten(), f"{name}_scale")]
            self.nodes.append(helper.make_node("DequantizeLinear", inputs, [name], axis=1 - axis))
        return name


def write_encoder(encoder: Encoder, file: Path, stored: str = "float32") -> Path:
    """``encoder`` in ``file``, its matrices ``stored`` as float32, as "int8, multiplied" or as "int8, dequantised"."""
    g, state = Graph(stored), {name: x.numpy() for name, x in encoder.state_dict().items()}
    heads, width = encoder.sizes["heads"], encoder.sizes["width"]

    def normed(x, ours, theirs):
        scale, bias = (g.keep(state[f"{ours}.{part}"], f"{theirs}.{part}") for part in ("weight", "bias"))
        return g.op("LayerNormalization", x, scale, bias, epsilon=1e-12, axis=-1)

    def linear(x, ours, theirs):
        product = g.op("MatMul", x, g.matrix(np.ascontiguousarray(state[f"{ours}.weight"].T)))
        return g.op("Add", product, g.keep(state[f"{ours}.bias"], f"{theirs}.bias"))

    def split(x, turned):
        apart = g.op("Reshape", x, g.keep(np.array([0, 0, heads, width // heads])))
        return g.op("Transpose", apart, perm=turned)

    place = "inner.embeddings"
    x = g.op("Gather", g.matrix(state["embeddings.tokens.weight"], f"{place}.word_embeddings.weight"), "input_ids")
    zero, one = g.keep(np.array(0)), g.keep(np.array(1))
    length = g.op("Gather", g.op("Shape", "input_ids"), one)
    table = g.matrix(state["embeddings.positions.weight"], f"{place}.position_embeddings.weight")
    x = g.op("Add", x, g.op("Gather", table, g.op("Range", zero, length, one)))
    inputs = ["input_ids", "attention_mask"]
    if "embeddings.types.weight" in state:
        inputs.append("token_type_ids")
        types = g.keep(state["embeddings.types.weight"], f"{place}.token_type_embeddings.weight")
        x = g.op("Add", x, g.op("Gather", types, "token_type_ids"))
    x = normed(x, "embeddings.norm", f"{place}.LayerNorm")
    seen = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.keep(np.array([1, 2])))
    hidden = g.op("Mul", g.op("Sub", seen, g.keep(np.float32(1))), g.keep(np.float32(1e9)))
    for number in range(encoder.depth):
        ours, theirs = f"layer{number + 1}", f"inner.encoder.layer.{number}"
        query, key, value = (
            split(linear(x, f"{ours}.attention.{part}", f"{theirs}.attention.self.{part}"), turned)
            for part, turned in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
        )
        scores = g.op("Div", g.op("MatMul", query, key), g.keep(np.float32((width // heads) ** 0.5)))
        mixed = g.op("MatMul", g.op("Softmax", g.op("Add", scores, hidden), axis=-1), value)
        mixed = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), g.keep(np.array([0, 0, width])))
        x = g.op("Add", x, linear(mixed, f"{ours}.attention.output", f"{theirs}.attention.output.dense"))
        x = normed(x, f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        wide = linear(x, f"{ours}.widen", f"{theirs}.intermediate.dense")
        bent = g.op("Mul", g.op("Add", g.op("Erf", g.op("Div", wide, g.keep(np.float32(2**0.5)))),
                                g.keep(np.float32(1))), g.op("Mul", wide, g.keep(np.float32(0.5))))  # fmt: skip
        x = g.op("Add", x, linear(bent, f"{ours}.narrow", f"{theirs}.output.dense"))
        x = normed(x, f"{ours}.norm", f"{theirs}.output.LayerNorm")
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        g.nodes,
        "encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [*shape, width])],
        g.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, file)
    return file
