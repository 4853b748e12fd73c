"""The weights in an ONNX file by the names that they had: read as protobuf, nothing is run, no other file is opened.

Exporters keep the names of biases, norms and tables. A matrix that is multiplied with they often turn round and call
``val_49``: it gets the name of the bias that is added to its product. What is stored in fewer bits is multiplied out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.foreign.kept_file import bytes_in, file_as_tensor
from tutelage.foreign.onnx_file import onnx_extra

MOST = 2**31
"""Numbers of all weights together that are read."""
WHOLE = ("DequantizeLinear", "Cast", "Mul", "Sub", "Transpose", "Identity")
"""Operators that make weights of what is stored."""


def onnx_weights(file: Path) -> dict[str, Tensor]:
    """Each weight in ``file`` by its name, as float32; of linear layers as torch has them, (out, in).

    Names are those of the network that was exported, ``….bias`` and ``….weight``; what never had one keeps the file's.
    Raises ``FileNotFoundError``, ``ValueError`` for a file that is damaged, is no model, or keeps data in other files;
    ``ImportError`` with the install line without the extra ``onnx``.
    """
    onnx = onnx_extra("onnx")
    content = bytes_in(file_as_tensor(file))
    try:
        model = onnx.load_from_string(content)
        if not (model.graph.node and model.graph.initializer):
            raise ValueError("it has no operators or no weights")
        if any(isinstance(name, bytes) for name in _names(model)):
            raise ValueError("a name in it is no text in UTF-8")
        stored = _stored(model, onnx)
        weights = _made(model, stored, onnx)
    except Exception as error:  # protobuf's and numpy's own kinds
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")
        raise ValueError(f"{file} is no ONNX model whose weights can be read ({reason}); export it again.") from None
    named = {name: x for name, x in weights.items() if x.is_floating_point()}
    for matrix, name in _products(model, weights):
        named[name] = named.pop(matrix).T.contiguous()
    return {name: x.float() for name, x in named.items()}


def _names(model: Any) -> Iterator[str | bytes]:
    """Of tensors and operators: protobuf gives the bytes of what is no text."""
    yield from (tensor.name for tensor in model.graph.initializer)
    for node in model.graph.node:
        yield from (node.op_type, *node.input, *node.output)


def _stored(model: Any, onnx: Any) -> dict[str, Tensor]:
    """The tensors that the file holds. Raises ``ValueError`` for data elsewhere, and for more than ``MOST`` numbers."""
    total = 0
    found = {}
    for tensor in model.graph.initializer:
        if onnx.external_data_helper.uses_external_data(tensor):
            raise ValueError(f"{tensor.name!r} lies in another file, and none is opened")
        total += _numbers(tensor.dims)
        if total > MOST:
            raise ValueError(f"it claims more than {MOST} numbers")
        array = onnx.numpy_helper.to_array(tensor)
        found[tensor.name] = torch.from_numpy(array.copy()) if array.ndim else torch.tensor(array.item())
    return found


def _numbers(dims: Any) -> int:
    count = 1
    for dim in dims:
        if dim < 0:
            raise ValueError("a tensor has fewer than no rows")
        count *= dim
    return count


def _made(model: Any, stored: Mapping[str, Tensor], onnx: Any) -> dict[str, Tensor]:
    """``stored``, and what operators of ``WHOLE`` make of it alone, in place of what they take."""
    weights = dict(stored)
    used: set[str] = set()
    for node in model.graph.node:
        if node.op_type not in WHOLE or not all(name in weights for name in node.input if name):
            continue
        given = [weights[name] for name in node.input if name]
        if not any(x.ndim > 1 for x in given):
            continue
        options = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
        weights[node.output[0]] = _result(node.op_type, given, options)
        used |= {*node.input}
    return {name: x for name, x in weights.items() if name not in used}


def _result(kind: str, given: list[Tensor], options: Mapping[str, Any]) -> Tensor:
    first, *others = given
    match kind:
        case "Identity":
            return first
        case "Cast":
            return first.float()
        case "Transpose":
            return first.permute(*options.get("perm", range(first.ndim)[::-1]))
        case "Mul":
            return first.float() * others[0]
        case "Sub":
            return first.float() - others[0].float()
    scale, *zero = (_along(x, first, options.get("axis", 1)) for x in others)
    return (first.float() - zero[0].float() if zero else first.float()) * scale


def _along(x: Tensor, of: Tensor, axis: int) -> Tensor:
    """A number a channel, beside the weights whose axis it is for."""
    if x.numel() == 1 or x.ndim == of.ndim:
        return x
    shape = [1] * of.ndim
    shape[axis] = -1
    return x.reshape(shape)


def _products(model: Any, weights: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Matrices that something is multiplied by and a bias is added to, and the names that they had.

    One that goes by two names is given the first.
    """
    products = {n.output[0]: n.input[1] for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in weights}
    done: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        for product, bias in (tuple(node.input), tuple(node.input)[::-1]):
            matrix = products.get(product)
            named = bias in weights and bias.endswith("bias")
            if matrix is not None and named and matrix not in done and weights[matrix].ndim == 2:
                done.add(matrix)
                yield matrix, f"{bias.removesuffix('bias')}weight"
