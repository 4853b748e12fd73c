"""Products of two activations, as attention has them: which channels go together in them, and what one costs."""

import torch
from torch import Tensor

from tutelage.compress.structure.called import Call, MixesError, unknown
from tutelage.compress.structure.ids import NONE, Groups, Ids


def batched(groups: Groups, call: Call) -> list[Ids | None]:
    """``A B`` for each of several pairs (n, k) and (k, m): an element is a sum, whose channels all go together.

    Of queries and keys these are the channels of a head, and a head's weights and its values go together in turn. So
    heads go as a whole, and those that are left say what they said.
    """
    if len(call.found) != 2 or any(x is None for x in call.found):
        return unknown(groups, call)
    summands = _summands(call)
    if not all(x.numel() for x in summands):  # all that one of them is made of was taken out: a sum of nothing
        return [Ids(torch.full([1] * 3, NONE, device="cpu"), call.out[0].shape)]
    if max(summands[0].shape[1:3]) > 1 and min(summands[0].shape[1:3]) > 1:
        raise MixesError(f"{call.name} makes a channel for each pair of channels")
    for row in torch.cat(summands, 3).flatten(0, 2).unique(dim=0).tolist():
        known = [channel for channel in row if channel != NONE]
        if len(known) < len(row):
            groups.fix(known, "padding or a constant meets it in a product")
        for channel in known[1:]:
            groups.couple(known[0], channel)
    return [Ids(torch.maximum(*summands).amax(3), call.out[0].shape)]


def multiplied(call: Call, samples: int) -> tuple[list[int], int]:
    """The channels that come through a product, and for how many multiplications of a sample each stands."""
    one, other = (x.shape for x in call.found if x is not None)
    core = torch.maximum(*_summands(call))
    if not core.numel():
        return [], 0
    channels = core[: max(1, len(core) // samples)].flatten().tolist()
    return channels, one.numel() * other[2] // (samples * len(channels))


def _summands(call: Call) -> tuple[Tensor, Tensor]:
    """The channels of what is multiplied, (pairs, n, m, k), each of the full size, or of size 1 where all are alike."""
    one, other = (x.core for x in call.found if x is not None)
    first, second = torch.broadcast_tensors(one.unsqueeze(2), other.transpose(1, 2).unsqueeze(1))
    return first, second
