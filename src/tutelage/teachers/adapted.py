"""A teacher that was made for other pictures than the student sees: of another size, normalised otherwise."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate


def adapted(
    build: Callable[[], nn.Module], *, scale: tuple[float, ...] = (), shift: tuple[float, ...] = (), size: int = 0
) -> nn.Module:
    """The network of ``build``, which is given ``scale · x + shift`` (a number a channel), ``size`` pixels a side.

    Empty ``scale`` and ``shift`` leave the values as they are, 0 the size. Pictures (N, C, H, W) are resized
    bilinearly, smoothed where they get smaller. Layers and weights have the names that they had: the change is made
    before the network, not by a layer. As a partial it is part of a stage's key, and so of a cache's of its answers.

    >>> import torch
    >>> net = adapted(partial(nn.Flatten), scale=(2.0,), shift=(1.0,))
    >>> net(torch.ones(1, 1, 1, 2))
    tensor([[3., 3.]])
    """
    model = build()
    model.register_forward_pre_hook(partial(_prepared, scale=scale, shift=shift, size=size))
    return model


def renormalised(
    mean: Sequence[float], std: Sequence[float], own_mean: Sequence[float], own_std: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``(scale, shift)`` from pictures less ``mean`` over ``std`` to pictures less ``own_mean`` over ``own_std``.

    Raises ``ValueError`` unless all four have a number for each channel, and deviations are above 0.

    >>> renormalised((0.5,), (0.25,), (0.0,), (1.0,))
    ((0.25,), (0.5,))
    """
    if len({len(mean), len(std), len(own_mean), len(own_std)}) > 1 or min([*std, *own_std], default=0) <= 0:
        raise ValueError(
            f"A normalisation is a mean and a deviation above 0 for each of {len(mean)} channels; "
            f"got {list(own_mean)} and {list(own_std)}."
        )
    scale = tuple(s / o for s, o in zip(std, own_std, strict=True))
    shift = tuple((m - o) / d for m, o, d in zip(mean, own_mean, own_std, strict=True))
    return scale, shift


def _prepared(
    _model: nn.Module, inputs: tuple[Any, ...], scale: tuple[float, ...], shift: tuple[float, ...], size: int
) -> tuple[Any, ...]:
    pictures: Tensor = inputs[0]
    if scale:
        s, b = (pictures.new_tensor(x)[:, None, None] for x in (scale, shift))
        pictures = pictures * s + b
    if size and tuple(pictures.shape[-2:]) != (size, size):
        pictures = interpolate(pictures, (size, size), mode="bilinear", antialias=True)
    return (pictures, *inputs[1:])
