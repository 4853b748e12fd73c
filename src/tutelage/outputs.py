"""Networks that return a dictionary, a tuple or a dataclass, as networks that return one tensor."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

LOGITS = "logits"


class TensorOutput(nn.Module):
    """``model``, returning one tensor of what it returns: the part ``at`` a key, a field or a position.

    A network like any other from then on, with the layers of ``model`` behind ``model.``: ``student.model.layer3``. It
    is needed only where ``sole_tensor`` leaves open which part is meant: students, teachers and measures take that by
    themselves. A tensor is returned as it is.

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
    """The tensor of a network's ``output`` at ``at``; without it, its ``sole_tensor``.

    Raises ``ValueError`` where no part is ``at``, or several tensors leave it open.

    >>> import torch
    >>> tensor_in((torch.zeros(1), torch.ones(1)), at=1)
    tensor([1.])
    """
    if isinstance(output, Tensor):
        return output
    picked = sole_tensor(output) if at is None else _part(output, at)
    if not isinstance(picked, Tensor):
        named = LOGITS in output_parts(output) and at is None
        which = "one tensor" if at is None and not named else f"a tensor at {LOGITS if at is None else at!r}"
        raise ValueError(f"The network returned {in_words(output)}, where {which} is wanted; say which part, at=….")
    return picked


def sole_tensor(output: Any) -> Tensor | None:
    """The tensor that is meant by ``output`` without a word: a tensor itself, the part called ``logits``, or the only
    tensor among the parts. Nothing where there is none, or several leave it open.

    A number alone, such as the loss in a tuple ``(loss, logits)``, is no answer to a sample, and does not count; nor
    does what lies deeper, as the hidden states in ``(logits, (h, c))``.

    >>> import torch
    >>> sole_tensor((torch.tensor(0.5), torch.ones(2, 3))).shape, sole_tensor((torch.ones(2, 3), torch.ones(2, 3)))
    (torch.Size([2, 3]), None)
    """
    if isinstance(output, Tensor):
        return output
    parts = output_parts(output)
    if LOGITS in parts:
        return parts[LOGITS] if isinstance(parts[LOGITS], Tensor) else None
    tensors = [part for part in parts.values() if isinstance(part, Tensor) and part.ndim]
    return tensors[0] if len(tensors) == 1 else None


def _part(output: Any, at: str | int) -> Any:
    parts = output_parts(output)
    if isinstance(at, int) and at not in parts:  # by position, where the parts have names too
        return dict(enumerate(parts.values())).get(at)
    return parts.get(at)


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


def answer_of(model: nn.Module, output: Any) -> Tensor:
    """The ``sole_tensor`` of what ``model`` returned. Raises ``ValueError``, which says what to do, where none is."""
    found = sole_tensor(output)
    if found is None:
        raise ValueError(
            f"{type(model).__name__} returned {in_words(output)}, where a tensor is wanted; wrap the network in "
            f"tutelage.outputs.TensorOutput(network, at=…)."
        )
    return found
