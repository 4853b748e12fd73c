"""Small weights set to zero, more and more of them while the others learn on."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named


def magnitude_pruned(factory: Factory, share: Callable[[int], float], where: Callable[[str], bool]) -> Factory:
    """After step ``n`` (from 0) the share ``share(n)`` of the weights whose name is ``where`` is 0, the smallest first.

    They are ranked by magnitude over all of them together, and what is 0 stays 0, whatever momentum says.

    Zhu & Gupta, "To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression", 2017,
    arXiv:1710.01878.
    """

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)
        chosen = [p for name, p in named if where(name)]
        optimizer.param_groups[0].setdefault("pruned_steps", 0)

        @torch.no_grad()
        def prune(optimizer: Optimizer, *_: Any) -> None:
            group = optimizer.param_groups[0]
            group["pruned_steps"] += 1
            trained = [p for p in chosen if p.grad is not None]  # Adam takes any state for its own: never be first
            for p in trained:
                if "kept" in optimizer.state[p]:
                    p.masked_fill_(optimizer.state[p]["kept"] == 0, 0)  # a number once it was loaded
            if not trained:
                return
            sizes = torch.cat([p.abs().flatten() for p in trained])
            count = round(min(max(share(group["pruned_steps"] - 1), 0.0), 1.0) * len(sizes))
            if not count:
                return
            limit = sizes.kthvalue(count).values
            for p in trained:
                kept = optimizer.state[p]["kept"] = (p.abs() <= limit).logical_not_()  # what is no number stays
                p.masked_fill_(~kept, 0)  # a product would leave zeros with a sign

        optimizer.register_step_post_hook(prune)
        return optimizer

    return build


def cubic(step: int, *, last: float, begin: int, end: int) -> float:
    """A share that rises from 0 at step ``begin`` to ``last`` at ``end``: ``last · (1 − (1 − t)³)``, t from 0 to 1.

    Zhu & Gupta, arXiv:1710.01878, eq. 1, from a dense network.

    >>> [round(cubic(step, last=0.9, begin=0, end=100), 4) for step in (0, 25, 50, 100, 200)]
    [0.0, 0.5203, 0.7875, 0.9, 0.9]
    """
    done = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return last * (1 - (1 - done) ** 3)
