"""How many answers are wrong; ``wilson`` says how sure that number is."""

from torch import Tensor

from tutelage.shapes import Logits


def errors(logits: Logits, target: Tensor) -> int:
    """The number of samples whose largest logit is not that of their target. Equal logits: the first class counts.

    Raises ``ValueError`` if there is not one target for each sample.

    >>> import torch
    >>> errors(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    1
    """
    one_target_each(logits, target)
    return int((logits.argmax(-1) != target).sum())


def one_target_each(logits: Logits, target: Tensor) -> None:
    """Raises ``ValueError`` unless the logits are (N, C) and the targets (N,), with at least one sample."""
    if logits.ndim != 2 or target.shape != logits.shape[:1] or not len(target):
        raise ValueError(
            f"A measure wants logits (samples, classes) and one target a sample; "
            f"got logits {tuple(logits.shape)} and targets {tuple(target.shape)}."
        )
