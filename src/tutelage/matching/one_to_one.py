"""Layer i of the student learns from layer i of the teacher."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tutelage.limits import LARGEST, refuse_outside
from tutelage.objective import Loss
from tutelage.shapes import Scalar


class OneToOne(nn.Module):
    """The mean over pairs of layers of a loss on one pair, or a weighted sum. ``one_to_one`` makes it."""

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float]) -> None:
        super().__init__()
        self.losses = list(losses)
        self.weights = list(weights)
        self.owned = nn.ModuleList(loss for loss in dict.fromkeys(losses) if isinstance(loss, nn.Module))

    @classmethod
    def example(cls, loss: Loss, pairs: int) -> "OneToOne":
        return one_to_one([loss] * pairs)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Scalar:
        losses = self.losses if len(self.losses) > 1 else self.losses * len(student)
        if not len(student) == len(teacher) == len(losses) or not len(student):
            raise ValueError(
                f"Layers are matched one to one; got {len(student)} of the student, {len(teacher)} of the teacher and "
                f"{len(losses)} losses."
            )
        values = [loss(s, t) for loss, s, t in zip(losses, student, teacher, strict=True)]
        if not self.weights:
            return torch.stack(values).mean() if len(values) > 1 else values[0]
        if len(self.weights) != len(values):
            raise ValueError(f"Weights are one a pair of layers; got {len(self.weights)} for {len(values)} pairs.")
        return torch.stack([weight * value for weight, value in zip(self.weights, values, strict=True)]).sum()


def one_to_one(loss: Loss | Sequence[Loss], weights: Sequence[float] = ()) -> OneToOne:
    """Lift a loss on one pair of activations to a loss on two equally long lists of them: the mean over pairs.

    With ``weights``, one a pair, it is ``Σ_i w_i · loss_i``; a published sum over layers is ``weights=[1, 1, 1]``. A
    list of losses has one for each pair, which losses with weights of their own need where the layers' shapes differ:
    ``one_to_one([projected(mean_squares), projected(mean_squares)])``. Weights that the losses own are its own as well.
    Raises ``ValueError`` for weights outside 0 … 1e18, and for lists that are not equally long.

    >>> from tutelage.losses.attention import attention_maps
    >>> matched = one_to_one(attention_maps)
    >>> layers = [torch.randn(2, 3, 8, 8), torch.randn(2, 6, 4, 4)]
    >>> matched(layers, [-2 * x for x in layers])
    tensor(0.)
    """
    for weight in weights:
        refuse_outside("The weight of a pair", weight, 0, LARGEST)
    losses = list(loss) if isinstance(loss, Sequence) else [loss]
    if not losses:
        raise ValueError("Layers need a loss to be matched by; got an empty list of losses.")
    return OneToOne(losses, weights)
