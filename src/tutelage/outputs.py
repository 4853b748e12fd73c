"""Networks that return a dictionary, a tuple or a dataclass, as networks that return one tensor."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

LOGITS = "logits"


class TensorOutput(nn.Module):
    """``model``, returning one tensor of what it returns: the part ``at`` a key, a field or a position.

    A network like any other from then on: a student, what ``frozen`` asks, and whatever ``predict``, ``macs`` and
    ``latency`` measure. Its layers are those of ``model`` behind ``model.``: ``student.model.layer3``. Without ``at``
    it is the part called ``logits``, or the only tensor. A tensor is returned as it is.

    Raises ``ValueError``, when called, where no part is ``at``, or several tensors leave it open.

    >>> import torch
    >>> class Net(nn.Linear):
    ...     def forward(self, x):
    ...         return {"logits": super().forward(x), "features": x}
    >>> TensorOutput(Net(4, 3))(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(self, model: nn.Module, at: str | int | None = None) -> None:
        super().__init__()
        self.model = model
        self.at = at

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return tensor_in(self.model(*inputs, **named), self.at)


def tensor_output(build: Callable[[], nn.Module], at: str | int | None = None) -> nn.Module:
    """``TensorOutput(build(), at)``: as ``partial(tensor_output, build, at="logits")`` a build that a key can name."""
    return TensorOutput(build(), at)


def tensor_in(output: Any, at: str | int | None = None) -> Tensor:
    """The tensor of a network's ``output`` at ``at``, as ``TensorOutput`` picks it.

    >>> import torch
    >>> tensor_in((torch.zeros(1), torch.ones(1)), at=1)
    tensor([1.])
    """
    if isinstance(output, Tensor):
        return output
    parts = output_parts(output)
    tensors = [name for name, part in parts.items() if isinstance(part, Tensor)]
    if at is None:
        at = LOGITS if LOGITS in parts else tensors[0] if len(tensors) == 1 else None
    if isinstance(at, int) and at not in parts:  # by position, where the parts have names too
        at = dict(enumerate(parts)).get(at, at)
    picked = parts.get(at) if at is not None else None
    if not isinstance(picked, Tensor):
        which = "one tensor" if at is None else f"a tensor at {at!r}"
        raise ValueError(f"The network returned {in_words(output)}, where {which} is wanted; say which part, at=….")
    return picked


def output_parts(output: Any) -> dict[str | int, Any]:
    """What a network's output consists of, by key, field or position."""
    if isinstance(output, Mapping):
        return dict(output)
    if hasattr(output, "_asdict"):  # a named tuple
        return dict(output._asdict())
    if isinstance(output, tuple | list):
        return dict(enumerate(output))
    if is_dataclass(output):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return dict(getattr(output, "__dict__", {}))


def in_words(output: Any) -> str:
    """
    >>> import torch
    >>> in_words({"logits": torch.zeros(2, 3), "loss": None})
    "a dict with 'logits' (2, 3), 'loss'"
    """
    parts = output_parts(output)
    words = [f"{name!r} {tuple(x.shape)}" if isinstance(x, Tensor) else f"{name!r}" for name, x in parts.items()]
    return kind_of(output) + (f" with {', '.join(words)}" if words else "")


def kind_of(thing: object) -> str:
    """
    >>> kind_of(3), kind_of([]), kind_of(dict), kind_of(None)
    ('an int', 'a list', 'the class dict', 'None')
    """
    if thing is None:
        return "None"
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    kind = type(thing).__name__
    spelt = kind[:2].isupper() or kind.startswith("nd")  # an S-G-D, a U-Net, an n-d-array
    return f"a{'n' * (kind[0] in ('AEFHILMNORSXn' if spelt else 'AEIOUaeiou'))} {kind}"


def refuse_no_tensor(model: nn.Module, output: Any) -> None:
    """Raises ``ValueError`` unless ``output`` is a tensor: what came instead, and what to do."""
    if not isinstance(output, Tensor):
        raise ValueError(
            f"{type(model).__name__} returned {in_words(output)}, where a tensor is wanted; wrap the network in "
            f"tutelage.outputs.TensorOutput(network, at=…)."
        )
