"""Sentences as an experiment on their vectors: many without labels to train on, and pairs that people compared."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tutelage.data.find import find_data
from tutelage.data.glue import COLUMNS, Sentences, glue
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.pieces import refuse_unknown, token_ids
from tutelage.data.split import held_out, sample
from tutelage.data.wikitext import sentences_of, wikitext2
from tutelage.data.wordpiece import WordPieces, read_pieces
from tutelage.profiling import clocked
from tutelage.run import Run
from tutelage.study.sets import Sets, parted
from tutelage.tasks.similarity import SECOND, similarity
from tutelage.tasks.task import Task

FEWEST = 4
"""Words of a sentence that is trained on."""
TEACHERS = "by_teacher"
"""What a batch calls the teacher's tokens, beside those of the student, which may have another vocabulary."""


@dataclass(frozen=True)
class Corpus:
    """Sentences to train on, pairs to choose and to judge by, cut by the vocabulary ``pieces``, which is the teacher's.

    ``texts`` are those to train on, in their order; ``chosen_by`` and ``judged_by`` the pairs as they are written.
    """

    sets: Sets
    pieces: WordPieces
    texts: tuple[str, ...]
    chosen_by: Sentences
    judged_by: Sentences
    longest: int

    def cut_by(self, pieces: WordPieces) -> Sets:
        """The same for a student of any vocabulary: the teacher's tokens are the other input ``TEACHERS``."""
        sets, device = self.sets, self.sets.train.index.device
        if pieces.pieces == self.pieces.pieces:
            return replace(sets, train=replace(sets.train, others={TEACHERS: sets.train.inputs}))
        ids = token_ids(self.texts, pieces, self.longest).to(device)
        train = replace(sets.train, inputs=ids, others={TEACHERS: sets.train.inputs})
        held = None if sets.validation is None else _pairs(self.chosen_by, pieces, self.longest)
        if held is not None and sets.validation is not None:
            held = held.to(device)[sets.validation.index]
        return replace(sets, train=train, validation=held, test=_pairs(self.judged_by, pieces, self.longest).to(device))


def bert_pieces(folder: Path | None = None) -> WordPieces:
    """BERT's uncased vocabulary, from where ``find_data`` finds ``bert_vocab``."""
    (path,) = find_data("bert_vocab", ["vocab.txt"], folder)
    return read_pieces(path)


def unlabelled_texts(folder: Path | None = None) -> list[str]:
    """The different sentences of WikiText-2 and of GLUE's training files, of ``FEWEST`` words or more, in one order."""
    found = {sentence for line in wikitext2("train", folder) for sentence in sentences_of(line, FEWEST)}
    for task in COLUMNS:
        part = glue(task, "train", folder)
        found.update(x for x in (*part.firsts, *(part.seconds or ())) if len(x.split()) >= FEWEST)
    return sorted(found)


@clocked("data")
def corpus(
    run: Run,
    texts: Iterable[str],
    pieces: WordPieces,
    chosen_by: Sentences,
    judged_by: Sentences,
    *,
    most: int,
    validation: int,
    longest: int,
) -> Corpus:
    """``texts`` to train on, at most ``most`` of them (0: all), pairs of ``chosen_by`` to choose, others to judge by.

    No sentence of a pair that chooses or judges is trained on. Raises ``ValueError`` for texts of which nothing is
    left, and for those in an alphabet that the vocabulary does not know.
    """
    test = _pairs(judged_by, pieces, longest)
    choosing = _pairs(chosen_by, pieces, longest)
    held = held_out(choosing, min(validation, len(choosing) - 1))[1] if validation else None
    known = {*judged_by.firsts, *(judged_by.seconds or ())}
    if held is not None:
        numbers = held.index.tolist()
        known |= {words[number] for words in (chosen_by.firsts, chosen_by.seconds or ()) for number in numbers}
    left = [text for text in texts if text not in known]
    if not left:
        raise ValueError("No sentence is left to train on: all of them are in pairs that choose or judge.")
    name, index = f"{judged_by.name.partition('/')[0]}/sentences", torch.arange(len(left))
    if 0 < most < len(left):
        index = sample(labelled(name, index, torch.empty(len(left), 0)), most).index
    said = tuple(left[number] for number in index.tolist())
    ids = token_ids(said, pieces, longest)
    refuse_unknown(ids, pieces)
    train = Labelled(name, ids, torch.empty(len(ids), 0), index, ())
    held = None if held is None else held.to(run.device)
    sets = Sets(train.to(run.device), held, test.to(run.device), task=similarity())
    return Corpus(sets, pieces, said, chosen_by, judged_by, longest)


@clocked("data")
def labelled_texts(
    run: Run,
    train: Sentences,
    test: Sentences,
    pieces: WordPieces,
    task: Task,
    *,
    most: int,
    validation: int,
    longest: int,
) -> Sets:
    """Sentences, or pairs in one text, with labels: to train on (at most ``most``; 0: all), to choose and to judge by.

    ``validation`` of those to train on choose, a quarter at most.
    """
    known, unknown = (
        labelled(x.name, token_ids(x.firsts, pieces, longest, x.seconds), x.targets, x.labels or ("similarity",))
        for x in (train, test)
    )
    return replace(parted(run, known, unknown, validation, most), task=task)


def _pairs(sentences: Sentences, pieces: WordPieces, longest: int) -> Labelled:
    if sentences.seconds is None:
        raise ValueError(f"{sentences.name} has sentences by themselves, where pairs are wanted.")
    first, second = (token_ids(words, pieces, longest) for words in (sentences.firsts, sentences.seconds))
    return Labelled(sentences.name, first, sentences.targets, torch.arange(len(first)), (), {SECOND: second})
