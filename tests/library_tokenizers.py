"""A tokenizer of byte pairs as a folder of transformers holds it, and a stand-in for the library that reads it.

The stand-in does what ``tokenizers`` does with such a file: ``test_library_pieces`` has what that library itself says.
"""

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
LETTERS = (*"abeginklnru", "Ġ")
MERGES = [("Ġ", "b"), ("a", "l"), ("Ġb", "al"), ("i", "n"), ("k", "in"), ("Ġ", "kin"), ("r", "u"), ("k", "u")]
BYTE_PAIRS = {
    "version": "1.0",
    "added_tokens": [
        {"id": n, "content": x, "special": True, **dict.fromkeys(FLAGS, False)}
        for n, x in enumerate(SPECIAL)
    ],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
                 {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                           "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
    },
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {
        "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {x: n for n, x in enumerate((*SPECIAL, *LETTERS, *("".join(x) for x in MERGES)))},
        "merges": [[*x] for x in MERGES],
    },
}  # fmt: skip


def write_byte_pairs(folder, **changes):
    """``tokenizer.json`` and ``tokenizer_config.json`` as of RoBERTa."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps({**BYTE_PAIRS, **changes}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<pad>", "model_max_length": 512}))
    return folder / "tokenizer.json"


class Tokenizer:
    """Of ``BYTE_PAIRS`` alone."""

    def __init__(self, said):
        self.said = said
        self.vocabulary = said["model"]["vocab"]
        self.ranks = {tuple(x): n for n, x in enumerate(said["model"]["merges"])}

    @classmethod
    def from_str(cls, text):
        said = json.loads(text)
        if said.get("model", {}).get("type") != "BPE":
            raise Exception("data did not match any variant of untagged enum ModelUntagged")
        return cls(said)

    def token_to_id(self, name):
        return self.vocabulary.get(name)

    def get_vocab(self, with_added_tokens):
        assert with_added_tokens
        return dict(self.vocabulary)

    def encode(self, first, second=None, add_special_tokens=True):
        texts = {"A": self._cut(first), **({} if second is None else {"B": self._cut(second)})}
        template = self.said["post_processor"]["single" if second is None else "pair"]
        if not add_special_tokens:
            template = [part for part in template if "Sequence" in part]
        found = SimpleNamespace(ids=[], special_tokens_mask=[], sequence_ids=[], type_ids=[])
        for part in template:
            special = "SpecialToken" in part
            ids = [self.vocabulary[part["SpecialToken"]["id"]]] if special else texts[part["Sequence"]["id"]]
            found.ids += ids
            found.type_ids += [part["SpecialToken" if special else "Sequence"]["type_id"]] * len(ids)
            found.special_tokens_mask += [int(special)] * len(ids)
            found.sequence_ids += [None if special else "AB".index(part["Sequence"]["id"])] * len(ids)
        return found

    def _cut(self, text):
        words = f" {text}".replace(" ", " Ġ").split()
        return [self.vocabulary.get(x, self.vocabulary["<unk>"]) for word in words for x in self._merged([*word])]

    def _merged(self, letters):
        while pairs := [p for p in pairwise(letters) if p in self.ranks]:
            best = min(pairs, key=self.ranks.__getitem__)
            place = next(n for n in range(len(letters)) if (*letters[n : n + 2],) == best)
            letters[place : place + 2] = ["".join(best)]
        return letters
