"""Questions and their contexts as windows of tokens: of all parts together, so that all are of one length."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from tutelage.data.labelled import Labelled
from tutelage.data.pieces import is_seen, refuse_unknown
from tutelage.data.questions import Question
from tutelage.data.span_windows import KEPT, LONGEST, Asked, sizes_of_windows, span_windows
from tutelage.own_data.source import Part, Samples, Source
from tutelage.own_data.split import chosen
from tutelage.own_data.texts import digests, left_out, vocabulary_for
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.own_data.twins import twins
from tutelage.plurals import counted


@dataclass(frozen=True)
class CutQuestions:
    """The windows of each part and what they are called, what they are about, how texts are cut, and what was done."""

    parts: Mapping[Part, Labelled]
    names: Mapping[Part, tuple[str, ...]]
    asked: Asked
    tokenisation: Tokenisation
    notes: tuple[str, ...]


def cut_questions(source: Source, vocabulary: Path | None, longest: int, strict: bool = False) -> CutQuestions:
    """The questions of all parts in windows of at most ``longest`` tokens of the ``vocabulary`` in a file.

    A question or a context without a word, or with the padding token, is left out, or refused where that is
    ``strict``. Raises ``ValueError`` as ``cut_texts`` and ``span_windows`` do.
    """
    pieces = vocabulary_for(source, vocabulary)
    notes = [f"texts are cut into {len(pieces):,} pieces"]
    seen = lru_cache(KEPT)(lambda text: is_seen([pieces.of_text(text)], pieces))
    parts: dict[Part, Samples] = {}
    for part, samples in source.parts.items():
        if not samples.answers:
            raise ValueError(f"{source.name} has questions in one part and none in its {part} part; bring one form.")
        sound = [n for n, row in enumerate(samples.texts) if all(map(seen, row))]
        lost = sorted({*range(len(samples))} - {*sound})
        notes += left_out(source, part, [samples.names[n] for n in lost], strict)
        if not sound:
            raise ValueError(f"{source.name} has no question with a word in it in its {part} part; add some.")
        parts[part] = chosen(samples, sound) if lost else samples
    questions = [one for samples in parts.values() for one in _questions(samples)]
    data, asked = span_windows(source.name, questions, pieces, **sizes_of_windows(longest, pieces))
    bounds = torch.tensor([len(x) for x in parts.values()]).cumsum(0)
    part_of = torch.bucketize(asked.number, bounds, right=True)
    cut = {part: data[part_of == n] for n, part in enumerate(parts)}
    for part, windows in cut.items():
        refuse_unknown(windows.inputs, pieces, name=f"The {part} part of {source.name}")
    if len(data) > len(questions):
        usual = f"; {LONGEST} is usual" if longest < LONGEST else ""
        notes.append(
            f"{counted(len(questions), 'question')} with their contexts make {counted(len(data), 'window')} of at most "
            f"{longest} tokens (--longest{usual}), which count as samples"
        )
    notes += twins({part: x.names for part, x in parts.items()}, digests(parts), "question")
    names = {part: _names(asked, windows) for part, windows in cut.items()}
    return CutQuestions(cut, names, asked, Tokenisation(pieces, longest, 2), tuple(notes))


def _questions(samples: Samples) -> list[Question]:
    rows = zip(samples.names, samples.texts, samples.answers, strict=True)
    return [Question(name, question, context, answers) for name, (question, context), answers in rows]


def _names(asked: Asked, windows: Labelled) -> tuple[str, ...]:
    """That of the question and, from the second on, the number of its window."""
    found: list[str] = []
    counts: dict[int, int] = {}
    for number in asked.number[windows.index].tolist():
        counts[number] = counts.get(number, 0) + 1
        more = f", window {counts[number]}" if counts[number] > 1 else ""
        found.append(f"{asked.questions[number].name}{more}")
    return tuple(found)
