"""How often a student answers as its teacher does."""

from tutelage.shapes import Logits


def agreement(student: Logits, teacher: Logits) -> float:
    """The share of the samples for which both give the same class, right or wrong.

    Raises ``ValueError`` if the shapes differ or there is no sample.

    Stanton et al., "Does Knowledge Distillation Really Work?", 2021, arXiv:2106.05945, §3.1 (top-1 agreement).

    >>> import torch
    >>> agreement(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([[9.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    if student.shape != teacher.shape or not len(student):
        raise ValueError(
            f"Agreement compares answers to the same samples, one or more; "
            f"got logits {tuple(student.shape)} and {tuple(teacher.shape)}."
        )
    same = student.argmax(-1) == teacher.argmax(-1).to(student.device)
    return same.double().mean().item()
