"""The usual optimizers as factories: what a stage's key names, so their names and arguments stay.

Each takes named parameters, and its settings by name: ``partial(sgd, lr=0.1, weight_decay=5e-4)`` is a ``Factory``.
"""

from typing import Any

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from tutelage.optimizers.factory import Named

MOMENTUM = 0.9


def sgd(named: Named, *, lr: float, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent with momentum 0.9."""
    return _with_momentum(SGD(named, lr=lr, momentum=MOMENTUM, weight_decay=weight_decay, fused=True))


def nesterov(named: Named, *, lr: float, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent with Nesterov's momentum 0.9."""
    return _with_momentum(SGD(named, lr=lr, momentum=MOMENTUM, weight_decay=weight_decay, nesterov=True, fused=True))


def plain_sgd(named: Named, *, lr: float) -> Optimizer:
    """Stochastic gradient descent without momentum or decay: for rules, such as DOT, that bring their own."""
    return SGD(named, lr=lr, fused=True)


def adam(named: Named, *, lr: float, weight_decay: float = 0.0) -> Optimizer:
    """Adam with its decay in the gradient."""
    return Adam(named, lr=lr, weight_decay=weight_decay, fused=True)


def adamw(named: Named, *, lr: float, weight_decay: float = 0.01) -> Optimizer:
    """Adam with its decay apart from the gradient. Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101."""
    return AdamW(named, lr=lr, weight_decay=weight_decay, fused=True)


def distilbert_adamw(named: Named, *, lr: float) -> Optimizer:
    """AdamW with moments of 0.9 and 0.98, an epsilon of 1e-6 and no decay: by which DistilBERT learnt its language.

    Sanh et al., "DistilBERT", 2019, arXiv:1910.01108; huggingface/transformers-research-projects.
    """
    return AdamW(named, lr=lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0, fused=True)


def _with_momentum(optimizer: SGD) -> SGD:
    optimizer.register_step_pre_hook(_begin_late)
    return optimizer


def _begin_late(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
    """Give momentum to what has its first gradient later than others, as layers do that are skipped by chance.

    Of 0, as it is the gradient's alone then: torch's fused step fails where only some have any.
    """
    if len(optimizer.state) == sum(len(group["params"]) for group in optimizer.param_groups):
        return  # nothing is late any more: looked at in every step, which has no time to spare
    for group in optimizer.param_groups:
        learning = [p for p in group["params"] if p.grad is not None]
        late = [p for p in learning if optimizer.state.get(p, {}).get("momentum_buffer") is None]
        for p in late if len(late) < len(learning) else ():
            optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
