"""What is said below a table, over several seeds."""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile, zip_longest

SENTENCE = re.compile(r"(?<=\.) (?=[A-ZÄÖÜ])")


def note_over_seeds(notes: Mapping[str, str]) -> str:
    """The note of all seeds, by seed: what they say alike once, and of a sentence that differs what each seed says.

    >>> note_over_seeds({"0": "Of 9 nets. The rank correlation is 0.5.", "1": "Of 9 nets. The rank correlation is 1."})
    'Of 9 nets. The rank correlation is 0.5 (seed 0); 1 (seed 1).'
    """
    columns = zip_longest(*(SENTENCE.split(note.strip()) for note in notes.values()), fillvalue="")
    return " ".join(_over_seeds(tuple(notes), sentences) for sentences in columns)


def _over_seeds(seeds: Sequence[str], sentences: Sequence[str]) -> str:
    if len({*sentences}) == 1:
        return sentences[0]
    each = {
        seed: sentence.removesuffix(".").split(" ") for seed, sentence in zip(seeds, sentences, strict=True) if sentence
    }
    alike = [words[0] for words in takewhile(lambda x: len({*x}) == 1, zip(*each.values(), strict=False))]
    said: dict[str, list[str]] = {}
    for seed, words in each.items():
        said.setdefault(" ".join(words[len(alike) :]), []).append(seed)
    parts = "; ".join(f"{rest} ({_called(those)})".strip() for rest, those in said.items())
    return " ".join([*alike, f"{parts}."])


def _called(seeds: Sequence[str]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
