"""Text as an experiment on telling tokens: windows to train on, to choose and to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tutelage.data.labelled import Labelled, labelled
from tutelage.data.split import sample
from tutelage.data.token_windows import token_row, token_windows
from tutelage.data.wordpiece import WordPieces, fewer, refuse_unknown
from tutelage.profiling import clocked
from tutelage.run import Run
from tutelage.study.sets import Sets
from tutelage.tasks.language import LANGUAGE


@dataclass(frozen=True)
class Lines:
    """The lines of a text called ``name``, in its three parts."""

    name: str
    train: Sequence[str]
    valid: Sequence[str]
    test: Sequence[str]


@clocked("data")
def next_token_sets(
    run: Run, lines: Lines, pieces: WordPieces, *, size: int, most: int, validation: int, longest: int
) -> tuple[Sets, WordPieces]:
    """Windows of ``longest`` tokens whose places tell the next one, and the vocabulary that cuts them.

    That is the ``size`` most frequent of ``pieces``, or all where there are no more. At most ``most`` windows are
    trained on (0: all), and ``validation`` of the middle part choose (0: none do). Raises ``ValueError`` for a part
    that is shorter than a window, and for a text that the vocabulary does not know.
    """
    row = token_row(lines.train, pieces)
    refuse_unknown(row, pieces, name=f"The text {lines.name}")
    if size < len(pieces):
        pieces = fewer(pieces, row, size)
        row = token_row(lines.train, pieces)
    train = labelled(f"{lines.name}/train", *token_windows(row, longest))
    valid, test = (
        labelled(f"{lines.name}/{part}", *token_windows(token_row(text, pieces), longest))
        for part, text in (("valid", lines.valid), ("test", lines.test))
    )
    chosen_by = _some(valid, validation).to(run.device) if validation else None
    sets = Sets(_some(train, most).to(run.device), chosen_by, test.to(run.device), task=LANGUAGE)
    return sets, pieces


def _some(data: Labelled, most: int) -> Labelled:
    return sample(data, most) if 0 < most < len(data) else data


def number_of_tokens(data: Labelled) -> int:
    """How many tokens of ``data`` are to be told."""
    return int((data.targets >= 0).sum(dtype=torch.int64))
