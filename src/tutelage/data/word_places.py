"""Where in a text each of its pieces stands: what a span of tokens says is then a part of the text itself."""

import unicodedata
from collections.abc import Iterator
from typing import TypeAlias

from tutelage.data.library_pieces import LibraryPieces
from tutelage.data.wordpiece import UNKNOWN, WordPieces, is_alone, is_control, is_space

Place: TypeAlias = tuple[int, int]
"""Of a piece, the first character in the text and the one behind its last."""


def placed(text: str, pieces: WordPieces | LibraryPieces) -> tuple[list[int], list[Place]]:
    """The numbers that ``pieces.of_text(text)`` gives, and the place of each in ``text``.

    >>> from tutelage.data.wordpiece import SPECIAL
    >>> placed("Déjà-vu", WordPieces((*SPECIAL, "de", "##ja", "-", "vu")))
    ([5, 6, 7, 8], [(0, 2), (2, 4), (4, 5), (5, 7)])
    """
    if isinstance(pieces, LibraryPieces):
        return pieces.placed(text)
    numbers, places = [], []
    for word in _words(text, pieces.lowercase, pieces.accents):
        begin = 0
        for number in pieces.of_word("".join(letter for letter, _ in word)):
            piece = pieces.pieces[number]
            length = len(word) if piece == UNKNOWN else len(piece) - 2 * bool(begin)
            part = [place for _, place in word[begin : begin + length]]
            numbers.append(number)
            places.append((part[0], part[-1] + 1))
            begin += length
    return numbers, places


def _words(text: str, lowercase: bool, accents: bool) -> Iterator[list[tuple[str, int]]]:
    """The words as ``wordpiece.words`` has them, each as its letters and where these stand."""
    word: list[tuple[str, int]] = []
    for letter, place in _spelt(text, lowercase, accents):
        if letter == " " or letter.isspace() or is_alone(letter):
            if word:
                yield word
            word = []
            if is_alone(letter):
                yield [(letter, place)]
        else:
            word.append((letter, place))
    if word:
        yield word


def _spelt(text: str, lowercase: bool, accents: bool) -> Iterator[tuple[str, int]]:
    """Each character as it is written in words, with its place; one may be several, or none."""
    kept = [(" " if is_space(x) else x, place) for place, x in enumerate(text) if not is_control(x)]
    if lowercase:
        small = "".join(x for x, _ in kept).lower()  # as a whole: a sigma that ends a word is another letter
        counts = [len(x.lower()) for x, _ in kept]
        letters = iter(small if len(small) == sum(counts) else "".join(x.lower() for x, _ in kept))
        kept = [(next(letters), place) for (_, place), count in zip(kept, counts, strict=True) for _ in range(count)]
    for letter, place in kept:
        for x in letter if accents else unicodedata.normalize("NFD", letter):
            if accents or unicodedata.category(x) != "Mn":
                yield x, place
