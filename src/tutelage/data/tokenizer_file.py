"""The vocabulary that somebody's network was trained with, from ``tokenizer.json`` or ``vocab.txt``, as they are saved.

BERT's word pieces are cut by ``wordpiece``, with no library; what cuts texts otherwise is left to ``tokenizers``:
another network's numbers would mean other pieces, and nothing but a bad score would tell.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tutelage import plain_json
from tutelage.data.library_pieces import LibraryPieces, library_pieces
from tutelage.data.wordpiece import END, LONGEST_WORD, SPECIAL, START, UNKNOWN, WordPieces, read_pieces

VOCABULARY, TOKENIZER, CONFIG = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
FILES = (TOKENIZER, VOCABULARY)
"""The first says more than the second."""
MAP, NETWORK, ADDED = "special_tokens_map.json", "config.json", "added_tokens.json"
LONGEST = "model_max_length"
_RULES = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
"""What BERT's tokenizer does before it looks up pieces, as ``tokenizers`` calls it; so where a file leaves it out."""
_LISTED = {
    "tokenize_chinese_chars": True,
    "do_basic_tokenize": True,
    "word_tokenizer_type": "basic",
    "subword_tokenizer_type": "wordpiece",
}
"""How words are found and cut where nothing but a list of pieces is there, as ``transformers`` calls it."""
_KEYS = dict(zip(SPECIAL, ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), strict=True))


def vocabulary_file(folder: Path) -> Path | None:
    """The file of ``FILES`` that lies in ``folder``, if there is one."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def read_vocabulary(path: Path) -> WordPieces | LibraryPieces:
    """The vocabulary in a ``tokenizer.json``, a ``vocab.txt``, or a folder that holds one of them.

    What the ``tokenizer_config.json`` beside it says of capital letters and accents holds before what it says itself,
    as in ``transformers``. Raises ``FileNotFoundError``, ``ValueError`` for what is damaged, and as ``library_pieces``
    for what is not BERT's.
    """
    file = vocabulary_file(path) if path.is_dir() else path
    if file is None:
        raise FileNotFoundError(f"{path} has no {' or '.join(FILES)}; save the teacher's tokenizer there.")
    if not file.is_file():
        raise FileNotFoundError(f"There is no vocabulary {file}; name the teacher's {' or '.join(FILES)}.")
    config = _beside(file, CONFIG)
    if file.suffix != ".json":
        return _of_list(file, config)
    said = _object(file)
    if not _is_berts(said, config):
        return library_pieces(file, said, _padding(file, said, config))
    return _spelt(_of_tokenizer(file, said), _part(said, "normalizer"), config)


def longest_text(folder: Path) -> int:
    """The most tokens of a text, as the tokenizer in ``folder`` says; 0 where it says none."""
    said = _beside(folder / TOKENIZER, CONFIG).get(LONGEST)
    return said if type(said) is int and 0 < said < 2**20 else 0  # where there is no limit, 10**30 stands there


def _of_list(file: Path, config: Mapping[str, Any]) -> WordPieces:
    what = [f"calls {x} {name!r}" for x in SPECIAL if (name := _text(config.get(_KEYS[x]))) not in (None, x)]
    what += [f"says {x} {str(config[x])[:40]!r}" for x, usual in _LISTED.items() if config.get(x) not in (None, usual)]
    what += [f"adds the token {x[:40]!r}" for x in _added(file, config) if x not in SPECIAL]
    if what:
        raise ValueError(
            f"{file} is of a tokenizer that {what[0]}, as a file beside it says; save that as {TOKENIZER}, or take "
            "another teacher."
        )
    return _spelt(read_pieces(file), {}, config)


def _added(file: Path, config: Mapping[str, Any]) -> list[str]:
    """The tokens that were added to a list of pieces, as the files beside it say."""
    said = _part(config, "added_tokens_decoder").values()
    return [*_beside(file, ADDED), *(name for x in said if (name := _text(x)) is not None)]


def _spelt(pieces: WordPieces, normalizer: Mapping[str, Any], config: Mapping[str, Any]) -> WordPieces:
    """``pieces`` with what the files say of capital letters, and of accents, which go with these unless they say so."""
    said = (config.get("do_lower_case"), normalizer.get("lowercase"))
    lowercase = next((x for x in said if isinstance(x, bool)), True)
    said = (config.get("strip_accents"), normalizer.get("strip_accents"))
    strips = next((x for x in said if isinstance(x, bool)), lowercase)
    return replace(pieces, lowercase=lowercase, accents=not strips)


def _is_berts(said: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether ``wordpiece`` cuts as this tokenizer does: BERT's rules and names, and no more tokens than BERT's."""
    model, normalizer, before = (_part(said, name) for name in ("model", *_RULES))
    rules = (
        model.get("type", "WordPiece") == "WordPiece"
        and model.get("unk_token", UNKNOWN) == UNKNOWN
        and model.get("continuing_subword_prefix", "##") == "##"
        and model.get("max_input_chars_per_word", LONGEST_WORD) == LONGEST_WORD
        and all(said.get(name, usual) is not None for name, usual in _RULES.items())  # with null, nothing is done
        and normalizer.get("type", _RULES["normalizer"]) == _RULES["normalizer"]
        and before.get("type", _RULES["pre_tokenizer"]) == _RULES["pre_tokenizer"]
        and normalizer.get("clean_text") is not False
        and _frames_as_berts(said)
    )
    whole = False in (normalizer.get("handle_chinese_chars"), config.get("tokenize_chinese_chars"))
    added = said.get("added_tokens")
    names = [str(x.get("content")) for x in added if isinstance(x, Mapping)] if isinstance(added, list) else []
    renamed = any(_text(config.get(_KEYS[x])) not in (None, x) for x in SPECIAL)
    return rules and not whole and not renamed and {*names} <= {*SPECIAL}


