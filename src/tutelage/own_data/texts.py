"""Texts as tokens: cut by the vocabulary that the teacher was trained with, all parts to one length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from torch import Tensor

from tutelage.data.library_pieces import LibraryPieces
from tutelage.data.pieces import is_seen, padded, refuse_unknown, row_of
from tutelage.data.tokenizer_file import FILES, read_vocabulary
from tutelage.data.wordpiece import WordPieces
from tutelage.own_data.source import Part, Samples, Source
from tutelage.own_data.split import chosen
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.own_data.twins import twins
from tutelage.plurals import counted

UNSEEN = "without a word, or with the padding token"
"""What is wrong with rows that are left out."""


@dataclass(frozen=True)
class CutTexts:
    """The samples of each part that are left, their tokens (N, T) with one T for all, how, and what was done."""

    parts: Mapping[Part, Samples]
    tokens: Mapping[Part, Tensor]
    tokenisation: Tokenisation
    notes: tuple[str, ...]


def cut_texts(source: Source, vocabulary: Path | None, longest: int, strict: bool = False) -> CutTexts:
    """The texts of all parts in tokens of the ``vocabulary`` in a file, at most ``longest``; what was cut is said.

    A text in which there is no word, or the padding token, is left out, or refused where that is ``strict``. Raises
    ``ValueError`` without a vocabulary, for texts most of whose pieces it does not know, and for a part of which
    nothing is left; as ``read_vocabulary`` for the file.
    """
    pieces = vocabulary_for(source, vocabulary)
    texts = max(len(row) for samples in source.parts.values() for row in samples.texts[:1])
    how, parts, notes = Tokenisation(pieces, longest, texts), {}, [f"texts are cut into {len(pieces):,} pieces"]
    rows: dict[Part, list[list[int]]] = {}
    long = 0
    for part, samples in source.parts.items():
        if any(len(row) != texts for row in samples.texts[:1]):
            raise ValueError(
                f"{source.name} has one text a row in one part and two in its {part} part; bring one form."
            )
        found = [[pieces.of_text(text) for text in row] for row in samples.texts]
        sound = [place for place, row in enumerate(found) if is_seen(row, pieces)]
        lost = sorted({*range(len(found))} - {*sound})
        notes += left_out(source, part, [samples.names[n] for n in lost], strict)
        if not sound:
            raise ValueError(f"{source.name} has no text with a word in it in its {part} part; add some.")
        parts[part] = chosen(samples, sound) if len(sound) < len(samples) else samples
        rows[part] = [row_of(found[place], pieces, longest) for place in sound]
        long += sum(sum(map(len, found[place])) + texts + 1 > longest for place in sound)
    width = max(len(row) for column in rows.values() for row in column)
    tokens = {part: padded(column, width, how.padding) for part, column in rows.items()}
    total = sum(map(len, tokens.values()))
    if long:
        notes.append(f"{counted(long, 'text', 'was', 'were')} cut to {longest} tokens, of {total} (--longest)")
    for part, ids in tokens.items():
        refuse_unknown(ids, pieces, name=f"The {part} part of {source.name}")
    notes += twins({part: x.names for part, x in parts.items()}, digests(parts), "text")
    return CutTexts(parts, tokens, how, tuple(notes))


def vocabulary_for(source: Source, vocabulary: Path | None) -> WordPieces | LibraryPieces:
    """What a file says of a vocabulary. Raises ``ValueError`` where there is none, and as ``read_vocabulary``."""
    if vocabulary is None:
        raise ValueError(
            f"{source.name} holds texts, which the teacher's vocabulary cuts, and none lies beside the teacher; name "
            f"its {' or '.join(FILES)} with --vocabulary."
        )
    return read_vocabulary(vocabulary)


def digest(texts: Sequence[str]) -> bytes:
    """Of what a row says, whatever its capital letters and spaces are."""
    return sha256("\n".join(" ".join(text.lower().split()) for text in texts).encode("utf-8", "replace")).digest()[:16]


def digests(parts: Mapping[Part, Samples]) -> dict[Part, list[bytes]]:
    """That of each row of each part."""
    return {part: [digest(row) for row in samples.texts] for part, samples in parts.items()}


def left_out(source: Source, part: Part, names: Sequence[str], strict: bool) -> list[str]:
    """A sentence about rows that no network sees. Raises ``ValueError`` where that is ``strict``."""
    if not names:
        return []
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    if strict:
        raise ValueError(f"{source.name} has texts {UNSEEN} in {shown}; mend them, or leave out --strict.")
    return [f"in the {part} part {counted(len(names), 'row', 'was', 'were')} left out, {UNSEEN}: {shown}"]
