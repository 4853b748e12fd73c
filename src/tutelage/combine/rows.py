"""One gradient a loss, gathered over the micro-batches of a step and averaged over the ranks."""

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.combine.base import Parameters
from tutelage.objective import Losses
from tutelage.ranks import average_over_ranks

Row: TypeAlias = dict[str, Tensor]
"""Parameter -> the gradient of one loss, for the parameters that this loss reaches."""


class Rows:
    """The rows of a step's Jacobian: ``add`` once a micro-batch, then ``take`` them all, averaged over the ranks."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def add(self, losses: Losses, parameters: Parameters) -> None:
        for place, (name, loss) in enumerate(losses.items(), start=1):  # one by one: vmap breaks cdist and collectives
            gradients = torch.autograd.grad(
                loss, list(parameters.values()), allow_unused=True, retain_graph=place < len(losses)
            )
            row = self._rows.setdefault(name, {})
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is None:
                    continue
                if parameter in row:
                    row[parameter] += gradient
                else:  # a copy: autograd hands out one tensor for two parameters, and views that cannot be written to
                    row[parameter] = gradient.clone()

    def take(self) -> dict[str, Row]:
        """Loss -> its row, each averaged over the ranks; afterwards there are none."""
        rows, self._rows = self._rows, {}
        average_over_ranks(gradient for row in rows.values() for gradient in row.values())
        return rows


def put(gradient: Tensor, parameter: torch.nn.Parameter) -> None:
    """``gradient`` becomes ``.grad``, in the parameter's own memory layout: fused optimizers want it."""
    parameter.grad = torch.empty_like(parameter).copy_(gradient.view_as(parameter))


def jacobian(rows: Mapping[str, Row], shared: Parameters) -> Tensor:
    """``rows`` as a matrix (rows, weights in ``shared``), with zeros where a loss does not reach a parameter."""
    first = next(iter(shared.values()))
    kind = torch.promote_types(first.dtype, torch.float32)
    matrix = torch.zeros(len(rows), sum(p.numel() for p in shared.values()), dtype=kind, device=first.device)
    at = 0
    for name, p in shared.items():
        for place, row in enumerate(rows.values()):
            if name in row:
                matrix[place, at : at + p.numel()] = row[name].flatten()
        at += p.numel()
    return matrix
