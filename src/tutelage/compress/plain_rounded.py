"""A network whose weights were rounded while it learnt, as a plain one that has them: for packed files."""

from torch import nn

from tutelage.compress.fake_quantised import RoundedActivation
from tutelage.compress.gates import unparametrised_
from tutelage.compress.rounded_weight import rounds


def plain_rounded(network: nn.Module) -> nn.Module:
    """``network`` with plain weights, those that it rounds to: it answers what it answered, to the bit.

    For ``run.derive("plain", plain_rounded, of=…)``; ``weights.packed_file.save_packed`` stores binary weights as a bit
    each. Raises ``ValueError`` where no weight is rounded, and where activations are, which no plain network does:
    export that as ONNX, or build it with ``activations=32``.
    """
    if any(isinstance(module, RoundedActivation) for module in network.modules()):
        raise ValueError(
            f"{type(network).__name__} rounds activations, too, and a plain network does not: export it as ONNX, or "
            "fake-quantise it with activations=32."
        )
    layers = [layer for layer in network.modules() if rounds(layer)]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no weights that are rounded.")
    for layer in layers:
        unparametrised_(layer)
    return network
