"""Questions about texts and where their answers stand in these, from JSON as SQuAD's.

Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", 2016, arXiv:1606.05250.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tutelage import plain_json
from tutelage.data.draws import below
from tutelage.data.synthetic_sentences import spoken

_WHERE = 25  # what a number is for; those before have their use


@dataclass(frozen=True)
class Question:
    """``answers`` are texts and the place in ``context`` where each begins; none where the context holds none."""

    name: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]

    @property
    def references(self) -> tuple[str, ...]:
        """What counts as an answer: nothing, where there is none."""
        return tuple(text for text, _ in self.answers) or ("",)


def read_questions(path: Path) -> tuple[Question, ...]:
    """All questions of a file in the form of SQuAD 1.1 or 2.0, in their order.

    Raises ``FileNotFoundError``, and ``ValueError`` for a file that is damaged or of another form, for an answer that
    does not stand where it is said to, and where ``is_impossible`` says otherwise than the answers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} of questions.")
    try:
        said = plain_json.read(path)
    except ValueError as error:
        raise ValueError(f"{path} is damaged {error}; restore it from a copy.") from None
    found = tuple(_questions(said, path))
    if not found:
        raise ValueError(f"{path} has no questions; its form is data, paragraphs, qas, as SQuAD's.")
    return found


def drawn_questions(count: int, seed: int = 0) -> tuple[Question, ...]:
    """Questions that a run of seconds can learn: which word of a drawn sentence stands behind the one asked about."""
    questions = []
    for number, context in enumerate(spoken(count, seed)):
        words = context.split()
        place = int(below(len(words) - 1, seed, _WHERE, torch.tensor(number)))
        begin = len(" ".join(words[: place + 1])) + 1
        questions.append(Question(f"drawn {number}", words[place], context, ((words[place + 1], begin),)))
    return tuple(questions)


def _questions(said: Any, path: Path) -> Iterator[Question]:
    for article in _list(said, "data", path):
        for paragraph in _list(article, "paragraphs", path):
            context = _text(paragraph, "context", path)
            for asked in _list(paragraph, "qas", path):
                yield _question(asked, context, path)


def _question(asked: Any, context: str, path: Path) -> Question:
    name = str(asked.get("id", "")) if isinstance(asked, Mapping) else ""
    question = _text(asked, "question", path)
    impossible = asked.get("is_impossible")
    answers = asked.get("answers", []) if impossible is True else _list(asked, "answers", path)
    if impossible not in (None, True, False) or (impossible is not None and bool(answers) == impossible):
        has = "answers" if answers else "no answers"
        raise ValueError(
            f"{path}: the question {name or question[:40]!r} has {has}, and is_impossible says {str(impossible)[:20]}; "
            "make is_impossible true where there are none, and false where there are some."
        )
    return Question(name, question, context, tuple(_answer(x, context, name or question[:40], path) for x in answers))


def _answer(answer: Any, context: str, called: str, path: Path) -> tuple[str, int]:
    """The text and where it begins. Raises ``ValueError`` where it does not, with the place where it does."""
    text, begin = _text(answer, "text", path), answer.get("answer_start")
    if not text.strip():
        raise ValueError(f"{path}: an answer of the question {called!r} has no text; take it out.")
    if type(begin) is int and begin >= 0 and context.startswith(text, begin):
        return text, begin
    elsewhere = context.find(text)
    there = f"it stands at {elsewhere}" if elsewhere >= 0 else "and nowhere else"
    raise ValueError(
        f"{path}: the answer {text[:40]!r} of the question {called!r} does not stand at {str(begin)[:20]} in its "
        f"context, {there}; mend answer_start, which counts characters from 0, or the text."
    )


def _list(said: Any, name: str, path: Path) -> list[Any]:
    found = said.get(name) if isinstance(said, Mapping) else None
    if not isinstance(found, list):
        raise ValueError(f"{path} has no list {name!r} where SQuAD's form has one: data, paragraphs, qas, answers.")
    return found


def _text(said: Any, name: str, path: Path) -> str:
    found = said.get(name) if isinstance(said, Mapping) else None
    if not isinstance(found, str):
        raise ValueError(f"{path} has no text {name!r} where SQuAD's form has one: context, question, text.")
    return found
