"""What texts are like, without a vocabulary: how many words they have, and which are the same."""

from tutelage.data.wordpiece import words
from tutelage.own_data.decode import Decoded
from tutelage.own_data.source import Texts
from tutelage.own_data.texts import digest

EMPTY = "holds no word"


def looked_through(texts: Texts) -> tuple[list[int], list[Decoded]]:
    """The words of each text or pair, and its digest; or that there is none."""
    counts = [[len(words(text)) for text in row] for row in texts]
    rows = [
        Decoded(digest(row)) if all(count) else Decoded(broken=EMPTY) for row, count in zip(texts, counts, strict=True)
    ]
    return [sum(count) for count in counts], rows
