"""What stands in a smaller network where something was taken out: plain modules that compute next to nothing."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Sizes: TypeAlias = Callable[[Sequence[int]], list[int]]
"""Height and width, or however many there are -> what a layer makes of them."""


class Select(nn.Module):
    """The channels ``index`` of what comes in along ``axis``, in their order.

    >>> Select([0, 2])(torch.tensor([[5.0, 6.0, 7.0]]))
    tensor([[5., 7.]])
    """

    index: Tensor

    def __init__(self, index: Sequence[int], axis: int = 1) -> None:
        super().__init__()
        self.kept, self.axis = tuple(index), axis
        self.in_a_row = self.kept == tuple(range(self.kept[0], self.kept[0] + len(self.kept)))
        self.register_buffer("index", torch.tensor(self.kept, dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.in_a_row:  # a view, which costs nothing
            return x.narrow(self.axis, self.kept[0], len(self.kept))
        return x.index_select(self.axis, self.index)

    def places(self) -> Tensor:
        """``index`` on the CPU, wherever the network is."""
        return torch.tensor(self.kept, dtype=torch.int64, device="cpu")

    def extra_repr(self) -> str:
        return f"{len(self.kept)} channels along {self.axis}"


class Selecting(nn.Sequential):
    """A layer behind a ``Select``; what it does not have itself, such as ``weight``, is the layer's.

    >>> Selecting(Select([0]), nn.Linear(1, 2)).weight.shape
    torch.Size([2, 1])
    """

    def __init__(self, *layers: Any) -> None:
        super().__init__(*layers)
        self.register_forward_pre_hook(is_run)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            layers = [*self.__dict__.get("_modules", {}).values()]  # none yet where it is being made or copied
            if len(layers) < 2 or name.startswith("__") or name == "parametrizations":
                raise  # a parametrised layer knows how to copy itself, and is made plain; this is not
            return getattr(layers[-1], name)


class Zero(nn.Module):
    """One zero that broadcasts, whatever comes in: what a branch that was closed adds.

    >>> Zero()(torch.ones(2, 3, 4, 4)).shape
    torch.Size([1, 1, 1, 1])
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_forward_pre_hook(is_run)

    def forward(self, input: Tensor) -> Tensor:  # as layers call it, whom it stands for
        return input.new_zeros((1,) * input.ndim)


class Blank(nn.Module):
    """What a layer answers that reads nothing: its bias in every place, or zeros; of no channels, an empty tensor.

    ``axis`` is that of the channels. ``sizes`` is what becomes of the sizes behind it, as the layer changed them.
    """

    def __init__(self, channels: int, axis: int = 1, sizes: Sizes = list, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.channels, self.axis, self.sizes, self.bias = channels, axis, sizes, bias
        self.register_forward_pre_hook(is_run)

    def forward(self, input: Tensor) -> Tensor:  # as layers call it, whom it stands for
        axis = self.axis % input.ndim
        places = self.sizes(input.shape[axis + 1 :])
        shape = [*input.shape[:axis], self.channels, *places]
        zeros = input.new_zeros(shape)
        return zeros if self.bias is None else zeros + self.bias.view(-1, *[1] * len(places))

    def extra_repr(self) -> str:
        return f"{self.channels} channels along {self.axis}"


def is_run(_module: nn.Module, _args: Any) -> None:
    """A hook that says: run me. Torch's own encoder layers compute with the weights of their layers unless one asks."""


def shrunk(
    sizes: Sequence[int],
    *,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    rounds_up: bool = False,
) -> list[int]:
    """What a convolution or pooling leaves of the sizes of a map.

    >>> shrunk((8, 7), kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1))
    [4, 4]
    """
    left = []
    for size, k, step, pad, spread in zip(sizes, kernel, stride, padding, dilation, strict=True):
        room = size + 2 * pad - spread * (k - 1) - 1
        count = -(-room // step) + 1 if rounds_up else room // step + 1
        left.append(count - (rounds_up and (count - 1) * step >= size + pad))  # none begins in the padding behind
    return left


def grown(
    sizes: Sequence[int],
    *,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    extra: Sequence[int],
) -> list[int]:
    """What a transposed convolution makes of the sizes of a map.

    >>> grown((4,), kernel=(3,), stride=(2,), padding=(1,), dilation=(1,), extra=(1,))
    [8]
    """
    steps = zip(sizes, kernel, stride, padding, dilation, extra, strict=True)
    return [(size - 1) * step - 2 * pad + spread * (k - 1) + 1 + more for size, k, step, pad, spread, more in steps]


def resized(sizes: Sequence[int], *, to: Sequence[int | None]) -> list[int]:
    """What an adaptive pooling makes of the sizes of a map."""
    return [size if n is None else n for size, n in zip(sizes, to, strict=True)]
