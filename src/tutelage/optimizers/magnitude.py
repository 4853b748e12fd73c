"""Small weights set to zero, more and more of them while the others learn on."""

from collections.abc import Callable

from torch.optim import Optimizer

from tutelage.compress.masks import Choice, of_all
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.masked import hold_, holding_

CITATIONS = {
    "magnitude_pruned": """@article{zhu2017prune,
  title = {To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression},
  author = {Zhu, Michael and Gupta, Suyog},
  journal = {arXiv preprint arXiv:1710.01878},
  year = {2017}
}"""
}


def magnitude_pruned(
    factory: Factory, share: Callable[[int], float], where: Callable[[str], bool], choose: Choice = of_all
) -> Factory:
    """After step ``n`` (from 0) the share ``share(n)`` of the weights whose name is ``where`` is 0, as ``choose`` says.

    By default they are ranked by magnitude over all of them together, and the smallest go. What is 0 stays exactly 0,
    whatever momentum, decay or an average says; where the share has not changed, nothing is chosen anew.

    Zhu & Gupta, "To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression", 2017,
    arXiv:1710.01878.
    """

    def build(named: Named) -> Optimizer:
        chosen = {name: p for name, p in named if where(name)}
        optimizer = factory(named)
        optimizer.param_groups[0].setdefault("pruned_steps", 0)

        def prune(optimizer: Optimizer) -> None:
            group = optimizer.param_groups[0]
            step = group["pruned_steps"]
            group["pruned_steps"] += 1
            trained = {name: p for name, p in chosen.items() if p.grad is not None}  # Adam takes any state for its own
            if not trained or not share(step) or (step and share(step) == share(step - 1)):
                return
            for name, kept in choose({name: p.detach() for name, p in trained.items()}, share(step)).items():
                hold_(optimizer, trained[name], kept)

        return holding_(optimizer, list(chosen.values()), prune)

    return build


def cubic(step: int, *, last: float, begin: int, end: int, first: float = 0.0, every: int = 1) -> float:
    """A share from ``first`` at ``begin`` to ``last`` at ``end``: ``last + (first − last)(1 − t)³``, t from 0 to 1.

    It changes once in ``every`` steps. Zhu & Gupta, arXiv:1710.01878, eq. 1.

    >>> [round(cubic(step, last=0.9, begin=0, end=100), 4) for step in (0, 25, 50, 100, 200)]
    [0.0, 0.5203, 0.7875, 0.9, 0.9]
    """
    taken = (step - begin) // every * every if step < end else end - begin
    done = min(max(taken / (end - begin), 0.0), 1.0) if end > begin else 1.0
    return last + (first - last) * (1 - done) ** 3
