"""The vocabulary that somebody's network was trained with, from ``vocab.txt`` or ``tokenizer.json``, as they are saved.

Neither ``transformers`` nor ``tokenizers`` is needed. What cuts texts otherwise than ``wordpiece`` does is refused:
another network's numbers would mean other pieces, and nothing but a bad score would tell.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage import plain_json
from tutelage.data.wordpiece import SPECIAL, UNKNOWN, WordPieces, read_pieces

VOCABULARY, TOKENIZER, CONFIG = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
FILES = (VOCABULARY, TOKENIZER)
CURE = "those of BERT in lower case (WordPiece) are read; take a teacher that has such a one"


def vocabulary_file(folder: Path) -> Path | None:
    """The file of ``FILES`` that lies in ``folder``, if there is one."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def read_vocabulary(path: Path) -> WordPieces:
    """The vocabulary in a ``vocab.txt``, a ``tokenizer.json``, or a folder that holds one of them.

    Raises ``FileNotFoundError``, and ``ValueError`` for what is damaged, no WordPiece, or not in lower case.
    """
    file = vocabulary_file(path) if path.is_dir() else path
    if file is None:
        raise FileNotFoundError(f"{path} has no {' or '.join(FILES)}; save the teacher's tokenizer there.")
    if not file.is_file():
        raise FileNotFoundError(f"There is no vocabulary {file}; name the teacher's {' or '.join(FILES)}.")
    pieces = _of_tokenizer(file) if file.suffix == ".json" else read_pieces(file)
    _refuse_cased(file.parent / CONFIG)
    return pieces


def _of_tokenizer(file: Path) -> WordPieces:
    said = _object(file)
    model, normalizer = _part(said, "model"), _part(said, "normalizer")
    kind, known = model.get("type", "WordPiece"), model.get("vocab")
    if kind != "WordPiece" or not isinstance(known, Mapping):
        raise ValueError(f"{file} is a tokenizer of the kind {str(kind)[:40]!r}; {CURE}.")
    if normalizer.get("type") == "BertNormalizer" and normalizer.get("lowercase") is False:
        raise ValueError(f"{file} tells capital letters apart; {CURE}.")
    if model.get("unk_token", UNKNOWN) != UNKNOWN or model.get("continuing_subword_prefix", "##") != "##":
        raise ValueError(f"{file} marks pieces otherwise than BERT; {CURE}.")
    if any(type(x) is not int for x in known.values()) or {*known.values()} != {*range(len(known))}:
        raise ValueError(f"{file} does not number its pieces from 0 on; save the tokenizer again.")
    try:
        return WordPieces(tuple(sorted(known, key=known.__getitem__)))
    except ValueError as error:
        raise ValueError(f"{file} is no vocabulary of word pieces: {str(error).rstrip('.')}.") from None


def _refuse_cased(config: Path) -> None:
    """Raise ``ValueError`` where the file beside a vocabulary says that words keep their capital letters."""
    if not config.is_file():
        return
    said = _object(config)
    if said.get("do_lower_case") is False:
        raise ValueError(f"{config} says that capital letters are told apart (do_lower_case); {CURE}.")
    renamed = [x for x in SPECIAL if (key := _KEYS[x]) in said and _text(said[key]) not in (None, x)]
    if renamed:
        raise ValueError(f"{config} calls {renamed[0]} {_text(said[_KEYS[renamed[0]]])!r}; {CURE}.")


_KEYS = dict(zip(SPECIAL, ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), strict=True))


def _text(value: Any) -> str | None:
    """What a special token is called: a text, or an object with its ``content``."""
    content = value.get("content") if isinstance(value, Mapping) else value
    return content if isinstance(content, str) else None


def _part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, Mapping) else {}


def _object(file: Path) -> Mapping[str, Any]:
    try:
        said = plain_json.read(file)
    except ValueError as error:
        raise ValueError(f"{file} is damaged {error}; save the tokenizer again.") from None
    if not isinstance(said, Mapping):
        raise ValueError(f"{file} is no tokenizer as transformers saves it; save it again.")
    return said
