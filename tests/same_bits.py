"""Whether two networks hold the same, to the bit: signs of zeros and what is no number included."""

import torch


def raw(x):
    return x.contiguous().flatten().view(torch.uint8)


def same_bits(left, right):
    a, b = left.state_dict(), right.state_dict()
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and torch.equal(raw(a[n]), raw(b[n])) for n in a)