def _frames_as_berts(said: Mapping[str, Any]) -> bool:
    """Whether texts are put into ``[CLS] text [SEP]``, and pairs as BERT's; so where nothing is said of it."""
    if "post_processor" not in said:
        return True
    frame = _part(said, "post_processor")
    if frame.get("type") == "BertProcessing":
        return [x[:1] for x in (frame.get("cls"), frame.get("sep")) if isinstance(x, list)] == [[START], [END]]
    return [_parts_of(frame.get(name)) for name in ("single", "pair")] == [
        [(START, 0), ("A", 0), (END, 0)],
        [(START, 0), ("A", 0), (END, 0), ("B", 1), (END, 1)],
    ]


def _parts_of(template: Any) -> list[tuple[Any, Any]]:
    """The tokens and texts of a template, each with the number of the text that it belongs to."""
    pieces = template if isinstance(template, list) else []
    values = [x for piece in pieces if isinstance(piece, Mapping) for x in piece.values() if isinstance(x, Mapping)]
    return [(x.get("id"), x.get("type_id")) for x in values]


def _of_tokenizer(file: Path, said: Mapping[str, Any]) -> WordPieces:
    known = _part(said, "model").get("vocab")
    if not isinstance(known, Mapping):
        raise ValueError(f"{file} is no tokenizer with a vocabulary; save the tokenizer again.")
    if any(type(x) is not int for x in known.values()) or {*known.values()} != {*range(len(known))}:
        raise ValueError(f"{file} does not number its pieces from 0 on; save the tokenizer again.")
    try:
        return WordPieces(tuple(sorted(known, key=known.__getitem__)))
    except ValueError as error:
        raise ValueError(f"{file} is no vocabulary of word pieces: {str(error).rstrip('.')}.") from None


def _padding(file: Path, said: Mapping[str, Any], config: Mapping[str, Any]) -> str | int | None:
    """What stands behind short texts: a name, as the files beside say, or a number, as the network's does."""
    names = (_text(found.get("pad_token")) for found in (config, _beside(file, MAP), _part(said, "padding")))
    if name := next(filter(None, names), None):
        return name
    number = _beside(file, NETWORK).get("pad_token_id")
    return number if type(number) is int and number >= 0 else None


def _beside(file: Path, name: str) -> Mapping[str, Any]:
    return _object(file.parent / name) if (file.parent / name).is_file() else {}


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
