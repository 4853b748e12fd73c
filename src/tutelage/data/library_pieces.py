"""Tokenizers of any kind, as the library ``tokenizers`` reads them: byte pairs, unigrams, word pieces of other rules.

What a file says is data to that library, as it is to ``json``: nothing in it is run. The library is needed where texts
are cut, and not where a network is built or loaded.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from tutelage.calls import lacking
from tutelage.data.pieces import Frame
from tutelage.trust import Refused, imported

NONE = -1
T = TypeVar("T")


@dataclass(frozen=True)
class LibraryPieces:
    """A tokenizer in the JSON that ``said`` is, with ``size`` numbers; ``unknown`` is −1 where every text can be spelt.

    A special token that stands in a text, such as ``</s>``, is that token: so ``transformers`` reads it. Raises
    ``ImportError`` with the install line when it is to cut a text and ``tokenizers`` is not there.
    """

    said: str
    size: int
    padding: int
    unknown: int
    frame: Frame

    def __len__(self) -> int:
        return self.size

    @property
    def checksum(self) -> str:
        """The sha-256 of all that it says."""
        return sha256(f"{self.said}\n{self.padding}".encode()).hexdigest()

    def name(self, number: int) -> str:
        """What a token of the frame is called."""
        added = json.loads(self.said).get("added_tokens") or []
        return next((str(x.get("content")) for x in added if x.get("id") == number), str(number))

    def as_json(self) -> dict[str, object]:
        """For the files of a student."""
        numbers = {"size": self.size, "padding": self.padding, "unknown": self.unknown}
        return {"tokenizer": self.said, **numbers, "frame": [list(part) for part in self.frame]}

    def of_text(self, text: str) -> list[int]:
        """The numbers of the pieces of ``text``, without its frame."""
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return found

    def placed(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The same numbers, and of each where it stands in ``text``."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return found.ids, found.offsets

    @cached_property
    def tells_seconds(self) -> bool:
        """Whether the tokens of a second text are marked as such: RoBERTa's are not, whatever its network could see."""
        return any(self._tokenizer.encode("a", "a").type_ids)

    @cached_property
    def _tokenizer(self) -> Any:
        return _opened(self.said, "The tokenizer")


def kept_library_pieces(said: Mapping[str, Any]) -> LibraryPieces | None:
    """What ``as_json`` gave; ``None`` for what it never gives."""
    text, size, frame = (said.get(name) for name in ("tokenizer", "size", "frame"))
    if not isinstance(text, str) or not isinstance(frame, list) or [*map(type, frame)] != [list] * 3:
        return None
    before, between, behind = map(tuple, frame)
    padding, unknown = said.get("padding"), said.get("unknown")
    numbers = [padding, *before, *between, *behind]
    if type(size) is not int or any(type(x) is not int or not 0 <= x < size for x in numbers):
        return None
    if type(padding) is not int or type(unknown) is not int or not NONE <= unknown < size:
        return None
    return LibraryPieces(text, size, padding, unknown, (before, between, behind))


def library_pieces(file: Path, said: Mapping[str, Any], padding: str | int | None) -> LibraryPieces:
    """The tokenizer that ``file`` says, as a mapping, with the name or number of its ``padding``.

    How it frames a text and a pair is asked of it. Raises ``ValueError`` for what the library does not read, what cuts
    by chance, what has no padding, and for pairs in another frame than single texts; ``ImportError`` with the install
    line.
    """
    model = said.get("model")
    if isinstance(model, Mapping) and model.get("dropout"):
        raise ValueError(f"{file} cuts by chance (dropout), each time otherwise; save it without dropout.")
    text = json.dumps({**said, "padding": None, "truncation": None}, ensure_ascii=False)
    tokenizer = _opened(text, str(file))
    number = padding if isinstance(padding, int) else tokenizer.token_to_id(padding) if padding else None
    if number is None:
        raise ValueError(
            f"{file} has no padding token, and neither has a file beside it; set pad_token and save it again."
        )
    frame = _framed(tokenizer, file)
    if any(number in part for part in frame):
        raise ValueError(
            f"{file} frames texts with {padding!r}, its padding, which networks do not look at; give it a padding "
            "token of its own, and train the network with that."
        )
    unknown = _unknown(tokenizer, model if isinstance(model, Mapping) else {})
    size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) + 1
    return LibraryPieces(text, size, number, unknown, frame)


def _unknown(tokenizer: Any, model: Mapping[str, Any]) -> int:
    name, number = model.get("unk_token"), model.get("unk_id")
    found = tokenizer.token_to_id(name) if isinstance(name, str) else number
    return found if type(found) is int else NONE


def _framed(tokenizer: Any, file: Path) -> Frame:
    """What the tokenizer puts before, between and behind texts, of which a letter stands for each."""
    asked = (partial(tokenizer.encode, *texts) for texts in (("a",), ("a", "a")))
    alone, pair = (_tokens_around(_sound(str(file), ask)) for ask in asked)
    if len(alone) != 2 or len(pair) != 3 or (alone[0], alone[1]) != (pair[0], pair[2]):
        raise ValueError(f"{file} frames pairs of texts otherwise than single ones, which is not read; take another.")
    return pair[0], pair[1], pair[2]


def _tokens_around(framed: Any) -> list[tuple[int, ...]]:
    """The special tokens before, between and behind the texts of an encoding."""
    around: list[list[int]] = [[]]
    before = None
    for number, special, text in zip(framed.ids, framed.special_tokens_mask, framed.sequence_ids, strict=True):
        if special or text is None:
            around[-1].append(number)
        elif text != before:
            around.append([])
            before = text
    return [tuple(part) for part in around]


def _opened(said: str, where: str) -> Any:
    try:
        library: Any = imported("tokenizers")
    except Refused:
        raise
    except Exception as failure:
        raise ImportError(
            f"{where} is read by the library tokenizers ({lacking(failure)}): pip install tokenizers"
        ) from None
    return _sound(where, lambda: library.Tokenizer.from_str(said))


def _sound(where: str, read: Callable[[], T]) -> T:
    """What ``read`` makes of a file, whatever the library raises where that is no tokenizer."""
    try:
        return read()
    except BaseException as failure:
        if not isinstance(failure, Exception) and type(failure).__name__ != "PanicException":  # Rust's own way out
            raise
        words = " ".join(str(failure).split())[:200].rstrip(".")
        raise ValueError(f"{where} is no tokenizer that tokenizers reads ({words}); save it again.") from None
