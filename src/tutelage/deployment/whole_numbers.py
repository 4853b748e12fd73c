"""A fake-quantised network as ONNX computes it: whole numbers with exactly the scales that it was trained with."""

import torch
from torch import Tensor, nn

from tutelage.compress.chains import INPUT, NORMS, OUTPUT, Chains, chains_of
from tutelage.compress.fake_quantised import RoundedActivation, round_, unhook_
from tutelage.compress.rounded_weight import BinaryWeight, RoundedWeight, rounds
from tutelage.copies import copy_of

OPSET = 18
"""The version of ``QuantizeLinear`` and ``DequantizeLinear`` that is meant; since 13 they know scales by channel."""
WIDEST = 2**31 - 1


class Rounding(nn.Module):
    """``QuantizeLinear`` and ``DequantizeLinear``, uint8, of one range. For an export alone: PyTorch gets zeros."""

    scale: Tensor
    zero: Tensor

    def __init__(self, activation: RoundedActivation) -> None:
        super().__init__()
        if activation.bits != 8 or not activation.low.isfinite():
            what = f"{activation.bits} bits" if activation.bits != 8 else "a range that no batch has shown yet"
            raise ValueError(f"A file has activations of 8 bits whose ranges are known; the network has {what}.")
        scale, zero = activation.scale_and_zero()
        self.register_buffer("scale", scale.clone())
        self.register_buffer("zero", zero.to(torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        return _dequantised(_quantised(x, self.scale, self.zero), self.scale, self.zero)


class WholeLayer(nn.Module):
    """A convolution or linear layer with int8 weights, a scale for each output channel, and int32 biases.

    ``weight`` and ``bias`` are the numbers that these stand for, whoever reads them.
    """

    whole: Tensor
    scale: Tensor
    zero: Tensor
    whole_bias: Tensor | None
    bias_scale: Tensor
    bias_zero: Tensor

    def __init__(self, layer: nn.Module, norm: nn.Module | None, input_scale: Tensor | None) -> None:
        super().__init__()
        whole, scale, bias = whole_weights(layer, norm)
        self.layer = _empty(layer)
        self.register_buffer("whole", whole)
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros_like(scale, dtype=torch.int8))
        step = None if input_scale is None else scale.double() * input_scale.double()
        rounds = bias is not None and step is not None and bool(((bias / step).abs() < WIDEST).all())
        if bias is not None and step is not None and rounds:
            self.register_buffer("bias_scale", step.float())
            self.register_buffer("bias_zero", torch.zeros_like(scale, dtype=torch.int32))
            bias = (bias / step).round().to(torch.int32)
        self.register_buffer("whole_bias", bias if bias is None or rounds else bias.float())

    @property
    def weight(self) -> Tensor:
        return _dequantised(self.whole, self.scale, self.zero, 0)

    @property
    def bias(self) -> Tensor | None:
        whole = self.whole_bias
        rounds = whole is not None and whole.dtype == torch.int32
        return _dequantised(whole, self.bias_scale, self.bias_zero, 0) if rounds else whole  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            return nn.functional.linear(x, self.weight, self.bias)
        made: Tensor = self.layer._conv_forward(x, self.weight, self.bias)  # type: ignore[operator]
        return made


@torch.no_grad()
def whole_weights(layer: nn.Module, norm: nn.Module | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The int8 weights of a layer that rounds them, their scales (C,), float32, and its bias, float64, if it has one.

    With the batch norm ``norm`` behind it in these: ``a = γ / √(σ² + ε)`` multiplies scales and not whole numbers,
    whose signs turn where it is negative; the bias becomes ``a (b − μ) + β``.
    """
    rounding = layer.parametrizations.weight[0]  # type: ignore[index, union-attr]
    assert isinstance(rounding, RoundedWeight | BinaryWeight)
    original = layer.parametrizations.weight.original  # type: ignore[union-attr]
    assert isinstance(original, Tensor)
    scale = rounding.scale(original)
    shape = (-1, *[1] * (original.ndim - 1))
    whole = (rounding(original).float() / scale.view(shape)).round()
    own = layer._parameters["bias"]
    bias = None if own is None else own.double()
    if isinstance(norm, NORMS):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        factor = (norm.running_var.double() + norm.eps).rsqrt()
        factor = factor if norm.weight is None else factor * norm.weight.double()
        whole, scale = whole * factor.sign().view(shape).float(), (scale.double() * factor.abs()).float()
        scale = torch.where(scale > 0, scale, 1.0)  # of a channel that is 0 throughout
        bias = ((0 if bias is None else bias) - norm.running_mean.double()) * factor
        bias = bias if norm.bias is None else bias + norm.bias.double()
    return whole.to(torch.int8), scale, bias


def in_whole_numbers(network: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a fake-quantised ``network`` for an export to ONNX, its batch norms folded where layers precede them.

    Of the graph that comes out, integer kernels compute what the network rounds to in floats. ``example`` (a sample or
    more) is run once, to see what follows what. Raises ``ValueError`` for activations of other than 8 bits, and for
    ranges that no batch has shown yet.
    """
    for opaque in (_quantised, _dequantised):  # to a compiler that reads code, which an export may need
        torch.compiler.allow_in_graph(opaque)
    copy = copy_of(network).eval()
    chains = chains_of(copy, example)
    instead: dict[nn.Module, nn.Module] = {}
    for layer in filter(rounds, chains.layers):
        norm = next(iter(chains.tail_of(layer)), None)
        folds = isinstance(norm, NORMS) and norm.running_mean is not None and not hasattr(layer, OUTPUT)
        norm = norm if folds else None
        read = _read_by(layer, chains)
        instead[layer] = WholeLayer(layer, norm, None if read is None else read.scale_and_zero()[0])
        if read is not None and layer in chains.moved:  # kernels want whole numbers just before the layer
            round_(instead[layer], INPUT, Rounding(read))
        if norm is not None:
            instead[norm] = nn.Identity()
    for module in list(copy.modules()):
        unhook_(module)
        for name in (INPUT, OUTPUT):
            if isinstance(activation := module._modules.pop(name, None), RoundedActivation):
                round_(instead.get(module, module), name, Rounding(activation))
    for module in list(copy.modules()):
        for name, child in list(module._modules.items()):
            if child in instead:
                module._modules[name] = instead[child]
    return instead.get(copy, copy)


def _quantised(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    given = (x, scale, zero)
    return torch.onnx.ops.symbolic("QuantizeLinear", given, dtype=torch.uint8, shape=x.shape, version=OPSET)


def _dequantised(whole: Tensor, scale: Tensor, zero: Tensor, axis: int | None = None) -> Tensor:
    given = (whole, scale, zero)
    return torch.onnx.ops.symbolic(
        "DequantizeLinear",
        given,
        {} if axis is None else {"axis": axis},
        dtype=torch.float32,
        shape=whole.shape,
        version=OPSET,
    )


def _read_by(layer: nn.Module, chains: Chains) -> RoundedActivation | None:
    """What rounded the numbers that ``layer`` reads; none where these are floats, or of several ranges."""
    sources = [layer._modules.get(INPUT), *(getattr(x, OUTPUT, None) for x in chains.sources_of(layer))]
    found = [x for x in sources if isinstance(x, RoundedActivation)]
    return found[0] if len(found) == 1 else None


def _empty(layer: nn.Module) -> nn.Module:
    """The layer with its sizes and steps, without weights."""
    layer.__class__ = type(layer).__bases__[0]
    del layer._modules["parametrizations"]
    layer._parameters.clear()
    return layer
