"""Which channels a network has, and which of them may go: found by passes of the network itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor, nn

from tutelage.calls import reason
from tutelage.compress.structure.alive import Alive
from tutelage.compress.structure.costs import cost, macs, parameters
from tutelage.compress.structure.cutting import cut_
from tutelage.compress.structure.graph import Channels, Layer, Part, Reader
from tutelage.compress.structure.ids import NONE, Groups, division
from tutelage.compress.structure.layers import KINDS, weight_axis
from tutelage.compress.structure.otherwise import heed_training, heed_values
from tutelage.compress.structure.plain import Blank
from tutelage.compress.structure.seen import DiffersError, Narrowed, Ran, Step, Traced
from tutelage.compress.structure.trace import Trace
from tutelage.copies import copy_of
from tutelage.measures.cost import macs as macs_of
from tutelage.measures.cost import parameters as parameters_of
from tutelage.measures.predict import device_of
from tutelage.outputs import in_words

TRIALS = 4
"""Narrower networks that must do the same with the channels that they have left; of each, other channels are gone."""


def channels_of(model: nn.Module, example: Tensor) -> Channels:
    """The channels of ``model``, found by passes over samples of the size of ``example``, (N, …).

    Copies run, in eval mode; the model is not changed. First a pass over zeros shows who makes which channel, who reads
    it and which ones meet, and one over noise whether other values go another way. Then narrower copies must pass, and
    do the same with the channels that they have left. Where one does not, and channels were cut into equal parts, the
    first of each part go together, and so on; else, because a size stands in its code, the channels concerned stay.
    What layers read that run in train mode alone, as auxiliary heads do, or for other values alone, stays. All follows
    from shapes, not from weights.
    Raises ``ValueError`` for a network that cannot run on ``example``, and where nothing can be gated.

    >>> channels = channels_of(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.zeros(1, 3))
    >>> {name: reader.gates for name, reader in channels.readers.items()}, channels.fixed
    ({'0': 3, '2': 4}, {'2': 'the network answers with it'})
    """
    if not isinstance(example, Tensor) or example.ndim < 1:
        raise ValueError(f"Channels are found with a tensor of one sample or more; got {in_words(example)}.")
    if isinstance(model, KINDS):
        raise ValueError(f"A single {type(model).__name__} has no layers between which channels could go.")
    example = torch.zeros((2, *example.shape[1:]), dtype=example.dtype, device=device_of(model))
    try:
        traced = Trace(_copied(model)).run(example)
    except Exception as error:
        name = type(model).__name__
        raise ValueError(f"{name} cannot run on an example {tuple(example.shape)}: {reason(error)}.") from error
    if not traced.layers:
        raise _nothing(model, traced.refused)
    heed_training(_copied(model).train(), example, traced)
    heed_values(_copied(model), example, traced)
    for trial in range(TRIALS):
        while not _is_narrowed_well(_copied(model), example, traced, trial):
            pass
    for numbers, words in traced.divided:
        if len({*map(traced.groups.of, numbers)}) == 1:
            traced.groups.fix(numbers, words)  # none would be left
    channels = _graph(model, example, traced)
    if not channels.readers:
        raise _nothing(model, channels.refused)
    return _with_the_rest(channels, model, example, hidden=bool(traced.refused or traced.mixed))


def _nothing(model: nn.Module, refused: Mapping[str, str]) -> ValueError:
    """What is said of a network without a layer that reads channels."""
    taken_out = any(isinstance(module, Blank) for module in model.modules())
    words = "; ".join(f"{name}: {why}" for name, why in list(refused.items())[:5])
    words = words or ("all that its layers read was taken out of it before" if taken_out else "it has no layers")
    return ValueError(f"Nothing of {type(model).__name__} can be gated ({words}).")


def _copied(model: nn.Module) -> nn.Module:
    """A copy in eval mode, in the usual layout: in another one, a pooling is made of operations that say less."""
    copy: nn.Module = copy_of(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return copy.eval()


def _is_narrowed_well(model: nn.Module, example: Tensor, traced: Traced, trial: int) -> bool:
    """Whether the network does the same when it is narrowed; where not, channels are fixed that were not before."""
    channels = _graph(model, example, traced)
    state, numbers = Alive(channels), _numbers(traced)
    gone = _gone(channels, trial)
    for name, layer in channels.layers.items():
        for gate in [gate for gate, channel in enumerate(layer.gates) if layer.mixing and gone[channel]]:
            state.close(name, gate)
    dead = torch.tensor([state.dead[numbers[traced.groups.of(x)]] for x in range(len(traced.groups))], device="cpu")
    made = {
        name: [place for place, channel in enumerate(layer.makes) if not state.dead[channel]]
        for name, layer in channels.layers.items()
    }
    cut_(model, state)
    tracer, how = Trace(model, Narrowed(traced, dead, made)), "keeps its size"
    try:
        tracer.run(example)
        if len(tracer.traced.steps) == len(traced.steps):
            return True
    except DiffersError as differs:
        how = str(differs) or how
    except Exception:  # whatever a network does with sizes that it did not expect
        pass
    step = traced.steps[min(len(tracer.traced.steps), len(traced.steps) - 1)]
    words = f"{step.operation} in {step.where} {how}"
    if _is_divided_alike(traced, step, words):
        return False
    taken = [channel for ids in step.taken if ids is not None for channel in ids.per_element()]
    if not (traced.groups.fix(taken, words) or traced.groups.fix(range(len(traced.groups)), f"{words} in any case")):
        raise ValueError(
            f"{type(model).__name__} does something else in each pass, so its channels cannot be found: "
            f"{step.operation} in {step.where} comes at another time or takes another size."
        )
    return False


def _is_divided_alike(traced: Traced, step: Step, words: str) -> bool:
    """Whether the step cuts channels into equal parts, and those that stand alike in each did not go together yet."""
    parts = [ids for ids in step.made if ids is not None]
    whole = step.taken[0] if len(step.taken) == 1 else None
    found = division(whole, parts) if whole is not None and parts and len(parts) == len(step.made) else None
    if found is None or not traced.groups.couple_alike(*found):
        return False
    traced.divided.append((found[0], words))
    return True


def _gone(channels: Channels, trial: int) -> list[bool]:
    """The channels that are gone in a trial: the first of each layer, one half of each, the other, and a few alone.

    One that is gone alone shows where parts were of equal size. A channel goes with those that layers make of it alone,
    so that nothing has to be selected, but in the last trial: there it goes without those that it is made of, and only
    from the first half of a layer. Of each layer some stay.
    """
    families, parents, last = Groups(), list[int](), trial == TRIALS - 1
    families.new(len(channels.stays))
    for layer in channels.layers.values():
        for parent, child in zip(layer.gates, layer.makes, strict=False) if not layer.mixing else ():
            if not last:
                families.couple(parent, child)
            elif parent != child:
                parents.append(parent)
    families.fix([channel for channel, stays in enumerate(channels.stays) if stays], "it stays")
    families.fix(parents, "others are made of it")
    goes: dict[int, bool] = {}
    generator = torch.Generator().manual_seed(0)
    for layer in channels.layers.values():
        own = [x for x in dict.fromkeys(map(families.of, layer.makes)) if not families.reason(x) and x not in goes]
        order = torch.randperm(len(own), generator=generator, device="cpu").tolist()
        for place, x in enumerate(own):
            half = order[place] % 2 == trial % 2 and (not last or 2 * place < len(own))
            goes[x] = place == 0 if trial == 0 else half or (last and place == 0)
    gone = [goes.get(families.of(channel), False) for channel in range(len(channels.stays))]
    for layer in channels.layers.values():
        for side in (layer.makes, layer.gates):
            if side and all(gone[channel] for channel in side):
                kept = families.of(side[0])
                gone = [x and families.of(channel) != kept for channel, x in enumerate(gone)]
    return gone


def _numbers(traced: Traced) -> dict[int, int]:
    """The number of each group of channels that go together."""
    numbers: dict[int, int] = {}
    fresh = count()
    for channel in range(len(traced.groups)):
        root = traced.groups.of(channel)
        if root not in numbers:
            numbers[root] = next(fresh)
    return numbers


def _graph(model: nn.Module, example: Tensor, traced: Traced) -> Channels:
    groups, numbers, branches = traced.groups, _numbers(traced), traced.branches

    def number(channels: Sequence[int]) -> tuple[int, ...]:
        return tuple(numbers[groups.of(channel)] for channel in channels if channel != NONE)

    layers, readers = {}, {}
    for name, ran in traced.layers.items():
        module = model.get_submodule(name)
        gates = list(dict.fromkeys(ran.slots)) if ran.mixing else ran.slots
        place = {channel: gate for gate, channel in enumerate(gates)}
        slots = [place[channel] for channel in ran.slots] if ran.mixing else range(len(gates))
        ends, written = name in branches, branches.get(name, False)
        layers[name] = Layer(_part(module, ran), tuple(slots), number(gates), number(ran.made), ends, written)
        if ran.mixing:
            readers[name] = Reader(name, len(gates), torch.tensor(slots, device="cpu"), weight_axis(module))
    stays = [False] * len(set(numbers.values()))
    for root, channel in numbers.items():
        stays[channel] = bool(groups.reason(root))
    why = {name: next(filter(None, map(groups.reason, ran.made)), "") for name, ran in traced.layers.items()}
    return Channels(
        sample=tuple(example.shape[1:]),
        dtype=example.dtype,
        readers=readers,
        branches=tuple(name for name in layers if name in branches),
        refused=traced.refused,
        fixed={name: words for name, words in why.items() if words},
        layers=layers,
        between=tuple((part, number(seen)) for part, seen in traced.between),
        pools={name: number(seen) for name, seen in traced.pools.items()},
        elsewhere=Part("", "elsewhere", elements=traced.elements),
        stays=tuple(stays),
    )


def _part(module: nn.Module, ran: Ran) -> Part:
    """What the layer costs for each pair of channels, or for each channel."""
    numbers, made = sum(p.numel() for p in module.parameters(recurse=False)), len(ran.made)
    if not ran.mixing:
        return Part(ran.name, "channelwise", ran.macs, 0, numbers // max(made, 1), ran.elements)
    weights = module.get_parameter("weight").numel()
    return Part(
        ran.name, "mixing", ran.macs, weights // max(len(ran.slots) * made, 1), (numbers - weights) // max(made, 1)
    )


def _with_the_rest(channels: Channels, model: nn.Module, example: Tensor, *, hidden: bool) -> Channels:
    """With what the network costs elsewhere, which is the same whatever is closed."""
    offsets = parameters_of(model) - cost(channels, parameters)
    multiplications = macs_of(model, example[:1]) - cost(channels, macs) if hidden else 0
    return replace(channels, elsewhere=replace(channels.elsewhere, macs=int(multiplications), offsets=int(offsets)))
