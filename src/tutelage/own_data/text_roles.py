"""Which columns of a table are texts, one or two a row: found out where there is no doubt, asked for where there is."""

from collections.abc import Sequence
from typing import Any

from tutelage.own_data.labels import is_missing
from tutelage.own_data.table import Columns
from tutelage.own_data.wanted import Wanted

NAMES = (
    *["text", "texts", "sentence", "sentences", "sentence1", "sentence2", "sentence_a", "sentence_b", "text1", "text2"],
    *["text_a", "text_b", "#1 string", "#2 string", "premise", "hypothesis", "question", "question1", "question2"],
    *["query", "passage", "review", "document", "content", "body", "comment", "message", "tweet", "utterance"],
)
"""What columns of texts are called, in small letters."""
MOST = 2
"""Texts a row."""


def text_columns(table: Columns, wanted: Wanted, others: Sequence[str]) -> tuple[str, ...]:
    """The columns of texts, none of ``others``; nothing where there is no such column.

    Those that were asked for; or those called by one of ``NAMES``; or those most of whose values have several words, of
    which a class has one. Raises ``ValueError`` for columns that are not there, and for more than ``MOST``.
    """
    if asked := wanted.text_columns:
        if missing := [name for name in asked if name not in table.columns]:
            raise ValueError(
                f"{table.where} has no column {missing[0]!r}; it has {table.listed}. --text-columns takes one or two "
                "of these."
            )
        if len(asked) > MOST:
            raise ValueError(f"--text-columns takes one or two columns, the texts of a row; got {len(asked)}.")
        return asked
    possible = [name for name, column in table.columns.items() if name not in others and _holds_texts(column)]
    found = [name for name in possible if name.lower() in NAMES]
    found = found or [name for name in possible if _holds_several_words(table.columns[name])]
    if len(found) > MOST:
        raise ValueError(f"{table.where} has texts in {', '.join(found)}; name one or two with --text-columns.")
    return tuple(found)


def refuse_no_texts(table: Columns) -> None:
    """Raise ``ValueError`` for a table without a column of texts, where one is wanted."""
    raise ValueError(
        f"{table.where} has no column of texts; it has {table.listed}. Name one or two with --text-columns."
    )


def _holds_texts(column: Sequence[Any]) -> bool:
    known = [x for x in column if not is_missing(x)]
    return bool(known) and all(isinstance(x, str) for x in known)


def _holds_several_words(column: Sequence[str]) -> bool:
    known = [x for x in column if not is_missing(x)]
    return 2 * sum(" " in x.strip() for x in known) > len(known) and len({*known}) > min(20, len(known) // 2)
