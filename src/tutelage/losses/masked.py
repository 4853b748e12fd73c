"""Any loss over the tokens that count: padding and whatever else is not to be learnt is left out before it."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

CITATIONS: dict[str, str] = {}  # what is lifted says where it comes from
Loss = TypeVar("Loss", bound=Callable[..., Tensor])


def masked(loss: Callable[..., Tensor], ignore_index: int | None = None) -> "Masked":
    r"""``loss`` over the tokens that count: it takes one more argument, the last, which says which these are.

    That is a mask (N, T), true or 1 where a token counts, as an attention mask is; with ``ignore_index`` it is labels
    (N, T), of which that one counts nothing. All other arguments begin with the same dimensions and are cut down to the
    tokens that count, ``(kept, …)``, before ``loss`` sees them: logits, hidden states, labels, and lists of such. So a
    loss that is a mean over its rows becomes a mean over the valid tokens **of the whole batch**, and padding has
    neither a value nor a gradient. Nothing is shifted: what a position of a language model is to predict is the next
    token's, for which ``tutelage.data.next_tokens`` moves the labels.

    A term of an objective reads the mask from the batch: ``Term(masked(loss), "student.output", "teacher.output",
    "batch.attention_mask")``. It then weighs a batch by its valid tokens where steps are accumulated, or several
    processes share them. Raises ``ValueError``, when called, where no token counts, for a mask that is neither bool nor
    0 and 1, and for arguments that do not begin with the mask's dimensions.

    >>> from torch.nn.functional import cross_entropy, mse_loss
    >>> student, teacher = torch.tensor([[[1.0], [9.0]]]), torch.tensor([[[3.0], [0.0]]])
    >>> masked(mse_loss)(student, teacher, torch.tensor([[1, 0]]))
    tensor(4.)
    >>> labels = torch.tensor([[0, -100]])
    >>> masked(cross_entropy, ignore_index=-100)(torch.zeros(1, 2, 2), labels, labels)
    tensor(0.6931)
    """
    return Masked(loss, ignore_index)


class Masked(nn.Module):
    """A loss over the tokens that count; ``masked`` makes it. Weights that the loss owns are its own as well."""

    def __init__(self, loss: Callable[..., Tensor], ignore_index: int | None) -> None:
        super().__init__()
        self.loss = loss
        self.ignore_index = ignore_index

    def forward(self, *arguments: Any) -> Tensor:
        *others, mask = arguments
        return self.loss(*kept(self.counts(mask), *others))

    def counts(self, mask: Tensor) -> Tensor:
        """Which tokens count, bool."""
        return as_mask(mask) if self.ignore_index is None else mask != self.ignore_index

    def counted(self, *arguments: Any) -> int:
        """How many tokens count, from the arguments of a call, of which only the last has to be known.

        Raises ``ValueError`` where it is not.
        """
        if arguments[-1] is None:
            raise ValueError(
                "The mean is over tokens that a mask picks, and how many these are has to be known before the step: "
                "give the mask in the batch, such as 'batch.attention_mask'."
            )
        return int(self.counts(arguments[-1]).sum())


def mean_over(counted: Callable[..., int | None]) -> Callable[[Loss], Loss]:
    """Marks a loss that is a mean over something else than samples, such as labelled pixels: it then knows how many.

    ``counted`` takes the loss's arguments, of which those that are not of the batch are ``None``, and gives their
    number, or ``None`` where it is that of the samples after all. Terms ask it to weigh the batches of a step.
    """

    def mark(loss: Loss) -> Loss:
        vars(loss)["counted"] = counted
        return loss

    return mark


def kept(mask: Tensor, *arguments: Any) -> list[Any]:
    """The rows of every tensor at which ``mask`` holds: of (N, T, …), (kept, …); of a list, those of its tensors.

    In a loop of your own, ``loss(*kept(mask, student, teacher))`` is ``masked(loss)(student, teacher, mask)``. Raises
    ``ValueError`` as that does.

    >>> [x.tolist() for x in kept(torch.tensor([[1, 0], [1, 1]]), torch.tensor([[1, 2], [3, 4]]))]
    [[1, 3, 4]]
    """
    places = as_mask(mask).flatten().nonzero().squeeze(1)
    if not len(places):
        raise ValueError(
            "No token of the batch counts: its mask is 0 everywhere, or all of its labels are to be ignored; leave "
            "such batches out."
        )
    return [_rows(x, mask, places) for x in arguments]


def as_mask(mask: Tensor) -> Tensor:
    """``mask`` as bool. Raises ``ValueError`` for fractions and, on a CPU, for whole numbers other than 0 and 1."""
    if mask.dtype == torch.bool:
        return mask
    if mask.is_floating_point() or mask.is_complex() or (mask.is_cpu and bool(((mask != 0) & (mask != 1)).any())):
        raise ValueError(
            f"A mask is bool, or whole numbers, 1 where a token counts and 0 elsewhere; got {mask.dtype} from "
            f"{mask.min().item():g} to {mask.max().item():g}: of labels, say which are to be left out, "
            f"masked(loss, ignore_index=-100)."
        )
    return mask != 0


def _rows(x: Any, mask: Tensor, places: Tensor) -> Any:
    if isinstance(x, list | tuple):
        return [_rows(part, mask, places) for part in x]
    if x.shape[: mask.ndim] != mask.shape:
        raise ValueError(
            f"What a mask {tuple(mask.shape)} picks from begins with these dimensions; got {tuple(x.shape)}."
        )
    rows = x.flatten(0, mask.ndim - 1)
    return rows if len(places) == len(rows) else rows.index_select(0, places)
