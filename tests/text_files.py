"""Small files of texts as people have them, and the vocabulary of their words."""

import json
from pathlib import Path

from tutelage.data.synthetic_sentences import FIRST, alike, known_pieces, spoken

CLASSES = ("dull", "fine")


def labelled(count=120, seed=0):
    """Texts, and the class that the first letters of most of their words say."""
    texts = spoken(count, seed)
    return texts, [CLASSES[2 * sum(word[0] in FIRST[:3] for word in x.split()) > len(x.split())] for x in texts]


def write_table(file="texts.tsv", count=120, seed=0):
    texts, labels = labelled(count, seed)
    mark = "\t" if str(file).endswith(".tsv") else ","
    rows = [f"{text}{mark}{label}" for text, label in zip(texts, labels, strict=True)]
    Path(file).write_text("\n".join([f"sentence{mark}label", *rows]) + "\n")


def write_pairs(file="pairs.tsv", count=80):
    drawn = alike(count, seed=3)
    rows = [f"{n}\t{a}\t{b}\t{drawn.labels[k]}" for n, (a, b, k) in
            enumerate(zip(drawn.firsts, drawn.seconds, drawn.targets.tolist(), strict=True))]  # fmt: skip
    Path(file).write_text("\n".join(["id\tsentence1\tsentence2\tlabel", *rows]) + "\n")


def write_lines(file="lines.txt", count=120, seed=0):
    Path(file).write_text("\n\n".join(spoken(count, seed)) + "\n")


def write_vocabulary(file="vocab.txt"):
    """As ``vocab.txt``, or as ``tokenizers`` writes it."""
    pieces = known_pieces().pieces
    if str(file).endswith(".json"):
        model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                 "vocab": {x: n for n, x in enumerate(pieces)}}  # fmt: skip
        Path(file).write_text(json.dumps({"normalizer": {"type": "BertNormalizer", "lowercase": True}, "model": model}))
    else:
        Path(file).write_text("\n".join(pieces) + "\n")
    return Path(file)
