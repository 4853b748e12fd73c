"""Layers of different shapes: the student's goes through a learned map that is initialised lazily, or given."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Size, Tensor, nn
from torch.nn.parameter import UninitializedParameter

from tutelage.objective import Loss
from tutelage.shapes import Scalar

Make: TypeAlias = Callable[[Size, Size], nn.Module]
"""Shapes of the student's and of the teacher's activation -> a module for them, whatever the batch size."""


class Projected(nn.Module):
    """``loss(projector(student), teacher, …)``: a loss with a given projector, whose weights train with the student.

    >>> from tutelage.losses.hint import mean_squares
    >>> loss = Projected(mean_squares, nn.Linear(3, 5))
    >>> loss(torch.randn(2, 3), torch.randn(2, 5)).shape
    torch.Size([])
    """

    def __init__(self, loss: Loss, projector: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.projector = projector

    @classmethod
    def example(cls, loss: Loss, _pairs: int) -> "Projected":
        return cls(loss, nn.Identity())

    def forward(self, student: Tensor, teacher: Tensor, *more: Any) -> Scalar:
        return self.loss(self.projector(student), teacher, *more)


class Lazy(nn.Module):
    """A module, ``make(shape, shape)``, initialised lazily, when it first sees both shapes; a base of modules that are.

    Raises ``ValueError`` if that is while gradients are recorded, since an optimizer that was built before would never
    train its weights.
    """

    module: nn.Module | None
    unseen: UninitializedParameter | None

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.make = make
        self.module = None
        self.unseen = UninitializedParameter()  # so that what nobody rehearsed is noticed

    def initialised(self, activation: Tensor, wanted: Size) -> nn.Module:
        """The module for the shape of ``activation`` and the one ``wanted``.

        It is brought to where the former lies, and to its precision, but at least float32.
        """
        if self.module is None:
            if torch.is_grad_enabled():
                raise ValueError(
                    "What is initialised lazily must see one batch before the optimizer is built, or its weights would "
                    "never train; call it once under torch.no_grad()."
                )
            dtype = torch.promote_types(activation.dtype, torch.float32)
            with torch.autocast(activation.device.type, enabled=False):  # a parametrization computes at once
                self.module = self.make(activation.shape, wanted).to(activation.device, dtype).train(self.training)
            self.unseen = None
        return self.module


class LazyLoss(Lazy):
    """A loss with weights, initialised by ``make`` when it first sees the shapes of what student and teacher show.

    ``train`` shows every loss one batch before it builds the optimizer. In a loop of your own, do the same under
    ``torch.no_grad()``; see ``Lazy``.

    >>> from tutelage.losses.vid import VariationalInformation
    >>> loss = LazyLoss(VariationalInformation.between)
    >>> with torch.no_grad():
    ...     first = loss(torch.randn(2, 3), torch.randn(2, 5))
    >>> [tuple(p.shape) for p in loss.parameters()]
    [(5,), (5, 3), (5, 5), (5, 5)]
    """

    @classmethod
    def example(cls, loss: Loss, _pairs: int) -> "LazyLoss":
        return cls(lambda _student, _teacher: Projected(loss, nn.Identity()))

    def forward(self, student: Tensor, teacher: Tensor, *more: Any) -> Scalar:
        value: Tensor = self.initialised(student, teacher.shape)(student, teacher, *more)
        return value


def pointwise(student: Size, teacher: Size) -> nn.Module:
    """A linear map of channels for these shapes: a 1×1 convolution of maps, a linear layer for vectors and tokens.

    A larger map of the student is pooled to the teacher's size first; to a vector, if that is what the teacher shows.
    Raises ``ValueError`` for a map of the student that is smaller than the teacher's, and for ranks that do not fit.

    >>> pointwise(Size([1, 3, 8, 8]), Size([1, 5, 4, 4]))
    Sequential(
      (0): AdaptiveAvgPool2d(output_size=(4, 4))
      (1): Conv2d(3, 5, kernel_size=(1, 1), stride=(1, 1))
    )
    """
    match len(student), len(teacher):
        case (4, 4):
            if student[2] < teacher[2] or student[3] < teacher[3]:
                raise ValueError(
                    f"The student's map, {student[2]}×{student[3]}, is smaller than the teacher's, "
                    f"{teacher[2]}×{teacher[3]}; take an earlier layer of the student, or give a projector."
                )
            convolution = nn.Conv2d(student[1], teacher[1], 1)
            if student[2:] == teacher[2:]:
                return convolution
            return nn.Sequential(nn.AdaptiveAvgPool2d((teacher[2], teacher[3])), convolution)
        case (4, 2):
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(student[1], teacher[1]))
        case (2, 2) | (3, 3) if student[1:-1] == teacher[1:-1]:
            return nn.Linear(student[-1], teacher[-1])
    raise ValueError(
        f"No linear map of channels takes {tuple(student)} of the student to {tuple(teacher)} of the teacher; give a "
        "projector."
    )


def projected(loss: Loss, make: Make = pointwise) -> LazyLoss:
    """``loss`` on activations of different shapes: the student's goes through ``make(student.shape, teacher.shape)``.

    ``make`` is ``pointwise``, a function like ``tutelage.losses.hint.regressor`` or ``tutelage.losses.srrl.connector``,
    or your own. For a projector that exists already, take ``Projected``.

    >>> from tutelage.losses.hint import half_squares, regressor
    >>> hint = projected(half_squares, regressor)
    >>> with torch.no_grad():
    ...     first = hint(torch.randn(2, 4, 10, 10), torch.randn(2, 3, 8, 8))
    >>> [tuple(p.shape) for p in hint.parameters()]
    [(3, 4, 3, 3), (3,)]
    """
    return LazyLoss(lambda student, teacher: Projected(loss, make(student, teacher)))
