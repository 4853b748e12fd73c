"""Inner products of gradients of any length."""

from math import frexp, inf, ldexp

import torch
from torch import Tensor

ORDINARY = 2.0**-60, 2.0**100
"""Squared lengths between which no float32 product that matters is lost."""


def inner_products(jacobian: Tensor) -> Tensor:
    """The Gramian (K, K) of the rows (K, weights), in float64 on the CPU.

    In the rows' own precision, but for rows whose squares that precision cannot hold: in float32 the square of a
    gradient of length 1e19 is infinite and that of 1e-25 is 0, and who conflicts would be lost. They are scaled by
    powers of two, which rounds nothing, so scaling a gradient by ``2^k`` scales its products by just that.

    >>> inner_products(torch.tensor([[3e-30, 4e-30], [0.0, 1.0]])).sqrt()
    tensor([[5.0000e-30, 2.0000e-15],
            [2.0000e-15, 1.0000e+00]], dtype=torch.float64)
    """
    plain = _products(jacobian)
    if all(ORDINARY[0] < square < ORDINARY[1] for square in plain.diagonal().tolist()):
        return plain
    largest = torch.linalg.vector_norm(jacobian, inf, dim=1).tolist()
    exponents = [min(max(-126, frexp(x)[1]), 126) for x in largest]  # 0 where it is 0, inf or nan
    factors = torch.tensor([ldexp(1.0, -exponent) for exponent in exponents], dtype=torch.float64)
    return _products(factors.to(jacobian)[:, None] * jacobian) / factors / factors[:, None]


def _products(rows: Tensor) -> Tensor:
    return (rows @ rows.mT).to("cpu", torch.float64)
