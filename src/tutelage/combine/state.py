"""What a rule of another library remembers, in and out of a checkpoint."""

from typing import Any, TypeAlias

import torch
from torch import nn

State: TypeAlias = dict[str, dict[str, Any]]
"""Submodule -> its numbers and buffers."""


def kept(rule: object) -> State:
    """Everything plain that ``rule`` and the modules inside it hold; nothing for a function."""
    modules = rule.named_modules() if isinstance(rule, nn.Module) else ()
    return {name: {**_plain(module), **module._buffers} for name, module in modules}


def restore(rule: object, state: State) -> None:
    """Give ``rule`` back what ``kept`` found in one that was built alike.

    Not ``load_state_dict``: the buffers of torchjd's rules appear in the first step, which it would refuse.
    """
    for name, module in rule.named_modules() if isinstance(rule, nn.Module) else ():
        for key, value in state[name].items():
            (module._buffers if key in module._buffers else vars(module))[key] = _restored(value)


def _plain(module: nn.Module) -> dict[str, Any]:
    plain = {key: x for key, x in vars(module).items() if x is None or isinstance(x, bool | int | float | tuple)}
    return {key: tuple(map(_written, x)) if isinstance(x, tuple) else x for key, x in plain.items()}


def _written(x: Any) -> Any:
    return str(x) if isinstance(x, torch.dtype) else x  # a checkpoint knows no dtypes


def _restored(x: Any) -> Any:
    if isinstance(x, torch.Tensor):
        return x.clone()
    if isinstance(x, tuple):
        return tuple(map(_restored, x))
    return getattr(torch, x.removeprefix("torch.")) if isinstance(x, str) and x.startswith("torch.") else x
