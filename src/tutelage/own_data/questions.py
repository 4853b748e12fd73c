"""Files of questions in SQuAD's form as a source: pairs of a question and its context, with the answers in this."""

from collections.abc import Mapping
from pathlib import Path

import torch

from tutelage.data.questions import Question, read_questions
from tutelage.own_data.parts import part_of
from tutelage.own_data.source import Part, Samples, Source
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted

ENDING = ".json"


def questions_source(name: str, files: Mapping[str, Path], wanted: Wanted) -> Source:
    """The questions of each file, by what it is called: ``train``, ``dev-v2.0``, ….

    Raises ``ValueError`` for a task that such files are not for, for questions of which none has an answer to learn,
    and as ``read_questions``; so where ``wanted`` is strict and a question or a context has no word.
    """
    if wanted.task not in ("auto", "spans") or wanted.label_columns or wanted.text_columns or wanted.path_column:
        what = f"--task {wanted.task}" if wanted.task not in ("auto", "spans") else "columns"
        raise ValueError(
            f"{next(iter(files.values()))} is read as questions about texts, in SQuAD's form, of which there are no "
            f"{what}; say --task spans, or bring a table (.csv, .tsv, .parquet)."
        )
    parts: dict[Part, Samples] = {}
    notes = ["inputs are questions with their contexts, answers where they stand in these: spans"]
    for called, file in files.items():
        part = part_of(called)
        assert part is not None
        questions = read_questions(file)
        if not any(one.answers for one in questions):
            raise ValueError(f"{file} has no question with an answer; add answers, each a text and its answer_start.")
        parts[part] = _samples(questions, f"{called}/" if len(files) > 1 else "")
        notes += _told(questions, file)
    return Source(name, "spans", (), parts, tuple(notes))


def _samples(questions: tuple[Question, ...], home: str) -> Samples:
    """Those of one file; a question without an id is called by its number."""
    return Samples(
        tuple(f"{home}{one.name or f'question {n}'}" for n, one in enumerate(questions, 1)),
        tuple((one.question, one.context) for one in questions),
        torch.zeros(len(questions), 0),
        tuple(one.answers for one in questions),
    )


def _told(questions: tuple[Question, ...], file: Path) -> list[str]:
    contexts = len({one.context for one in questions})
    said = [f"in {file.name} {counted(len(questions), 'question')} about {counted(contexts, 'context')}"]
    if none := sum(not one.answers for one in questions):
        said[0] += f", {none} of them without an answer: there the right answer is none"
    names = [one.name for one in questions if one.name]
    if twice := len(names) - len({*names}):
        said.append(f"in {file.name} {counted(twice, 'question', 'has', 'have')} the id of another one")
    return said
