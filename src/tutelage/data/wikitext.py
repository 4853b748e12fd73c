"""Sentences of WikiText-2: good and featured articles of Wikipedia, words apart, rare ones struck out.

Merity et al., "Pointer Sentinel Mixture Models", 2016, arXiv:1609.07843. Licence CC BY-SA 3.0; nothing is fetched.
"""

import re
from pathlib import Path
from typing import Literal

from tutelage.data.contents import unzipped
from tutelage.data.find import find_data

STRUCK_OUT = "<unk>"
"""What stands for a word that is there less than three times."""
JOINED = re.compile(r" @(.)@ ")
ENDS = re.compile(r"(?<= [.?!]) ")
"""A mark by itself: that of ``Mr.`` is part of the word."""


def wikitext2(part: Literal["train", "valid", "test"], folder: Path | None = None) -> list[str]:
    """The lines with text of a part, headings left out, from where ``find_data`` finds ``wikitext2``.

    Raises ``FileNotFoundError``; ``ValueError`` for a file that is damaged or no text.
    """
    (path,) = find_data("wikitext2", [f"{part}.txt"], folder)
    try:
        text = unzipped(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}).") from None
    return [line for x in text.split("\n") if (line := x.strip()) and not line.startswith("= ")]


def sentences_of(line: str, fewest: int = 4) -> list[str]:
    """The sentences of a line, written as usual, of ``fewest`` words or more; none with a word struck out.

    >>> sentences_of("It rose by 3 @.@ 5 @-@ fold . The <unk> of Mr. Doe fell . Mr. Smith was not amused .")
    ['It rose by 3.5-fold .', 'Mr. Smith was not amused .']
    """
    found = [JOINED.sub(r"\1", piece) for piece in ENDS.split(line)]
    return [piece for piece in found if STRUCK_OUT not in piece and len(piece.split()) >= fewest]
