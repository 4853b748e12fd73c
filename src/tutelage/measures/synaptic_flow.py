"""How much a network's layers let through, of its structure and the size of its weights alone: no data, no labels."""

from math import log10

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from tutelage.copies import copy_of

CITATIONS = {
    "synaptic_flow": r"""@inproceedings{tanaka2020pruning,
  title     = {Pruning Neural Networks Without Any Data by Iteratively Conserving Synaptic Flow},
  author    = {Tanaka, Hidenori and Kunin, Daniel and Yamins, Daniel L. K. and Ganguli, Surya},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020},
  url       = {https://arxiv.org/abs/2006.05467}
}"""
}


@torch.enable_grad()
def synaptic_flow(model: nn.Module, example: Tensor) -> float:
    r"""``log₁₀ Σ_θ θ · ∂R/∂θ`` over all weights of layers, ``R`` the sum of the answers to a sample of ones.

    In a copy of ``model`` in eval mode and float64, whose weights are their absolute values, and which has no biases
    and no norms. More is better, it is said. Of a chain of ``L`` layers it is ``log₁₀(L · R)``. Minus infinity where
    nothing comes through. Raises ``ValueError`` for an ``example`` without a sample.

    Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", 2020,
    arXiv:2006.05467, eq. 2; the sum as a score of networks is of Abdelfattah et al., 2021, arXiv:2101.08134.

    >>> net = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(net.weight, -0.05)
    >>> round(synaptic_flow(net, torch.zeros(1, 2)), 3)
    -1.0
    """
    if not len(example):
        raise ValueError("The synaptic flow is that of a sample of some shape; got 0 of them.")
    copy = _linear(copy_of(model)).double().eval()
    weights = []
    for name, p in copy.named_parameters():
        if p.ndim > 1:
            p.requires_grad_()
            weights.append(p)
        p.data.abs_() if p.ndim > 1 else p.data.fill_(float(not name.endswith("bias")))
    ones = torch.ones_like(example[:1], dtype=torch.float64)
    through: Tensor = copy(ones).sum()
    gradients = torch.autograd.grad(through, weights, allow_unused=True)
    total = sum(float((p * g).detach().sum()) for p, g in zip(weights, gradients, strict=True) if g is not None)
    return log10(total) if total > 0 else -float("inf")


def _linear(model: nn.Module) -> nn.Module:
    """``model`` without its batch norms, which would undo what the weights do."""
    for name, child in model.named_children():
        if isinstance(child, _NormBase):
            setattr(model, name, nn.Identity())
        else:
            _linear(child)
    return model
