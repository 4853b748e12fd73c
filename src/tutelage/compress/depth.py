r"""Whole blocks that do little, and a network without them: depth that is pruned.

A block matters by ``1 − mean cos(x, y)`` over samples and places, of what it takes and what it gives: 0 for one that
hands on what it got, at most 2. What is left without some of them learns on; it is far from the network as a rule.

Muralidharan et al., "Compact Language Models via Pruning and Knowledge Distillation", NeurIPS 2024, arXiv:2407.14679;
Men et al., "ShortGPT: Layers in Large Language Models are More Redundant Than You Expect", 2024, arXiv:2403.03853.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.modes import evaluating
from tutelage.taps import Tapped, find_layer


def turned(before: Tensor, after: Tensor, dim: int) -> Tensor:
    """``1 − mean cos`` of the vectors along ``dim``, before and after, each place of each sample one.

    >>> import torch
    >>> turned(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 3.0]]), dim=1)
    tensor(0.1464)
    """
    return 1 - F.cosine_similarity(before, after, dim=dim).mean()


def block_importance(model: nn.Module, blocks: Sequence[str], samples: Tensor) -> dict[str, float]:
    """How much each of ``blocks`` turns what it gets, by its name: those that turn it least may go first.

    ``samples`` are inputs (N, …) as the network sees them. Channels are at 1 in maps and vectors, at the end in
    sequences (N, places, channels). Raises ``ValueError`` for a block that is not there, and for one that answers in
    another shape than it takes, which cannot go.
    """
    tapped = Tapped(model, [address for name in blocks for address in (name, f"{name}:input")])
    try:
        with evaluating(model):
            shown = tapped(samples)
    finally:
        tapped.untap()
    found = {}
    for name in blocks:
        before, after = shown[f"{name}:input"], shown[name]
        if before.shape != after.shape:
            raise ValueError(
                f"{name!r} takes {tuple(before.shape[1:])} and answers {tuple(after.shape[1:])}; a block that goes "
                "hands on what it gets."
            )
        found[name] = turned(before, after, 2 if before.ndim == 3 else 1).item()
    return found


def without_blocks(network: nn.Module, *, blocks: Sequence[str]) -> nn.Module:
    """``network`` with nothing in the place of ``blocks``: ``run.derive("shallow", without_blocks, of=…, blocks=…)``.

    Changed in place; an ``nn.Identity`` stands under the name of each. Raises ``ValueError`` for one that is not there.
    """
    for name in blocks:
        find_layer(network, name)
    for name in blocks:
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())
    return network
