"""Whether a network can be trained in the memory there is: found out on a device where nothing takes any."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tutelage import machine
from tutelage.keys import Build
from tutelage.measures.memory import peak_bytes
from tutelage.plurals import counted
from tutelage.study.sets import Sets


def refuse_too_large(name: str, build: Build, data: Sets, batch_size: int) -> None:
    """Raise ``ValueError`` for a network of which a step takes more memory than this process may have.

    A network that cannot be built or asked without memory, for it looks at values, is let through.
    """
    device = data.train.inputs.device
    there = machine.memory_limit(device)
    samples = min(batch_size, len(data.train))
    shape = (samples, *data.example.shape[1:])
    try:
        needed = step_bytes(build, shape, half=machine.gains_from_bfloat16(device), dtype=data.example.dtype)
    except Exception:  # whatever somebody's code does with values that are not there
        return
    if there is not None and needed > there:
        raise ValueError(
            f"{name} takes {_gigabytes(needed)} for a step of {counted(samples, 'sample')}, and this process may have "
            f"{_gigabytes(there)}; choose a smaller network or a smaller batch size."
        )


def step_bytes(build: Build, shape: tuple[int, ...], *, half: bool = False, dtype: torch.dtype = torch.float32) -> int:
    """The bytes that a network's weights take, and what it keeps of samples of ``shape`` and ``dtype``, backward.

    With ``half`` all but the weights is in 16 bits. Gradients, the optimizer and other networks are not counted.
    """
    with (
        warnings.catch_warnings(action="ignore"),
        torch.random.fork_rng(),
        torch.device("meta"),
        torch.enable_grad(),
        _ShapesAlone(),  # type: ignore[no-untyped-call]
    ):
        model = build()
        peak = peak_bytes(lambda: model(torch.empty(shape, dtype=dtype)), "meta")
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return weights + peak // (2 if half else 1)


class _ShapesAlone(TorchDispatchMode):
    """Batch normalisations and initial weights by the shapes of what they give.

    On ``meta`` torch takes a batch normalisation apart into twenty operations that compute nothing, and they were most
    of the time that the look took.
    """

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in SHAPES and args[0].is_meta:
            return SHAPES[func](*args)
        return func(*args, **(kwargs or {}))


def _as_it_was(x: Tensor, *_: Any) -> Tensor:
    return x


def _batch_norm(x: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
    _weight, _bias, _mean, _var, training, _momentum, _eps = others
    statistics = x.shape[1] if training else 0
    return torch.empty_like(x), x.new_empty(statistics), x.new_empty(statistics)


SHAPES: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.normal_.default: _as_it_was,
    torch.ops.aten.uniform_.default: _as_it_was,
    torch.ops.aten.native_batch_norm.default: _batch_norm,
}


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
