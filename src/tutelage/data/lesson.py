"""What a network learns from: a set, the views of its samples, the batches and their order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tutelage.data.batches import Batches
from tutelage.data.draws import ROUND
from tutelage.data.kept_views import bytes_of_views, with_kept_views
from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show, shown
from tutelage.data.views import Choose, in_turn, parts, plain, views


@dataclass(frozen=True)
class Lesson:
    """``train`` in batches, each sample in one of ``num_views`` ways to ``transform`` it.

    ``validation`` is for choices; there, and wherever a network is measured, ``test_transform`` shows the samples.

    Raises ``ValueError`` for another kind of data set than those of ``tutelage.data``, such as torch's, and for none to
    learn from.
    """

    train: Labelled
    validation: Labelled | None = None
    transform: Show = plain
    num_views: int = 1
    batch_size: int = 125
    seed: int = 0
    choose: Choose = in_turn
    test_transform: Show = plain

    def __post_init__(self) -> None:
        """Raise ``ValueError``, before hours are spent, for a set without the parts of ours, or an empty one."""
        for data in (self.train, self.validation):
            if data is not None and not all(hasattr(data, part) for part in ("inputs", "targets", "index")):
                raise ValueError(
                    f"A {type(data).__name__} is no set that a lesson can show; wrap tensors with "
                    "tutelage.data.labelled.labelled(name, inputs, targets, classes)."
                )
        if not len(self.train):
            raise ValueError("A lesson has a sample or more to learn from; its training set is empty.")

    @property
    def example(self) -> Tensor:
        """A sample (1, …) as a network sees it when it is measured."""
        kept = {name: x[:1] for name, x in {"input": self.train.inputs, **self.train.others}.items()}
        view = torch.zeros(1, dtype=torch.int64, device=self.train.index.device)
        return shown(kept, view, self.test_transform)["input"]

    def batches(self, epochs: int = 1) -> Batches:
        """What a training of so many epochs sees: ``with_kept_views`` where views come again."""
        train, transform = self.train, self.transform
        if self._keeps(epochs):
            train, transform = with_kept_views(train, transform, self.num_views)
        return views(
            train,
            transform,
            num_views=self.num_views,
            batch_size=self.batch_size,
            seed=self.seed,
            choose=self.choose,
        )

    def kept_bytes(self, epochs: int) -> int:
        """The memory that views take in such a training, as far as can be said before it begins."""
        return bytes_of_views(self.train, self.transform, self.num_views) if self._keeps(epochs) else 0

    def repeats(self, epochs: int) -> bool:
        """Whether a sample is shown in a view for the second time within so many epochs: what was said of it is kept.

        Views that come in turn are all met before one of them comes again.
        """
        return epochs > self.num_views or self.choose is not in_turn or self.num_views > ROUND

    @property
    def steps(self) -> int:
        """Batches an epoch, as ``views`` makes them."""
        return len(parts(len(self.train), self.batch_size))

    def _keeps(self, epochs: int) -> bool:
        """Whether views come in turn and again, so that they are kept if they can be."""
        return self.choose is in_turn and self.num_views > 1 and self.repeats(epochs)
