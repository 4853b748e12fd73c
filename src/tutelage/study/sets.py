"""What an experiment works on: samples to train on, to choose on, and to read once, at the end; and the task."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.data.span_windows import Asked
from tutelage.data.split import held_out, sample
from tutelage.data.transforms import Show, shown
from tutelage.data.views import plain
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.run import Run
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.task import Task


@dataclass(frozen=True)
class Sets:
    """What is trained on, what choices are made on, what is measured; how the last two look, and the task."""

    train: Labelled
    validation: Labelled | None
    test: Labelled
    test_transform: Show = plain
    task: Task = CLASSIFICATION
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())  # means and deviations of the channels
    preprocessing: Preprocessing | None = None  # how a picture file becomes what a network sees
    seen: str = ""  # what was done to numbers that are no pictures, before a network sees them
    unlabelled: Labelled | None = None  # further samples, which a teacher alone can say something about
    names: tuple[str, ...] = ()  # of the samples of all parts, by their index
    tokenisation: Tokenisation | None = None  # how a text becomes what a network sees
    asked: Asked | None = None  # what is asked about texts whose parts are the answers

    @property
    def synthetic(self) -> bool:
        """Whether the samples are drawn ones, which say nothing about what was published."""
        return self.train.name.startswith("synthetic")

    @property
    def example(self) -> Tensor:
        """Two samples as a network sees them when it is measured; of texts, those by which one fails if it does."""
        if self.tokenisation is not None and self.train.inputs.ndim == 2:
            return self._hardest(self.tokenisation.padding)
        kept = {name: x[:2] for name, x in {"input": self.train.inputs, **self.train.others}.items()}
        view = torch.zeros(len(kept["input"]), dtype=torch.int64, device=self.train.index.device)
        return shown(kept, view, self.test_transform)["input"]

    def _hardest(self, padding: int) -> Tensor:
        """Two rows of tokens: the longest of the training, and that with the largest number of all."""
        longest = (self.train.inputs != padding).sum(1).argmax()
        held = (self.train, self.validation, self.test, self.unlabelled)
        rows = torch.stack([x.inputs[x.inputs.amax(1).argmax()] for x in held if x is not None and x.inputs.ndim == 2])
        return torch.stack([self.train.inputs[longest], rows[rows.amax(1).argmax()]])


def parted(run: Run, train: Labelled, test: Labelled, validation: int, most: int = 0) -> Sets:
    """``train`` with ``validation`` of its samples set apart (0: none, and no best epoch), on the run's device.

    Of the rest, ``most`` samples are trained on (0: all of them), the same for every run. As they are, to be
    classified; ``replace`` says otherwise. A small set gives up a quarter at most. Raises ``ValueError`` for negative
    numbers.
    """
    for what, number in (("Validation", validation), ("Training", most)):
        if number < 0:
            raise ValueError(f"{what} takes a number of training samples, 0 or more; got {number}.")
    data = _set_apart(run, train.to(run.device), test.to(run.device), validation)
    return replace(data, train=sample(data.train, most)) if 0 < most < len(data.train) else data


def _set_apart(run: Run, train: Labelled, test: Labelled, validation: int) -> Sets:
    if validation == 0:
        return Sets(train, None, test)
    quarter = max(1, len(train) // 4)
    if validation > quarter:
        run.progress.note(f"{quarter} samples are kept for validation, a quarter of the training samples")
    rest, held = held_out(train, min(validation, quarter))
    return Sets(rest, held, test)
