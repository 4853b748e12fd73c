"""Which layers a network runs, and where what each of them makes is whole: behind its batch norm and its ReLU."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from tutelage.compress.passes import Code, Pass, Reader
from tutelage.modes import evaluating

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
RECTIFIERS = (nn.ReLU, nn.ReLU6)
MOVERS = (nn.Flatten, nn.Unflatten, nn.MaxPool1d, nn.MaxPool2d)
"""What puts out some of what it was given: rounded numbers stay rounded."""
INPUT, OUTPUT = "fake_input", "fake_output"
"""What the quantisers of a layer's input and of a module's output are called below it."""
OURS = {"parametrizations", INPUT, OUTPUT}
"""What a layer may have below it and is still a layer."""


@dataclass
class Chains:
    """What ran in one pass: ``reads`` has for each module those that made what it was given, ``None`` for others.

    ``layers`` are in the order in which they first ran, and ``names`` theirs; ``last`` made what the network put out.
    ``readers`` are of what a module makes, modules and ``Code``; ``moved`` were given what code had moved before.
    """

    layers: list[nn.Module] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    reads: dict[nn.Module, set[nn.Module | None]] = field(default_factory=dict)
    readers: dict[nn.Module, set[Reader]] = field(default_factory=dict)
    moved: set[nn.Module] = field(default_factory=set)
    last: nn.Module | None = None

    def tail_of(self, layer: nn.Module) -> list[nn.Module]:
        """The batch norm and then the ReLU that follow ``layer``, as far as each alone reads what was made before."""
        tail: list[nn.Module] = []
        for kinds in (NORMS, RECTIFIERS):
            before = tail[-1] if tail else layer
            found = self.readers.get(before, set())
            if len(found) == 1 and isinstance(after := next(iter(found)), kinds) and self.reads[after] == {before}:
                tail.append(after)
        return tail

    def end_of(self, layer: nn.Module) -> nn.Module | None:
        """The module behind which what ``layer`` makes is whole; none where it is what the network puts out."""
        end = [layer, *self.tail_of(layer)][-1]
        return None if end is self.last else end

    def is_rectified(self, module: nn.Module) -> bool:
        """Whether all that becomes of what ``module`` makes is that code rectifies it."""
        return self.readers.get(module) == {Code.RECTIFIES}

    def unrounded_inputs(self, layer: nn.Module) -> Iterator[nn.Module]:
        """The modules that made what ``layer`` reads, where no chain ends there; itself for what no module made."""
        ends = {end for x in self.layers if (end := self.end_of(x)) is not None}
        for source in self.sources_of(layer):
            if source not in ends:
                yield layer if source is None else source

    def sources_of(self, layer: nn.Module) -> set[nn.Module | None]:
        """What made the numbers that ``layer`` reads, whatever only moved them since."""
        return {self._moved(source) for source in self.reads[layer]}

    def _moved(self, source: nn.Module | None) -> nn.Module | None:
        while isinstance(source, MOVERS) and len(self.reads[source]) == 1 and not hasattr(source, OUTPUT):
            (source,) = self.reads[source]
        return source


def chains_of(network: nn.Module, example: Tensor) -> Chains:
    """What a pass of ``network`` on ``example`` shows, in eval mode; layers with weights that others share are left."""
    chains = Chains()
    names = {module: name for name, module in network.named_modules()}
    owners = Counter(id(x) for module in names for x in module.parameters(recurse=False))
    seen = Pass([x for x in names if {*x._modules} <= OURS], [x for x in names if not {*x._modules} <= OURS], OUTPUT)
    with evaluating(network), seen.watched():
        output = network(example)
    chains.reads, chains.readers, chains.moved = seen.reads, seen.readers, seen.moved
    for module in seen.reads:
        shared = any(owners[id(x)] > 1 for x in module.parameters(recurse=False))
        if isinstance(module, LAYERS) and not shared:
            chains.layers.append(module)
            chains.names.append(names[module])
    chains.last = seen.maker_of(output) if isinstance(output, Tensor) else None
    return chains
