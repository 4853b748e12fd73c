"""Running means: what a module found out on its way, read once an epoch."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class RunningMeans(nn.Module):
    """Means of named numbers since they were last read. They stay on their device, so nobody waits for them.

    A module that measures something (a rule that sees conflicts, an attention over layers) owns one. ``train`` reads
    and empties all of them at the end of every epoch, into ``Epoch.statistics``; checkpoints keep them.

    >>> import torch
    >>> means = RunningMeans()
    >>> means.add("cosine", torch.tensor(1.0)), means.add("cosine", torch.tensor(0.0))
    (None, None)
    >>> means.read(), means.read()
    ({'cosine': 0.5}, {})
    """

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        before = self._sums.get(name)
        self._sums[name] = value.detach().clone() if before is None else before + value.detach()
        self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """Name -> mean; what was read is forgotten."""
        means = {name: total.item() / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def get_extra_state(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])


def read_all(module: nn.Module) -> dict[str, float]:
    """The means of every ``RunningMeans`` inside ``module``, under ``path/name``; they are empty afterwards."""
    found = [(path, part) for path, part in module.named_modules() if isinstance(part, RunningMeans)]
    return {f"{path}/{name}": mean for path, part in found for name, mean in part.read().items()}
