"""``predict.py`` for texts: the lines that ask the ONNX file about a text, with onnxruntime and numpy alone.

How texts are cut into word pieces stands in the script, and the pieces in the file's metadata, so that the file is
enough; what the library ``tokenizers`` cut in training, it cuts here as well, by what the metadata say.
"""

from tutelage.data.library_pieces import LibraryPieces
from tutelage.data.wordpiece import IDEOGRAPHS, LONGEST_WORD, WordPieces
from tutelage.deployment.about import About
from tutelage.deployment.script import SCRIPT, said_of

HEAD = '''\
"""Written by tutelage. What {model} says of {what}: python {script} {usage}; needs {needs}."""

import json
import sys
{standard}from pathlib import Path

import numpy as np
import onnxruntime
{imports}
'''
RULES = """\
IDEOGRAPHS = {ideographs}
LOWERCASE, ACCENTS = {lowercase}, {accents}


def is_control(x):
    return x not in "\\t\\n\\r" and (x in "\\0\\ufffd" or unicodedata.category(x) in ("Cc", "Cf", "Co"))


def stands_alone(x):
    if ord(x) < 128:
        return not x.isalnum() and not x.isspace()
    return any(low <= ord(x) <= high for low, high in IDEOGRAPHS) or unicodedata.category(x).startswith("P")


"""
_SPELT = '''\
def words(text):
    """Its words, in lower case and without accents or as they are; a mark or ideograph is a word."""
    spaced = (" " if x in "\\t\\n\\r" or unicodedata.category(x) == "Zs" else x for x in text if not is_control(x))
    text = "".join(spaced).lower() if LOWERCASE else "".join(spaced)
    if not ACCENTS:
        text = "".join(x for x in unicodedata.normalize("NFD", text) if unicodedata.category(x) != "Mn")
    return "".join(f" {{x}} " if stands_alone(x) else x for x in text).split()


'''
PIECES = '''\
def pieces_of(word, numbers):
    """The numbers of its pieces, always the longest that fits, from the left."""
    found, begin = [], 0
    while begin < len(word):
        ends = range(len(word), begin, -1)
        known = (numbers.get("##" * (begin > 0) + word[begin:end]) for end in ends)
        place, number = next(((end, x) for end, x in zip(ends, known) if x is not None), (0, None))
        if number is None or len(word) > {longest_word}:
            return [numbers["[UNK]"]]
        found.append(number)
        begin = place
    return found


'''
_FRAMED = '''\
def tokens_of(texts, numbers, longest):
    """[CLS] text [SEP], or [CLS] text [SEP] second [SEP]; cut at the end of the longer one."""
    parts = [[number for word in words(text) for number in pieces_of(word, numbers)] for text in texts]
    if not all(parts):
        sys.exit("There is no word in the text.")
    while sum(map(len, parts)) > longest - 1 - len(parts):
        max(reversed(parts), key=len).pop()
    return [numbers["[CLS]"], *(number for part in parts for number in (*part, numbers["[SEP]"]))]


'''
_CUT = RULES + _SPELT + PIECES + _FRAMED
_LIBRARY = '''\
def tokens_of(texts, tokenizer, cut):
    """What the tokenizer makes of each text, in its frame; cut at the end of the longer one."""
    before, between, behind = cut["frame"]
    parts = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    if not all(parts):
        sys.exit("There is no word in the text.")
    while sum(map(len, parts)) > cut["longest"] - len(before) - len(between) * (len(texts) - 1) - len(behind):
        max(reversed(parts), key=len).pop()
    first, *second = parts
    return [*before, *first, *(number for part in second for number in (*between, *part)), *behind]


'''
_ASKED = """\
model = onnxruntime.InferenceSession(Path(__file__).with_name("{model}"), providers=["CPUExecutionProvider"])
cut = json.loads(model.get_modelmeta().custom_metadata_map["tokenisation"])
{cutter}


def answer_to(*texts):
    ids = np.array([tokens_of(texts, {cutting})])
    given = {{"input_ids": ids, "attention_mask": np.ones_like(ids)}}
    return np.atleast_1d(model.run(None, given)[0][0].astype(np.float64))


"""
_ONE = """\
if len(sys.argv) < {count}:
    sys.exit(__doc__)
answer = answer_to({texts})
"""
_VECTORS = """\
if len(sys.argv) < 2:
    sys.exit(__doc__)
vectors = [answer_to(text) for text in sys.argv[1:]]
for text, vector in zip(sys.argv[2:], vectors[1:], strict=True):
    cosine = vector @ vectors[0] / np.linalg.norm(vector) / np.linalg.norm(vectors[0])
    print(f"{cosine:6.3f}  {text}")
if len(vectors) == 1:
    print(json.dumps(vectors[0].tolist()))
"""
_WORDS = {
    "needs": "onnxruntime, numpy",
    "standard": "import unicodedata\n",
    "imports": "",
    "cutter": 'numbers = {piece: number for number, piece in enumerate(cut["pieces"])}',
    "cutting": 'numbers, cut["longest"]',
}
_TOKENIZERS = {
    "needs": "onnxruntime, numpy, tokenizers",
    "standard": "",
    "imports": "from tokenizers import Tokenizer\n",
    "cutter": 'tokenizer = Tokenizer.from_str(cut["tokenizer"])',
    "cutting": "tokenizer, cut",
}


def text_script(about: About, outputs: int, model: str = "student.onnx", name: str = SCRIPT) -> str:
    """The source of ``predict.py`` for a file ``model`` of texts beside it that gives ``outputs`` numbers a text.

    The script is called ``name``. Texts are cut as ours are, to the bit. Of one text in an embedding it prints the
    vector, of more how alike each is to the first. Raises ``ValueError`` for a student whose inputs are no texts.
    """
    how = about.tokenisation
    if how is None:
        raise ValueError("This predict.py is about texts, and what this network sees is none; script is for pictures.")
    vectors = about.task == "embeddings"
    usage = "TEXT [OTHER ...]" if vectors else "TEXT" if how.texts == 1 else "TEXT SECOND"
    facts = {
        **facts_of_pieces(how.pieces),
        "model": model,
        "script": name,
        "usage": usage,
        "what": "a text" if how.texts == 1 else "a pair of texts",
        "count": how.texts + 1,
        "texts": ", ".join(f"sys.argv[{n + 1}]" for n in range(how.texts)),
    }
    head, words, asked, one = (part.format(**facts) for part in (HEAD, _CUT, _ASKED, _ONE))
    cut = words if isinstance(how.pieces, WordPieces) else _LIBRARY
    if vectors:
        return "".join([head, cut, asked, _VECTORS])
    classes, said = said_of(about, outputs)
    return "".join([head, classes, cut, asked, one, said])


def facts_of_pieces(pieces: WordPieces | LibraryPieces) -> dict[str, object]:
    """What a script about texts that ``pieces`` cut has in its places: packages, lines, rules."""
    return {
        **(_WORDS if isinstance(pieces, WordPieces) else _TOKENIZERS),
        "lowercase": getattr(pieces, "lowercase", None),
        "accents": getattr(pieces, "accents", None),
        "ideographs": IDEOGRAPHS,
        "longest_word": LONGEST_WORD,
    }
