"""By how much the penalty of each gate is scaled: as much as it saves, or all alike."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.gates import Gates, InputGates, fits, gates_of, layer_of
from tutelage.compress.structure.costs import Saved

Scaling: TypeAlias = Callable[[nn.Module, Saved], None]
"""Sets ``scale`` of a network's gates, given what each of them saves."""


@torch.no_grad()
def by_cost(model: nn.Module, saved: Saved, *, among: Sequence[str] = ("*",)) -> None:
    """``α_j = min(1, F_j / max_k F_k)``, where ``F_j`` is what gate ``j`` alone saves.

    The largest is taken over the gates on inputs of layers whose names fit a pattern ``among``; what saves more, as a
    whole branch does, has 1, too. A network with gates on branches alone takes it over these. Raises ``ValueError``
    where none of these gates saves anything.

    Gu & Tresp, "Search for Better Students to Learn Distilled Knowledge", 2020, arXiv:2001.11612.
    """
    found = gates_of(model)
    each = {name: _saved_by(name, gates, saved) for name, gates in found.items()}
    inputs = [name for name, gates in found.items() if isinstance(gates, InputGates)]
    chosen = [name for name in inputs or found if fits(layer_of(name), among)]
    largest = max((float(each[name].max()) for name in chosen), default=0.0)
    if not largest > 0:
        raise ValueError(f"No gate on the inputs of {', '.join(among)} saves anything, to scale others by.")
    for name, gates in found.items():
        gates.scale.copy_((each[name] / largest).clamp(max=1))


@torch.no_grad()
def all_alike(model: nn.Module, _saved: Saved) -> None:
    """1 for each gate, whatever it saves."""
    for gates in gates_of(model).values():
        gates.scale.fill_(1)


def _saved_by(name: str, gates: Gates, saved: Saved) -> Tensor:
    layer = layer_of(name)
    if isinstance(gates, InputGates):
        return saved.inputs[layer]
    return torch.tensor([saved.branches[layer]], dtype=torch.float64, device="cpu")
