"""Networks that somebody hands over as objects: known by what they hold, and copied, never touched."""

from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from tutelage.checkpoint import save_weights
from tutelage.copies import copy_of, learning
from tutelage.keys import Build
from tutelage.outputs import kind_of
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.weights.foreign import own_tensors


@dataclass(frozen=True, eq=False)
class Instance:
    """A network as it is, of the class ``kind``. Its ``checksum`` is over its structure and all that it holds.

    So the same script, started again, finds the stages of networks that begin with the same weights: of one that is
    drawn at random after ``torch.manual_seed``.
    """

    network: nn.Module
    kind: type[nn.Module]

    @cached_property
    def checksum(self) -> str:
        """The sha-256 that a stage's key holds; the code of classes of one's own counts there, too."""
        digest = sha256(f"{self.kind.__module__}:{self.kind.__qualname__} {self.network!r}".encode())
        for name, x in self.network.state_dict().items():
            held = x if isinstance(x, torch.Tensor) else torch.tensor([])
            digest.update(f"{name} {held.dtype} {list(held.shape)}".encode())
            digest.update(held.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def __str__(self) -> str:
        return f"{self.kind.__name__} {self.checksum[:8]}"


def instance_of(network: nn.Module) -> Instance:
    """Raises ``ValueError`` for one whose weights are not there yet, as of lazy layers, or are quantised."""
    if not isinstance(network, nn.Module):
        raise ValueError(f"A network is a Module of torch, or its name; got {kind_of(network)}.")
    own_tensors(network)
    if any(isinstance(x, torch.dtype) or getattr(x, "is_quantized", False) for x in network.state_dict().values()):
        raise ValueError(
            f"{type(network).__name__} holds quantised weights, which no file of weights takes; give the network that "
            "it was made of, or export it and name the file (.onnx)."
        )
    return Instance(network, type(network))


def build_of(instance: Instance) -> Build:
    """What makes a copy of it, with the weights that it has."""
    return partial(_copied, instance)


def stage_of(run: Run, instance: Instance, build: Build) -> Finished:
    """The network as a given stage of ``run``, which keeps a copy of its weights: ``build_of`` it, or around that."""
    with TemporaryDirectory() as folder:
        weights = Path(folder) / f"{instance.kind.__name__}.safetensors"
        save_weights(weights, instance.network)
        return run.given("teacher", build, weights)


def _copied(instance: Instance) -> nn.Module:
    return learning(copy_of(instance.network))
