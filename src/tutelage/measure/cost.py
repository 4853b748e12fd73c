"""What a network costs, counted: parameters, multiplications, bytes. Counts never stand without ``latency``."""

from copy import deepcopy
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

MULTIPLIES = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention, nn.Bilinear)


def parameters(model: nn.Module) -> int:
    """The number of trained numbers, tied ones counted once, frozen ones included.

    >>> parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in model.parameters())


def macs(model: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates of the matrix products, convolutions and attention in one forward pass on ``example``.

    Give one sample for the cost of one answer. Biases, activations, normalisation and pooling are not counted. Nothing
    is computed: a copy without memory runs on the ``meta`` device, in eval mode.
    Raises ``ValueError`` for a layer that ought to multiply and was counted as 0.

    >>> macs(nn.Linear(784, 10), torch.zeros(1, 784))
    7840
    """
    hollow = _without_memory(model).eval()
    counter = FlopCounterMode(display=False)
    for name, module in hollow.named_modules():
        if isinstance(module, MULTIPLIES):
            _refuse_nothing(name, module, counter)
    with torch.no_grad(), counter:
        hollow(example.to("meta"))
    return counter.get_total_flops() // 2  # a multiplication and an addition each


def file_bytes(model: nn.Module) -> int:
    """Bytes of a safetensors file with the model's parameters and buffers: tied ones once, no further metadata."""
    once: dict[tuple[Any, ...], tuple[str, Tensor]] = {}
    for name, x in model.state_dict().items():
        once.setdefault(_memory(x), (name, x.detach().cpu().contiguous()))
    return len(save(dict(once.values())))


def _without_memory(model: nn.Module) -> nn.Module:
    """A copy of the model on the ``meta`` device; its weights are never copied, so it costs no memory."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach().to("meta"), p.requires_grad) for p in model.parameters()}
    memo |= {id(b): b.to("meta") for b in model.buffers()}
    return deepcopy(model, memo)


def _refuse_nothing(name: str, module: nn.Module, counter: FlopCounterMode) -> None:
    before = []

    def enter(*_: Any) -> None:
        before.append(counter.get_total_flops())

    def leave(*_: Any) -> None:
        if counter.get_total_flops() == before.pop():
            raise ValueError(
                f"The multiplications of {name or 'the network'!r} ({type(module).__name__}) cannot be counted: its "
                f"forward pass uses operators without a known cost. Leave the MACs out, or count them by hand."
            )

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave)


def _memory(x: Tensor) -> tuple[Any, ...]:
    return (x.data_ptr(), x.dtype, x.shape, x.stride()) if x.numel() else (id(x),)
