"""What a transform is, and the inputs of a batch as one shows them."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

Transform: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""``transform(inputs, view)``: what a batch of inputs looks like, each in its own view (int64)."""
Show: TypeAlias = Callable[[Tensor, Tensor], Tensor | Mapping[str, Tensor]] | Mapping[str, Transform]
"""How a batch is made of what a set holds, with one view for all that belongs to a sample.

A ``Transform`` is applied to each input of the set; transforms by name, to the inputs of these names, and to the
targets if there is one for ``target``, as masks need that lie over their pictures. A function that answers with several
tensors by name splits one input into several: a picture into luminance and chrominance.
"""


def shown(inputs: Mapping[str, Tensor], view: Tensor, transform: Show) -> dict[str, Tensor]:
    """The inputs of a batch, by name, of those that a set keeps; all of a sample in the same view.

    Raises ``ValueError`` for transforms of other names, and for an input without a row for each sample.
    """
    ways = transform if isinstance(transform, Mapping) else dict.fromkeys(inputs, transform)
    if ways.keys() != inputs.keys():
        raise ValueError(f"Each of the inputs {sorted(inputs)} has its transform; there are some for {sorted(ways)}.")
    batch: dict[str, Tensor] = {}
    for name, x in inputs.items():
        answer = ways[name](x, view)
        batch |= answer if isinstance(answer, Mapping) else {name: answer}
    if wrong := {name: len(x) for name, x in batch.items() if len(x) != len(view)}:
        raise ValueError(f"A batch of {len(view)} samples has inputs of other lengths, {wrong}; transforms keep them.")
    return {name: as_float32(x) for name, x in batch.items()}


def as_float32(images: Tensor) -> Tensor:
    """Grey levels (uint8) 0 … 255 as 0 … 1, other fractions as they are; whole numbers such as tokens stay whole."""
    if images.dtype == torch.uint8:
        return images.float().div_(255)
    return images.float() if images.is_floating_point() else images
