"""How many of the word sequences of a text stand in a reference as well."""

from collections import Counter
from collections.abc import Sequence
from math import exp, log


def sentence_bleu(text: Sequence[int], reference: Sequence[int], order: int = 4) -> float:
    r"""BLEU of one ``text`` with one ``reference``, from 0 to 1: ``BP · (Π p_n)^(1/order)``, n up to ``order``.

    ``p_n`` is the share of the text's sequences of n tokens that stand in the reference, each as often as it stands
    there; from n = 2 on, 1 is added to both counts. ``BP = exp(min(0, 1 − r/c))`` for lengths r of the reference and c
    of the text. It is 0 where no token is shared, or either has none. Raises ``ValueError`` for an ``order`` below 1.

    Papineni et al., "BLEU", 2002; the counts of one as Lin & Och, "ORANGE", 2004, have them, for single sentences.

    >>> round(sentence_bleu([1, 2, 3, 4], [1, 2, 4]), 4)  # (3/4 · 2/4 · 1/3 · 1/2) ** (1/4)
    0.5
    >>> sentence_bleu([1, 2, 3], [1, 2, 3])
    1.0
    """
    if order < 1:
        raise ValueError(f"Sequences of 1 token or more are counted; got order={order}.")
    total = 0.0
    for n in range(1, order + 1):
        ours, theirs = _sequences(text, n), _sequences(reference, n)
        shared, number = (ours & theirs).total(), ours.total()
        if n == 1 and not shared:
            return 0.0
        more = n > 1
        total += log((shared + more) / (number + more))
    return exp(min(0.0, 1 - len(reference) / len(text)) + total / order)


def _sequences(tokens: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tokens[begin : begin + n]) for begin in range(len(tokens) - n + 1))
