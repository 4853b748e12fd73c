"""One loss is the aim, the others are there to help it: what of their gradients may pass.

The reading of distillation as transfer learning: cross entropy is the target task, every distillation loss a source.
Decompositions (``combine.decompose``) whose first gradient t is the target's, which ``target="label"`` sees to in
``ResolveConflicts`` and ``AtFeatures``. All of them keep t as it is and promise ``total·t ≥ ‖t‖²``: to first order, the
target descends at least as fast as alone. They promise nothing about the sources, whose own losses may rise. All of it
is about the weights that the target reaches; elsewhere the sources have their way.

A cosine says little about usefulness: a source that agrees may still teach nothing, and negative transfer goes together
only weakly with conflict.
"""

from functools import partial

import torch
from torch import Tensor

from tutelage.combine.decompose import Decomposition, untouched

AGEM = r"""@inproceedings{chaudhry2019efficient,
  title     = {Efficient Lifelong Learning with {A-GEM}},
  author    = {Chaudhry, Arslan and Ranzato, Marc'Aurelio and Rohrbach, Marcus and Elhoseiny, Mohamed},
  booktitle = {International Conference on Learning Representations},
  year      = {2019},
  url       = {https://arxiv.org/abs/1812.00420}
}"""
DU = r"""@article{du2018adapting,
  title   = {Adapting Auxiliary Losses Using Gradient Similarity},
  author  = {Du, Yunshu and Czarnecki, Wojciech M. and Jayakumar, Siddhant M. and Farajtabar, Mehrdad and
             Pascanu, Razvan and Lakshminarayanan, Balaji},
  journal = {arXiv preprint arXiv:1812.02224},
  year    = {2018},
  url     = {https://arxiv.org/abs/1812.02224}
}"""
CITATIONS = {"protected": AGEM, "gated": DU, "cosine_weighted": DU}


def protected(gramian: Tensor, among: Decomposition = untouched) -> Tensor:
    r"""Each source s loses what points against the target t: ``s − min(0, s·t) / ‖t‖² · t``.

    ``among`` comes first and settles the sources among themselves, such as ``symmetric``. Where t is 0, nothing is
    lost. The projection of Chaudhry, Ranzato, Rohrbach & Elhoseiny, "Efficient lifelong learning with A-GEM", 2019,
    arXiv:1812.00420, there with the gradient of remembered samples in the place of the target's.

    >>> g = torch.tensor([[1.0, 0.0, 1.0], [-2.0, 1.0, 0.0], [0.0, -1.0, 0.7]])
    >>> protected(g @ g.T).sum(0) @ g.double()
    tensor([0.0000, 0.0000, 2.7000], dtype=torch.float64)
    """
    rows = untouched(gramian)
    rows[1:, 1:] = among(gramian[1:, 1:])
    along, square = _along_target(rows, gramian)
    if square > 0:
        rows[1:, 0] -= along[1:].clamp_max(0) / square
    return rows


def gated(gramian: Tensor, among: Decomposition = untouched) -> Tensor:
    r"""A source passes whole unless its cosine with the target is negative, then not at all: ``s · 1[s·t ≥ 0]``.

    The unweighted version of Du et al., "Adapting auxiliary losses using gradient similarity", 2018,
    arXiv:1812.02224. ``among`` comes first and settles the sources among themselves.
    """
    rows = untouched(gramian)
    rows[1:, 1:] = among(gramian[1:, 1:])
    along, _ = _along_target(rows, gramian)
    rows[1:] *= (along[1:, None] >= 0).to(rows)
    return rows


def cosine_weighted(gramian: Tensor, among: Decomposition = untouched) -> Tensor:
    r"""A source passes in proportion to its cosine with the target: ``s · max(0, cos(s, t))``; 0 where either is 0.

    The weighted version of Du et al., "Adapting auxiliary losses using gradient similarity", 2018,
    arXiv:1812.02224. ``among`` comes first and settles the sources among themselves. Cosines between the gradients of
    large networks are small, so this shrinks every source a lot.
    """
    rows = untouched(gramian)
    rows[1:, 1:] = among(gramian[1:, 1:])
    along, square = _along_target(rows, gramian)
    squares = torch.einsum("ij,jk,ik->i", rows, _exact(gramian), rows)
    cosines = along / (squares * square).sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    rows[1:] *= cosines[1:, None].clamp(0, 1)
    return rows


def needs_target(rule: object) -> bool:
    """Whether a decomposition of this module is in ``rule``, which may be a partial of partials.

    >>> needs_target(partial(protected, among=untouched)), needs_target(untouched)
    (True, False)
    """
    if isinstance(rule, partial):
        return any(needs_target(x) for x in (rule.func, *rule.args, *rule.keywords.values()))
    return rule is protected or rule is gated or rule is cosine_weighted


def refuse_unnamed(target: str | None, rule: object) -> None:
    """Raise ``ValueError`` where ``rule`` needs a target and none is named."""
    if target is None and needs_target(rule):
        raise ValueError("A rule of combine.target needs to know which loss is the target, as in target='label'.")


def _along_target(rows: Tensor, gramian: Tensor) -> tuple[Tensor, float]:
    """Of every row its inner product with the target, and the target's with itself."""
    products = _exact(gramian)
    return rows @ products[:, 0], float(products[0, 0])


def _exact(gramian: Tensor) -> Tensor:
    return gramian.detach().to("cpu", torch.float64)
