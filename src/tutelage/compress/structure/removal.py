"""A plain smaller network without the channels that nobody reads, which answers as the larger one does without them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from tutelage.calls import reason
from tutelage.compress.structure.alive import Alive, alive
from tutelage.compress.structure.cutting import blank, cut_, replace_
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.ids import places
from tutelage.compress.structure.layers import axis_of, weight_axis
from tutelage.compress.structure.plain import Blank, Zero
from tutelage.compress.structure.trace import Trace
from tutelage.copies import copy_of
from tutelage.measures.predict import device_of
from tutelage.models.watch import tensors_in

CLOSE = 1e-6
"""How far answers in float64 may lie apart, relative to the largest."""
ROUGHLY, ROUNDINGS = 1e-3, 8
"""The same for a network that does not run in float64, or so many roundings of the coarsest type of its weights."""


def without(model: nn.Module, channels: Channels, closed: Closed) -> nn.Module:
    """A copy of ``model`` that has nothing left of what ``closed`` takes with it, and answers as ``zeroed`` does.

    Layers are narrower; where one reads a part of what others read, a ``Select`` stands before it; what reads nothing
    is a ``Blank``, a closed branch a ``Zero``, and a block that adds nothing an ``nn.Identity``. Modes, devices and
    what trains are as in ``model``. Both are held against each other on noise, in eval mode and with batch norms in
    train mode. Raises ``ValueError`` as ``settled`` does, for another network than that of ``channels``, for one with
    gates that are not folded, and, with the layer, for code that channels cannot be taken out of.

    >>> from tutelage.compress.structure.channels import channels_of
    >>> network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> closed = Closed({"2": torch.tensor([True, False, True, False])})
    >>> without(network, channels_of(network, torch.zeros(1, 3)), closed)
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
      (1): ReLU()
      (2): Linear(in_features=2, out_features=2, bias=True)
    )
    """
    state = alive(channels, closed)
    smaller, example = _cut(model, state), channels.example().to(device_of(model))
    if not example.is_meta:
        _refuse_other_answers(_zeroed(model, state), smaller, state, example)
    return smaller


def narrowed(model: nn.Module, channels: Channels, closed: Closed) -> nn.Module:
    """What ``without`` makes, not held against anything: for what was removed before, of a network of these sizes."""
    return _cut(model, alive(channels, closed))


def zeroed(model: nn.Module, channels: Channels, closed: Closed) -> nn.Module:
    """A copy of ``model`` of the same size, in which all that ``closed`` takes with it counts as zero.

    The weights of closed inputs are 0, and the layers whose branch is closed answer with zeros: what a removal is held
    against. Raises as ``settled`` does.
    """
    return _zeroed(model, alive(channels, closed))


def _cut(model: nn.Module, state: Alive) -> nn.Module:
    smaller = copy_of(model)
    for name in [name for name in vars(smaller) if name.startswith("_tutelage")]:
        delattr(smaller, name)  # where a stage made it: this is another network
    cut_(smaller, state)
    _skip_idle_(smaller, state.channels.example().to(device_of(model)))
    return smaller


@torch.no_grad()
def _zeroed(model: nn.Module, state: Alive) -> nn.Module:
    copy, blanks = copy_of(model), {}
    for name, layer in state.channels.layers.items():
        module = copy.get_submodule(name)
        if state.closed[name]:
            blanks[module] = blank(module, len(layer.makes))
        elif layer.mixing:
            shut = [slot for slot, gate in enumerate(layer.slots) if not state.opened[name][gate]]
            weight = module.get_parameter("weight")
            weight.index_fill_(weight_axis(module), places(shut, weight.device), 0.0)
    replace_(copy, blanks)
    return copy


def _refuse_other_answers(whole: nn.Module, smaller: nn.Module, state: Alive, example: Tensor) -> None:
    """Raise ``ValueError``, with the first layer that answers otherwise, unless both networks answer alike."""
    precise = _runs_in_float64(whole, example)
    coarsest = max((torch.finfo(p.dtype).eps for p in whole.parameters() if p.is_floating_point()), default=0.0)
    tolerance = CLOSE if precise else max(ROUGHLY, ROUNDINGS * coarsest)
    left = {
        name: [place for place, channel in enumerate(layer.makes) if not state.dead[channel]]
        for name, layer in state.channels.layers.items()
        if not state.closed[name]
    }
    for norms_train in (False, True):
        expected = _answers(whole, example, left, norms_train, precise)
        found = _answers(smaller, example, dict.fromkeys(left), norms_train, precise)
        for name, x in expected.items():
            if name in found and not _is_close(x, found[name], tolerance):
                raise ValueError(
                    f"Channels cannot be taken out of {type(whole).__name__}: without them "
                    f"{repr(name) if name else 'it'} answers otherwise, because code before it depends on sizes; leave "
                    "open what reads those channels."
                )


@torch.no_grad()
def _answers(
    model: nn.Module, example: Tensor, left: Mapping[str, list[int] | None], norms_train: bool, precise: bool
) -> dict[str, Tensor]:
    """What the layers in ``left`` answer, by name, in these channels of each, or all; under "" what the network does.

    Dropout is off: it would draw other numbers for other sizes.
    """
    copy, example = _in_float64(model, example) if precise else (copy_of(model).eval(), example)
    for module in copy.modules():
        module.training = norms_train and isinstance(module, _NormBase)
        if isinstance(module, _NormBase) and norms_train:
            module.eps = 1.0  # with its own, the rounding of what hardly varies grows 300 times a norm
    answers: dict[str, Tensor] = {}
    running = [""]

    def enters(name: str, *_: Any) -> None:
        running.append(name)

    def note(name: str, module: nn.Module, _args: Any, out: Tensor) -> None:
        if name in left:
            makes = left[name]
            answers[name] = (
                out.clone() if makes is None else out.index_select(axis_of(module), places(makes, out.device))
            )

    for name, module in copy.named_modules():
        module.register_forward_pre_hook(partial(enters, name))
        module.register_forward_hook(partial(note, name))
    try:
        output = copy(example)
    except Exception as error:
        raise ValueError(
            f"Channels cannot be taken out of {type(model).__name__}: without them {running[-1]!r} fails "
            f"({reason(error)}); leave open what reads those channels."
        ) from error
    return answers | {"": torch.cat([x.flatten() for x in tensors_in(output)])}


def _in_float64(model: nn.Module, example: Tensor) -> tuple[nn.Module, Tensor]:
    return copy_of(model).double().eval(), example.double() if example.is_floating_point() else example


@torch.no_grad()
def _runs_in_float64(model: nn.Module, example: Tensor) -> bool:
    try:
        model, example = _in_float64(model, example)
        model(example)
    except Exception:  # it makes tensors of a type of its own
        return False
    return True


def _is_close(expected: Tensor, found: Tensor, tolerance: float) -> bool:
    if expected.shape != found.shape:
        return False
    if not expected.numel():
        return True
    return bool((found - expected).abs().max() <= tolerance * max(1.0, float(expected.abs().max())))


def _skip_idle_(model: nn.Module, example: Tensor) -> None:
    """Put an ``nn.Identity`` in the place of each block that does nothing any more, in whatever mode."""
    idle = {n for n, m in model.named_modules() if any(isinstance(x, Blank | Zero) for x in m.modules())} - {""}
    with torch.random.fork_rng(devices=[]):  # for dropout
        for training in (False, True) if idle else ():
            idle &= {*Trace(copy_of(model).train(training)).run(example).passed}
    outermost = [name for name in idle if not any(name.startswith(f"{other}.") for other in idle)]
    replace_(model, {model.get_submodule(name): nn.Identity() for name in outermost})
