"""What zeros are worth, as tables: counted, in each layer, and taken out."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tutelage.checkpoint import bytes_of_weights
from tutelage.compress.footprint import Footprint, factors, footprint
from tutelage.measures.cost import macs, parameters
from tutelage.measures.latency import latency
from tutelage.results import Curve, Metric, Network, Table
from tutelage.study.experiments.sparse_students import Student


def sizes_table(
    students: Mapping[str, Student],
    found: Mapping[str, Footprint],
    measured: Mapping[str, Network],
    metric: Metric,
    teacher: nn.Module,
) -> Table:
    """How much less each student takes than the teacher, counted in three ways, and the two factors apart."""
    large = footprint(teacher)
    rows: list[tuple[Any, ...]] = []
    for name, one in students.items():
        if one.plain is None:
            rows.append((name, *[None] * 8, one.remark))
            continue
        own = found[name]
        parts = factors(large, own)
        ratios = (own.count_ratio, parts.sparsity, parts.width, parts.total)
        rows.append(
            (
                name,
                measured[name].scores[metric.name].value,
                own.nonzero,
                *(round(x, 2) for x in ratios),
                own.csr_bits,
                own.file_bytes,
                None,
            )
        )
    return Table(
        title="Sizes of the students",
        columns=("student", metric.name, "weights that are not 0", "× fewer weights", "× fewer bits", "× narrower",
                 "× less memory than the teacher", "bits as CSR", "bytes of the file", "remark"),
        rows=tuple(rows),
        note=f"The teacher has {large.weights:,} weights in linear layers and convolutions, of 32 bits each. Bits are "
        f"32 a value, 16 a column and 32 a row of compressed sparse rows, or 32 a weight where that is less. The last "
        f"factor is the product of how much narrower the dense student is, and of the bits that its zeros save. The "
        f"file has the biases, too.",
    )  # fmt: skip


def layers_table(found: Mapping[str, Footprint]) -> Table:
    """The share of zeros in each layer of each student that has any."""
    rows = [
        (name, layer, place, round(100 * zeros, 3))
        for name, own in found.items()
        for place, (layer, zeros) in enumerate(own.layers.items(), start=1)
        if own.nonzero < own.weights
    ]
    return Table(
        title="Zeros of the students by layer",
        columns=("student", "layer", "place", "zeros, %"),
        rows=tuple(rows),
        curve=Curve("place", "zeros, %", "student"),
    )


def removal_table(students: Mapping[str, Student], example: Tensor) -> Table:
    """What each student with zeros costs as it is, and without the units and channels that carry nothing.

    ``example`` are samples (N, …) to be answered.
    """
    networks: dict[str, nn.Module] = {}
    for name, one in students.items():
        if one.plain is not None and one.small is not None and one.small is not one.plain:
            networks |= {name: one.plain.last, f"{name}, removed": one.small.last}
    clocks = latency(networks, example) if networks else {}
    rows = []
    for name, network in networks.items():
        counts = parameters(network), macs(network, example[:1]), bytes_of_weights(network)
        times = (round(clocks[name][size]["median"], 4) for size in ("1", "64"))
        rows.append((name, *counts, footprint(network).file_bytes, *times))
    return Table(
        title="Zeros taken out",
        columns=("network", "parameters", "multiply-accumulates", "bytes of the file", "bytes of the sparse file",
                 "ms, 1 sample", "ms, 64 samples"),
        rows=tuple(rows),
        note="Zeros alone make a file smaller, but no answer faster. Removed are the units and channels that nobody "
        "reads, or that say the same to every sample; the answers are the same. Milliseconds are medians of rounds in "
        "which the networks take turns.",
    )  # fmt: skip
