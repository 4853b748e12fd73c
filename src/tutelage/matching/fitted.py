"""Layers of different shapes, side by side: one size and width for all, and maps to it that cannot collapse."""

from collections.abc import Sequence
from math import inf

import torch
from torch import Size, Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import orthogonal as orthogonally_parametrized

from tutelage.losses.similarity_preserving import near_one
from tutelage.matching.projected import Lazy, Make
from tutelage.shapes import at_least_float32


class Fitted(Lazy):
    """A map of activations, ``make(activation.shape, wanted)``, initialised lazily, when it first sees both shapes.

    Raises ``ValueError`` as ``Lazy`` does, and for activations of another width than its first ones.

    >>> from tutelage.matching.projected import pointwise
    >>> fitted = Fitted(pointwise)
    >>> with torch.no_grad():
    ...     fitted(torch.randn(2, 3), Size([2, 5])).shape
    torch.Size([2, 5])
    """

    def __init__(self, make: Make) -> None:
        super().__init__(make)
        self._widths: tuple[int, int] | None = None

    def forward(self, x: Tensor, wanted: Size) -> Tensor:
        module, widths = self.initialised(x, wanted), (width(x.shape), width(wanted))
        first, second = self._widths = self._widths or widths
        if widths != self._widths:
            raise ValueError(f"A map from {first} to {second} channels got activations of {widths}.")
        mapped: Tensor = module(x)
        return mapped


class Orthogonal(nn.Module):
    """A frozen linear map of channels with orthonormal columns, or rows if it makes them fewer; drawn at random.

    To as many channels or more it keeps every length and angle, so that nothing of a layer is lost and nothing can be
    learned away. Its weights are no parameters: they do not train, and are saved with the training.

    >>> wide = Orthogonal(2, 3).weight
    >>> torch.allclose(wide.mT @ wide, torch.eye(2), atol=1e-6)
    True
    """

    weight: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", nn.init.orthogonal_(torch.empty(outputs, inputs)))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            return F.conv2d(x, self.weight[:, :, None, None])
        return F.linear(x, self.weight)


class UnitSize(nn.Module):
    """Every sample over its root mean square: the squares of its features have a mean of 1, whatever their size.

    A sample of zeros stays what it is, and passes no gradient.

    >>> UnitSize()(torch.tensor([[3.0, -3.0]]))
    tensor([[ 1., -1.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        x = near_one(at_least_float32(x), tuple(range(1, x.ndim)))
        mean = x.flatten(1).square().mean(1).view(-1, *[1] * (x.ndim - 1))
        return x * torch.where(mean > 0, mean, inf).rsqrt()


def orthogonal(teacher: Size, wanted: Size) -> nn.Module:
    """The teacher's layer as it is; of another width, behind a frozen orthogonal map.

    >>> orthogonal(Size([1, 3, 8, 8]), Size([1, 3, 8, 8])), orthogonal(Size([1, 3, 8, 8]), Size([1, 5, 8, 8]))
    (Identity(), Orthogonal())
    """
    inputs, outputs = width(teacher), width(wanted)
    return nn.Identity() if inputs == outputs else Orthogonal(inputs, outputs)


def unit_orthogonal(teacher: Size, wanted: Size) -> nn.Module:
    """``orthogonal``, then ``UnitSize``: else layers of small activations are easy to match, and may win for that."""
    return nn.Sequential(orthogonal(teacher, wanted), UnitSize())


def learned_orthogonal(teacher: Size, wanted: Size) -> nn.Module:
    """An orthogonal map that trains with the student and stays orthogonal: it turns a layer, and loses nothing of it.

    Normalising what a freely learned map shows is no such promise: a unit vector that is always the same is easiest of
    all to match, and rectified features, which have a common direction, can be mapped to one.

    >>> turned = learned_orthogonal(Size([1, 2]), Size([1, 3])).weight
    >>> turned.requires_grad, torch.allclose(turned.mT @ turned, torch.eye(2), atol=1e-6)
    (True, True)
    """
    linear = Orthogonal(width(teacher), width(wanted))
    weight = linear.weight
    del linear.weight
    linear.weight = nn.Parameter(weight)
    return orthogonally_parametrized(linear, orthogonal_map="cayley")


def unchanged(student: Size, wanted: Size) -> nn.Module:
    """The student's layer as it is. Raises ``ValueError`` if it is not as wide as the teacher's.

    >>> unchanged(Size([1, 3, 8, 8]), Size([1, 3, 8, 8]))
    Identity()
    """
    if width(student) != width(wanted):
        raise ValueError(
            f"A student's layer of {width(student)} channels is compared with {width(wanted)}; it needs a map, such as "
            "pointwise."
        )
    return nn.Identity()


def width(shape: Size) -> int:
    """The channels of a map, the features of a vector or token.

    >>> width(Size([2, 3, 8, 8])), width(Size([2, 7, 5]))
    (3, 5)
    """
    return shape[1] if len(shape) == 4 else shape[-1]


def common(student: Size, teachers: Sequence[Size]) -> Size:
    """What layers are brought to to stand side by side: the smallest places of all, the teacher's most channels.

    Raises ``ValueError`` for layers that cannot: of different ranks, numbers of tokens or numbers of samples.

    >>> common(Size([2, 64, 8, 8]), [Size([2, 16, 32, 32]), Size([2, 32, 4, 4])])
    torch.Size([2, 32, 4, 4])
    """
    shapes = [student, *teachers]
    fixed = 2 if len(student) == 3 else 1  # samples, and tokens: what cannot be averaged away
    alike = len({len(shape) for shape in shapes}) == 1 and len({shape[:fixed] for shape in shapes}) == 1
    if not alike or len(student) not in (2, 3, 4):
        raise ValueError(
            "Layers side by side show the same samples, and are all maps (samples, channels, H, W), all vectors "
            "(samples, features) or all equally many tokens (samples, tokens, features); got "
            f"{tuple(student)} of the student and {', '.join(str(tuple(x)) for x in teachers)} of the teacher."
        )
    widest = max(map(width, teachers))
    if len(student) == 4:
        return Size([student[0], widest, min(x[2] for x in shapes), min(x[3] for x in shapes)])
    return Size([*student[:-1], widest])


def sized(x: Tensor, wanted: Size) -> Tensor:
    """A map, averaged over places down to the size wanted; anything else as it is."""
    if x.ndim != 4 or x.shape[2:] == wanted[2:]:
        return x
    return F.adaptive_avg_pool2d(x, (wanted[2], wanted[3]))
