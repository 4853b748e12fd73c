"""Take away what conflicts: of two gradients with a negative cosine, the part of the one that points against the other.

A decomposition turns the inner products of the gradients, a Gramian (K, K), into coefficients (K, K): row i says what
becomes of gradient i, as a sum of the original ones. That is exact, needs the gradients once only, and leaves a
row that conflicts with none what it was: 1 at its own place, 0 elsewhere. ``decomposed`` adds the rows up;
``partial(decomposed, by=symmetric)`` is an aggregator for ``ResolveConflicts``, ``partial(weights, by=symmetric)`` a
weighting for ``AtFeatures``. No library is needed.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.combine.gramian import inner_products

PCGRAD = r"""@inproceedings{yu2020gradient,
  title     = {Gradient Surgery for Multi-Task Learning},
  author    = {Yu, Tianhe and Kumar, Saurabh and Gupta, Abhishek and Levine, Sergey and Hausman, Karol and
               Finn, Chelsea},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020},
  url       = {https://arxiv.org/abs/2001.06782}
}"""
CITATIONS = {"symmetric": PCGRAD}

Decomposition: TypeAlias = Callable[[Tensor], Tensor]
"""Gramian (K, K) -> coefficients (K, K) in float64 on the CPU, a row for each gradient."""
Order: TypeAlias = Callable[[int, Sequence[float]], Sequence[int]]
"""A gradient's place and the squared length of each -> the places of those it is compared with, in turn."""


def decomposed(jacobian: Tensor, by: Decomposition) -> Tensor:
    """The sum of the gradients (K, weights) after ``by``; where nothing conflicts, their plain sum, to the bit."""
    first, *others = weights(inner_products(jacobian), by).tolist()
    merged: Tensor = first * jacobian[0]
    for weight, gradient in zip(others, jacobian[1:], strict=True):
        merged.add_(gradient, alpha=weight)
    return merged


def weights(gramian: Tensor, by: Decomposition) -> Tensor:
    """How much of each original gradient is in the sum after ``by``: (K,)."""
    return by(gramian).sum(0)


def mean_decomposition(gramian: Tensor, by: Decomposition) -> Tensor:
    """``by``, each row divided by their number, so that ``decomposed`` is the mean and not the sum."""
    return by(gramian) / len(gramian)


def untouched(gramian: Tensor) -> Tensor:
    """Nothing is taken away."""
    return torch.eye(len(gramian), dtype=torch.float64)


def shuffled(place: int, squares: Sequence[float]) -> list[int]:
    """All others, in an order drawn anew for each gradient, as in the paper's Algorithm 1 and in torchjd."""
    return [other for other in torch.randperm(len(squares)).tolist() if other != place]


def shuffled_with_itself(place: int, squares: Sequence[float]) -> list[int]:  # noqa: ARG001
    """The same with the gradient itself among them, as in LibMTL, nash-mtl and WeiChengTseng/Pytorch-PCGrad.

    After other projections a gradient may oppose its original; it then becomes orthogonal to that, too.
    """
    order: list[int] = torch.randperm(len(squares)).tolist()
    return order


def as_listed(place: int, squares: Sequence[float]) -> list[int]:
    """All others, in the order of the terms."""
    return [other for other in range(len(squares)) if other != place]


def as_listed_with_itself(place: int, squares: Sequence[float]) -> list[int]:  # noqa: ARG001
    """All in the order of the terms: what tianheyu927/PCGrad does, for what its shuffling returns is discarded."""
    return list(range(len(squares)))


def longest_first(place: int, squares: Sequence[float]) -> list[int]:
    """All others, the longest gradient first, so that what is taken away does not hang on chance or on the terms."""
    return sorted(as_listed(place, squares), key=lambda other: -squares[other])


def symmetric(gramian: Tensor, order: Order = shuffled) -> Tensor:
    r"""Each gradient gives way to each other one: the procedure of the proposal, and PCGrad.

    For every i, ``v = g_i``; for every j of ``order``, if ``v·g_j < 0``, ``v ← v − (v·g_j / ‖g_j‖²) g_j``, with the
    running v and the *original* g_j. Two conflicting gradients end orthogonal to each other's originals, in any order.
    From three on the result depends on the order, and a later projection may restore a conflict that an earlier one
    had removed, so a pair of the new rows may still conflict. A gradient of length 0 takes nothing away.

    Published codes differ in three points, all of them choices here: the order (``shuffled`` in the paper, drawn for
    each gradient; ``as_listed_with_itself`` in the official code), whether a gradient is compared with itself
    (``shuffled_with_itself``; not in the paper), and whether rows are added (the paper, LibMTL, torchjd) or averaged
    (``partial(mean_decomposition, by=symmetric)``; WeiChengTseng/Pytorch-PCGrad, whatever its option says).
    Projections do not mind the scale of g_j, but the sum does: weigh the losses first, as ``train`` does.

    Yu, Kumar, Gupta, Levine, Hausman & Finn, "Gradient surgery for multi-task learning", 2020, arXiv:2001.06782,
    Algorithm 1.

    >>> g = torch.tensor([[1.0, 0.0, 1.0], [-2.0, 1.0, 0.0]])
    >>> symmetric(g @ g.T) @ g.double()
    tensor([[ 0.2000,  0.4000,  1.0000],
            [-1.0000,  1.0000,  1.0000]], dtype=torch.float64)
    """
    products = gramian.tolist()
    squares = [products[i][i] for i in range(len(products))]
    rows = untouched(gramian).tolist()
    for i, row in enumerate(rows):
        for j in order(i, squares):
            against = _inner(row, [line[j] for line in products])
            if against < 0 < squares[j]:
                row[j] -= against / squares[j]
    return torch.tensor(rows, dtype=torch.float64)


def pair_by_pair(gramian: Tensor) -> Tensor:
    r"""One of each conflicting pair gives way, and what it has become is what later pairs see: the proposal literally.

    Pairs come in a random order; of a pair with ``v_i·v_j < 0`` one is picked at random and loses its projection on the
    other, ``v_i ← v_i − (v_i·v_j / ‖v_j‖²) v_j``, both as they are by then. Two gradients end orthogonal to each other,
    and the one that was not picked is what it was. From three on a later pair may conflict again, so one pass over all
    pairs does not leave every pair without conflict. Not published under a name of its own.
    """
    rows, products = untouched(gramian), gramian.detach().to("cpu", torch.float64)
    pairs = torch.combinations(torch.arange(len(rows)))
    for pair in pairs[torch.randperm(len(pairs))]:
        i, j = pair[torch.randperm(2)].tolist()
        against, square = (float(rows[k] @ products @ rows[j]) for k in (i, j))
        if against < 0 < square:
            rows[i] -= against / square * rows[j]
    return rows


def _inner(row: list[float], column: list[float]) -> float:
    return sum(a * b for a, b in zip(row, column, strict=True))
