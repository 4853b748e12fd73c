"""What a rule of another library remembers, in and out of a checkpoint."""

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

State: TypeAlias = dict[str, dict[str, Any]]
"""Submodule -> its numbers, arrays and buffers."""
DEVICE, AWAY = "torch.device", "away from the CPU"


def kept(rule: object) -> State:
    """Everything plain that ``rule`` and the modules inside it hold; nothing for a function."""
    modules = rule.named_modules() if isinstance(rule, nn.Module) else ()
    return {name: {**_plain(module), **module._buffers, AWAY: _away(module)} for name, module in modules}


def restore(rule: object, state: State, device: torch.device) -> None:
    """Give ``rule`` back what ``kept`` read from one that was built alike, which now works on ``device``.

    Not ``load_state_dict``: the buffers of torchjd's rules appear in the first step, which it would refuse. Tensors
    that were away from the CPU, and those of a rule that remembers its device, as ExcessMTL does, come to ``device``;
    all others to the CPU, where GradVac keeps its own whatever it works on.
    """
    for name, module in rule.named_modules() if isinstance(rule, nn.Module) else ():
        remembers = any(isinstance(x, tuple) and DEVICE in x for x in state[name].values())
        away = state[name][AWAY]
        for key, value in ((key, value) for key, value in state[name].items() if key != AWAY):
            content = _restored(value, device if remembers or key in away else torch.device("cpu"))
            array = isinstance(vars(module).get(key), np.ndarray)
            (module._buffers if key in module._buffers else vars(module))[key] = content.numpy() if array else content
        build = getattr(module, "_init_optim_problem", None)
        if build is not None:  # torchjd's NashMTL builds what it solves in its first step, which this one is past
            build()


def _plain(module: nn.Module) -> dict[str, Any]:
    plain = {key: x for key, x in vars(module).items() if isinstance(x, None | bool | int | float | tuple | np.ndarray)}
    return {key: _written(x) for key, x in plain.items()}


def _away(module: nn.Module) -> tuple[str, ...]:
    return tuple(key for key, x in module._buffers.items() if x is not None and x.device.type != "cpu")


def _written(x: Any) -> Any:
    """In what a checkpoint knows: no dtypes, devices or arrays."""
    if isinstance(x, tuple):
        return tuple(map(_written, x))
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x.copy())
    if isinstance(x, torch.device):
        return DEVICE
    return str(x) if isinstance(x, torch.dtype) else x


def _restored(x: Any, device: torch.device) -> Any:
    if isinstance(x, Tensor):
        return x.to(device, copy=True)
    if isinstance(x, tuple):
        return tuple(_restored(part, device) for part in x)
    if x == DEVICE:
        return device
    return getattr(torch, x.removeprefix("torch.")) if isinstance(x, str) and x.startswith("torch.") else x
