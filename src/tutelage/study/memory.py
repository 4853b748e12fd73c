"""Whether a network can be trained in the memory there is: found out on a device where nothing takes any."""

import warnings

import torch

from tutelage import machine
from tutelage.keys import Build
from tutelage.measures.memory import peak_bytes
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
        needed = step_bytes(build, shape, half=machine.gains_from_bfloat16(device))
    except Exception:  # whatever somebody's code does with values that are not there
        return
    if there is not None and needed > there:
        raise ValueError(
            f"{name} takes {_gigabytes(needed)} for a step of {samples} samples, and this process may have "
            f"{_gigabytes(there)}; choose a smaller network or a smaller batch size."
        )


def step_bytes(build: Build, shape: tuple[int, ...], *, half: bool = False) -> int:
    """The bytes that a network's weights take, and what it keeps of samples of ``shape`` for the backward pass.

    With ``half`` all but the weights is in 16 bits. Gradients, the optimizer and other networks are not counted.
    """
    with warnings.catch_warnings(action="ignore"), torch.random.fork_rng(), torch.device("meta"), torch.enable_grad():
        model = build()
        peak = peak_bytes(lambda: model(torch.empty(shape)), "meta")
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return weights + peak // (2 if half else 1)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
