"""Text as an experiment on telling tokens: windows to train on, to choose and to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled, labelled
from tutelage.data.masked_texts import text_windows
from tutelage.data.masked_tokens import masked_tokens, token_weights
from tutelage.data.pieces import refuse_unknown
from tutelage.data.split import HELD_OUT_SEED, sample
from tutelage.data.token_windows import token_row, token_windows
from tutelage.data.wordpiece import WordPieces, fewer
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


@dataclass(frozen=True)
class Hidden:
    """Windows to learn a language from, and others of which tokens are hidden once, with these as targets."""

    train: Labelled
    validation: Labelled | None
    test: Labelled


@clocked("data")
def hidden_token_sets(
    run: Run, lines: Lines, pieces: WordPieces, *, most: int, validation: int, judged: int, longest: int
) -> Hidden:
    """Windows of up to ``longest`` tokens: at most ``most`` to train on (0: all), ``validation`` to choose (0: none).

    ``judged`` windows of the last part are judged by. Their tokens are hidden as those of the training are, by how
    often they are there. Raises ``ValueError`` as ``text_windows`` and ``masked_tokens`` do, and for a text that the
    vocabulary does not know.
    """
    windows = {
        name: text_windows(text, pieces, longest)
        for name, text in (("train", lines.train), ("valid", lines.valid), ("test", lines.test))
    }
    refuse_unknown(windows["train"], pieces, name=f"The text {lines.name}")
    weights = token_weights(torch.bincount(windows["train"].flatten(), minlength=len(pieces)), pieces.special)
    train, valid, test = (labelled(f"{lines.name}/{name}", x, x.new_empty(len(x), 0)) for name, x in windows.items())
    chosen_by, judged_by = (
        _hidden(_some(data, number), weights, pieces).to(run.device)
        for data, number in ((valid, validation), (test, judged))
    )
    return Hidden(_some(train, most).to(run.device), chosen_by if validation else None, judged_by)


def _hidden(data: Labelled, weights: Tensor, pieces: WordPieces) -> Labelled:
    """``data`` with tokens hidden, the same ones whoever asks, and what they were as targets."""
    padding, *_, hidden = pieces.special
    inputs, labels = masked_tokens(
        data.inputs, data.inputs != padding, weights, hidden, seed=HELD_OUT_SEED, epoch=0, index=data.index
    )
    told = (labels != -100).any(1)
    return replace(data, inputs=inputs, targets=labels)[told]


def _some(data: Labelled, most: int) -> Labelled:
    return sample(data, most) if 0 < most < len(data) else data
