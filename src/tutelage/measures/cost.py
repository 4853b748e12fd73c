"""What a network costs, counted: parameters, multiplications, bytes. Counts never stand without ``latency``."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from tutelage.measures.predict import device_of
from tutelage.modes import evaluating
from tutelage.outputs import in_words

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
    is computed: a copy without memory runs on the ``meta`` device, in eval mode. A network that cannot run there, for
    it looks at values or makes tensors elsewhere, is counted in a real pass.
    Raises ``ValueError``, "not counted: …", for a network that cannot run on ``example``, and for a layer that ought to
    multiply and was counted as 0.

    >>> macs(nn.Linear(784, 10), torch.zeros(1, 784))
    7840
    """
    if not isinstance(example, Tensor):
        raise ValueError(f"not counted: the example is a tensor, one sample or more; got {in_words(example)}.")
    try:
        with torch.no_grad():
            return _counted(_without_memory(model).eval(), example.to("meta"))
    except Uncounted:
        raise
    except Exception:  # whatever a network does with values that are not there
        return _counted_in_a_real_pass(model, example)


class Uncounted(ValueError):
    """A layer multiplied, and nobody knows how often."""


def _counted_in_a_real_pass(model: nn.Module, example: Tensor) -> int:
    try:
        with evaluating(model), _nothing_fused():
            return _counted(model, example.to(device_of(model)))
    except Uncounted:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise ValueError(
            f"not counted: {type(model).__name__} cannot run on an example {tuple(example.shape)} ({reason})."
        ) from error


@contextmanager
def _nothing_fused() -> Iterator[None]:
    """Attention and recurrent layers as the products that they are made of: kernels of their own hide them."""
    fused = torch.backends.mha.get_fastpath_enabled()
    onednn, *_ = torch.backends.mkldnn.set_flags(False, _fp32_precision=None)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        torch.backends.mkldnn.set_flags(onednn, _fp32_precision=None)


def _counted(network: nn.Module, example: Tensor) -> int:
    counter, handles = FlopCounterMode(display=False), []
    learn = [p for p in network.parameters() if p.requires_grad]
    try:
        for p in learn:  # the counter wants the gradient of a parameter that is given to a module, as of queries
            p.requires_grad_(False)
        for name, module in network.named_modules():
            if isinstance(module, MULTIPLIES):
                handles += _refuse_nothing(name, module, counter)
        with counter:
            network(example)
    finally:
        for handle in handles:
            handle.remove()
        for p in learn:
            p.requires_grad_(True)
    return counter.get_total_flops() // 2  # a multiplication and an addition each


def _without_memory(model: nn.Module) -> nn.Module:
    """A copy of the model on the ``meta`` device; its weights are never copied, so it costs no memory."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach().to("meta"), p.requires_grad) for p in model.parameters()}
    memo |= {id(b): b.to("meta") for b in model.buffers()}
    return deepcopy(model, memo)


def _refuse_nothing(name: str, module: nn.Module, counter: FlopCounterMode) -> list[RemovableHandle]:
    before = []

    def enter(*_: Any) -> None:
        before.append(counter.get_total_flops())

    def leave(_module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
        of_nothing = any(isinstance(x, Tensor) and not x.numel() for x in inputs)
        if counter.get_total_flops() == before.pop() and not of_nothing:
            raise Uncounted(
                f"not counted: the multiplications of {name or 'the network'!r} ({type(module).__name__}) cannot be "
                f"counted, for its forward pass uses operators without a known cost; count them by hand."
            )

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
