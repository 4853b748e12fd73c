"""What the zeros of a network are worth: counted, in bits as CSR, and in bytes of a file that is really written."""

from dataclasses import dataclass

from safetensors.torch import save
from torch import Tensor, nn

from tutelage.compress.computed_weight import refuse_uncertain_weight
from tutelage.tensors import entry, on_the_cpu
from tutelage.weights.sparse_file import encoded

VALUE, POINTER = 32, 32  # bits
KINDS = (nn.Linear, nn.modules.conv._ConvNd)


@dataclass(frozen=True)
class Footprint:
    """Of the weights of linear layers and convolutions, without biases: how many, how many of them are not 0.

    ``csr_bits = nonzero · (32 + 16) + (rows + 1) · 32`` a layer, against ``dense_bits = 32 · weights``; columns of a
    row longer than 65,536 take 32 bits. ``file_bytes`` is what ``save_sparse`` writes: biases, buffers and all.
    ``layers`` has the share of zeros of each, from 0 to 1.
    """

    weights: int
    nonzero: int
    csr_bits: int
    file_bytes: int
    layers: dict[str, float]

    @property
    def dense_bits(self) -> int:
        return VALUE * self.weights

    @property
    def count_ratio(self) -> float:
        """``|w| / |w ≠ 0|``, as papers on pruning count; infinite where nothing is left."""
        return self.weights / self.nonzero if self.nonzero else float("inf")

    @property
    def bits(self) -> int:
        """The fewer of both."""
        return min(self.dense_bits, self.csr_bits)

    @property
    def csr_ratio(self) -> float:
        """Dense bits over those of CSR: the same with the indices paid for."""
        return self.dense_bits / self.csr_bits


@dataclass(frozen=True)
class Factors:
    """The memory of a dense teacher over that of a sparse student, ``total = width · sparsity``, in bits of weights.

    ``width`` is that of the dense networks, which distillation makes possible; ``sparsity`` is the student's alone.
    """

    width: float
    sparsity: float

    @property
    def total(self) -> float:
        return self.width * self.sparsity


def footprint(model: nn.Module) -> Footprint:
    """What is 0 of a plain ``model``.

    Raises ``ValueError`` for a network without linear layers and convolutions, and for one that has posteriors.

    >>> import torch
    >>> net = nn.Linear(4, 2)
    >>> _ = nn.init.zeros_(net.weight)
    >>> footprint(net).nonzero, footprint(net).dense_bits, footprint(net).csr_bits
    (0, 256, 96)
    """
    layers = {name: x for name, x in model.named_modules() if isinstance(x, KINDS)}
    for name, layer in layers.items():
        refuse_uncertain_weight(name, layer)
    weights = {name: x.weight.detach() for name, x in layers.items()}
    if not weights:
        raise ValueError(f"{type(model).__name__} has no linear layer or convolution to count zeros of.")
    nonzero = {name: int(x.count_nonzero()) for name, x in weights.items()}
    return Footprint(
        weights=sum(x.numel() for x in weights.values()),
        nonzero=sum(nonzero.values()),
        csr_bits=sum(csr_bits(x, nonzero[name]) for name, x in weights.items()),
        file_bytes=_file_bytes(model),
        layers={name: 1 - nonzero[name] / x.numel() for name, x in weights.items()},
    )


def factors(teacher: Footprint, student: Footprint) -> Factors:
    """How many times less memory the student's weights take than the teacher's dense ones, in its two factors."""
    return Factors(teacher.dense_bits / student.dense_bits, student.dense_bits / student.bits)


def csr_bits(weight: Tensor, nonzero: int) -> int:
    """Bits of a layer (rows, …) in compressed sparse rows."""
    columns = weight[0].numel()
    return nonzero * (VALUE + (16 if columns <= 2**16 else 32)) + (len(weight) + 1) * POINTER


def _file_bytes(model: nn.Module) -> int:
    tensors, about = encoded(model.state_dict())
    apart = on_the_cpu(tensors)
    return len(save(apart, entry(apart, about)[0]))
