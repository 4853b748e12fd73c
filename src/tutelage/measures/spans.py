"""How well the words of an answer are those of a reference, as SQuAD's own script counts them."""

import re
import string
from collections import Counter

ARTICLES = re.compile(r"\b(a|an|the)\b")
MARKS = str.maketrans("", "", string.punctuation)


def plain_words(text: str) -> list[str]:
    """The words of ``text`` in small letters, without marks (of ASCII) and without a, an and the.

    >>> plain_words("The U.S.A.'s  first-born")
    ['usas', 'firstborn']
    """
    return ARTICLES.sub(" ", text.lower().translate(MARKS)).split()


def same_words(text: str, reference: str) -> float:
    """1 where both have the same words in the same order, else 0: exact match."""
    return float(plain_words(text) == plain_words(reference))


def shared_words(text: str, reference: str) -> float:
    """F1 of the words of ``text``, each as often as ``reference`` has it; where either has none, 1 if neither has.

    Rajpurkar et al., "SQuAD", 2016, arXiv:1606.05250, and 2018, arXiv:1806.03822; evaluate-v2.0.py.

    >>> shared_words("the first of May", "May, the 1st")  # may; of 3 and 2 words
    0.4
    """
    ours, theirs = plain_words(text), plain_words(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    shared = (Counter(ours) & Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs))
