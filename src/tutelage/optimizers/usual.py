"""The usual optimizers as factories: what a stage's key names, so their names and arguments stay.

Each takes named parameters, and its settings by name: ``partial(sgd, lr=0.1, weight_decay=5e-4)`` is a ``Factory``.
"""

from torch.optim import SGD, Adam, AdamW, Optimizer

from tutelage.optimizers.factory import Named

MOMENTUM = 0.9


def sgd(named: Named, *, lr: float, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent with momentum 0.9."""
    return SGD(named, lr=lr, momentum=MOMENTUM, weight_decay=weight_decay, fused=True)


def nesterov(named: Named, *, lr: float, weight_decay: float = 0.0) -> Optimizer:
    """Stochastic gradient descent with Nesterov's momentum 0.9."""
    return SGD(named, lr=lr, momentum=MOMENTUM, weight_decay=weight_decay, nesterov=True, fused=True)


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
