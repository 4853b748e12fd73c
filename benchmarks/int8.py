"""What int8 saves: an answer of a network in int8 by ONNX Runtime, over float32 there and over PyTorch's eager one.

One thread, batches of 1 and 64, pictures of noise; resnet20 and WRN-40-2 for 100 classes, and an MLP 784-800-800-10.
The weights are random and batch norms have the statistics of the noise: what is computed, and how long it takes, does
not depend on them. The int8 file is what ``tutelage export --precision int8`` writes (static, QDQ, int8 weights with a
scale a channel, uint8 activations); the float32 file is what it is made of. Before anything is timed the float32 file
must answer as the network does, and the int8 file is told how far it is from it. The processor's instructions for int8
stand beside the figures: without them these are no faster.

    python benchmarks/int8.py [--rounds 20]
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from measure import Figure, benchmark, interleaved, summary
from torch import Tensor, nn

from tutelage.deployment.about import About
from tutelage.deployment.compared import difference, refuse_difference
from tutelage.deployment.onnx import answering, converted
from tutelage.deployment.quantised import static
from tutelage.machine import int8_units
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet20
from tutelage.models.wide_resnet import wrn_40_2

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[int, int]]] = {
    "resnet20": (partial(resnet20, num_classes=100), (3, 32, 32), {1: 20, 64: 1}),
    "WRN-40-2": (partial(wrn_40_2, num_classes=100), (3, 32, 32), {1: 4, 64: 1}),
    "MLP 800-800": (partial(mlp, (784, 800, 800, 10)), (784,), {1: 100, 64: 10}),
}
"""How a network is built, what a sample is, and how many answers a call of a subject takes, by the size of a batch."""
CALIBRATION, WARM_UP = 128, 2
CONVOLUTIONS, PERCEPTRON = ("resnet20", "WRN-40-2"), "MLP 800-800"
TARGETS = {  # measured by hand on a Zen 4 with VNNI: the slower end of either range
    **{f"{name}, batch {size}: int8 / eager": 0.278 for name in CONVOLUTIONS for size in (1, 64)},
    **{f"{name}, batch {size}: int8 / float32": 0.476 for name in CONVOLUTIONS for size in (1, 64)},
    **{f"{PERCEPTRON}, batch {size}: int8 / eager": 0.385 for size in (1, 64)},
    **{f"{PERCEPTRON}, batch {size}: int8 / float32": 0.556 for size in (1, 64)},
}
FIGURES: dict[str, Figure] = {
    "A/A: float32 again / float32": lambda ms: ms["float32 again"] / ms["float32"],
    "float32 / eager": lambda ms: ms["float32"] / ms["eager"],
    "int8 / float32": lambda ms: ms["int8"] / ms["float32"],
    "int8 / eager": lambda ms: ms["int8"] / ms["eager"],
}


def network_of(build: Callable[[], nn.Module], samples: Tensor) -> nn.Module:
    """Untrained, but with the statistics of its inputs, so that all numbers have their usual size."""
    torch.manual_seed(1)
    network = build().train()
    with torch.no_grad():
        for _ in range(4):
            network(samples)
    return network.eval()


def files_of(network: nn.Module, samples: Tensor) -> tuple[dict[str, bytes], dict[str, float]]:
    """Both files, and how far they are from the network, as a share of the spread of its answers."""
    made = converted(network, samples[:8], Path("benchmark.onnx"), About(), takes=None, probabilities=False)
    contents = {"float32": made.content, "int8": static(made.content, samples)}
    ask = {name: answering(content, made.output, Path(name)) for name, content in contents.items()}
    apart = {"float32": refuse_difference(network, ask["float32"], samples, "The float32 file")[0]}
    return contents, {**apart, "int8": difference(network, ask["int8"], samples, "The int8 file")[0]}


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def repeated(ask: Callable[[], object], per: int) -> None:
    for _ in range(per):
        ask()


def subjects(network: nn.Module, contents: dict[str, bytes], batch: Tensor, per: int) -> dict[str, Callable[[], None]]:
    asks: dict[str, Callable[[], object]] = {"eager": torch.inference_mode()(partial(network, batch))}
    for name, content in (*contents.items(), ("float32 again", contents["float32"])):
        asks[name] = partial(session_of(content).run, None, {"input": batch.numpy()})
    return {name: partial(repeated, ask, per) for name, ask in asks.items()}


def measured(rounds: int) -> dict[str, Any]:
    result: dict[str, dict[str, Any]] = {"milliseconds": {}, "figures": {}, "parity": {}, "bytes": {}}
    for name, (build, shape, answers) in NETWORKS.items():
        samples = torch.randn(CALIBRATION, *shape, generator=torch.Generator().manual_seed(3))
        network = network_of(build, samples)
        contents, apart = files_of(network, samples)
        result["parity"] |= {f"{name}: {kind}": x for kind, x in apart.items()}
        result["bytes"] |= {f"{name}: {kind}": len(content) for kind, content in contents.items()}
        for size, per in answers.items():
            loops = subjects(network, contents, samples[torch.arange(size) % CALIBRATION], per)
            found = summary(interleaved(loops, rounds, per, warm_up=WARM_UP), FIGURES)
            for part, rows in found.items():
                result[part] |= {f"{name}, batch {size}: {row}": x for row, x in rows.items()}
    return {**result, "int8_instructions": list(int8_units())}


if __name__ == "__main__":
    benchmark("int8", __doc__ or "", measured, TARGETS)
