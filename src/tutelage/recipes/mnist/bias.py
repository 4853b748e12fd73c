"""Transfer sets that leave classes out, and the one number that makes up for it."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from tutelage.data.split import only, without
from tutelage.measures.predict import predict
from tutelage.measures.wilson import wilson
from tutelage.results import Interval, Table
from tutelage.study.sets import Sets

SHIFTS = torch.arange(0, 20.05, 0.1)


def lacking(data: Sets, classes: Collection[int]) -> Sets:
    """``data``, with a training set that has none of ``classes``; validation and test have them all."""
    return replace(data, train=without(data.train, classes))


def holding(data: Sets, classes: Collection[int]) -> Sets:
    """``data``, with a training set of ``classes`` alone; validation and test have all."""
    return replace(data, train=only(data.train, classes))


@dataclass(frozen=True)
class Corrected:
    """Test errors after ``shift`` was added to the biases of some classes; ``on_classes`` are the errors on those."""

    chosen: str
    shift: float
    errors: int
    on_classes: int
    count: int

    @property
    def percent(self) -> float:
        return round(100 * self.errors / self.count, 2)

    @property
    def interval(self) -> Interval:
        """Of the errors, by the choice of the test samples."""
        return wilson(self.errors, self.count)


def corrected(model: nn.Module, data: Sets, classes: Collection[int], *, sign: int) -> list[Corrected]:
    """As it is; with the shift (of the given ``sign``, in steps of 0.1 up to 20) that is best on the validation images;
    and with the one that is best on the test images, which is what the paper reports.

    Raises ``ValueError`` without a validation set.
    """
    if data.validation is None:
        raise ValueError("The bias is chosen on validation images; keep some with --digits.validation.")
    test, target = predict(model, data.test), data.test.targets
    shifts = sign * SHIFTS
    on_validation = _best(predict(model, data.validation), data.validation.targets, classes, shifts)
    on_test = _best(test, target, classes, shifts)
    chosen = {"as it is": 0.0, "chosen on validation": on_validation, "chosen on the test set": on_test}
    return [_counted(name, test, target, classes, shift) for name, shift in chosen.items()]


def table_of(title: str, rows: list[Corrected]) -> Table:
    """The errors before and after, and what was added."""
    return Table(
        title=title,
        columns=("bias correction", "shift", "test errors", "on these classes"),
        rows=tuple((row.chosen, row.shift, row.errors, row.on_classes) for row in rows),
        note="Chosen on the test set is how the paper did it; chosen on validation is what one may do.",
    )


def _best(logits: Tensor, target: Tensor, classes: Collection[int], shifts: Tensor) -> float:
    """The shift with the fewest errors; among equals, the middle one."""
    errors = torch.stack([(_shifted(logits, classes, s).argmax(-1) != target).sum() for s in shifts.tolist()])
    best = shifts[(errors == errors.min()).cpu()]
    return round(best[len(best) // 2].item(), 1)


def _counted(chosen: str, logits: Tensor, target: Tensor, classes: Collection[int], shift: float) -> Corrected:
    wrong = _shifted(logits, classes, shift).argmax(-1) != target
    among = torch.isin(target, torch.tensor(sorted(classes), device=target.device))
    return Corrected(chosen, shift, int(wrong.sum()), int((wrong & among).sum()), len(target))


def _shifted(logits: Tensor, classes: Collection[int], shift: float) -> Tensor:
    moved = logits.clone()
    moved[:, sorted(classes)] += shift
    return moved
