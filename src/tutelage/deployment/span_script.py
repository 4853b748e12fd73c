"""``predict.py`` for questions: lines that find answers in a text with the ONNX file, onnxruntime and numpy alone.

They cut as ``span_windows`` does and choose as the task's metrics do, so that what is printed first is what was judged.
"""

from tutelage.data.span_windows import sizes_of_windows
from tutelage.data.wordpiece import WordPieces
from tutelage.deployment.about import About
from tutelage.deployment.script import SCRIPT
from tutelage.deployment.text_script import HEAD, PIECES, RULES, facts_of_pieces
from tutelage.tasks.spans import LONGEST

_USAGE = "QUESTION TEXT, where TEXT may be a file's name"
_PLACED = '''\
def letters(text):
    """Each character as words have it, in lower case and without accents or as it is; with its place in the text."""
    spaced = ((" " if x in "\\t\\n\\r" or unicodedata.category(x) == "Zs" else x, n) for n, x in enumerate(text))
    kept = [(x, n) for x, n in spaced if not is_control(x)]
    if LOWERCASE:
        small, counts = "".join(x for x, _ in kept).lower(), [len(x.lower()) for x, _ in kept]
        spelt = iter(small if len(small) == sum(counts) else "".join(x.lower() for x, _ in kept))
        kept = [(next(spelt), n) for (_, n), count in zip(kept, counts) for _ in range(count)]
    for letter, n in kept:
        for x in letter if ACCENTS else unicodedata.normalize("NFD", letter):
            if ACCENTS or unicodedata.category(x) != "Mn":
                yield x, n


def words(text):
    """Its words, each as characters with their places; a mark or ideograph is a word."""
    word = []
    for x, n in letters(text):
        if x.isspace() or stands_alone(x):
            yield from [word] * bool(word)
            yield from [[(x, n)]] * stands_alone(x)
            word = []
        else:
            word.append((x, n))
    yield from [word] * bool(word)


def placed(text):
    """The numbers of its pieces, each with where it begins in the text and where it ends."""
    found = []
    for word in words(text):
        begin = 0
        for number in pieces_of("".join(x for x, _ in word), numbers):
            piece = cut["pieces"][number]
            part = word[begin:] if piece == "[UNK]" else word[begin:][: len(piece) - 2 * (begin > 0)]
            found.append((number, part[0][1], part[-1][1] + 1))
            begin += len(part)
    return found


'''
_LIBRARY = '''\
def placed(text):
    """The numbers of its pieces, each with where it begins in the text and where it ends."""
    found = tokenizer.encode(text, add_special_tokens=False)
    return [(number, *place) for number, place in zip(found.ids, found.offsets)]


'''
_WINDOWS = '''\
def windows(question, context):
    """Numbers of tokens: the question and a part of the context, parts overlap; where this begins, and its pieces."""
    before, between, behind = frame
    front = [*before, *(number for number, _, _ in question[:{longest_question}]), *between]
    size = cut["longest"] - len(front) - len(behind)
    for begin in range(0, len(context), {stride}):
        part = context[begin : begin + size]
        yield [*front, *(number for number, _, _ in part), *behind], len(front), part
        if begin + size >= len(context):
            return


def scores_of(question, context):
    """Of each span of up to {longest_answer} tokens, by where it begins and ends; of none, by nothing."""
    found, nothing = {{}}, np.inf
    for row, first, part in windows(placed(question), placed(context)):
        ids = np.array([row])
        logits = model.run(None, {{"input_ids": ids, "attention_mask": np.ones_like(ids)}})[0][0].astype(np.float64)
        nothing = min(nothing, logits[0].sum())
        begins, ends = logits[first : first + len(part)].T
        for i, (_, begin, _) in enumerate(part):
            for j, (_, _, end) in enumerate(part[i : i + {longest_answer}], i):
                found[begin, end] = max(found.get((begin, end), -np.inf), begins[i] + ends[j])
    return {{**found, None: nothing}}


'''
_OPENED = """\
if len(sys.argv) < 3:
    sys.exit(__doc__)
model = onnxruntime.InferenceSession(Path(__file__).with_name("{model}"), providers=["CPUExecutionProvider"])
cut = json.loads(model.get_modelmeta().custom_metadata_map["tokenisation"])
{cutter}
{frame}
question, context = sys.argv[1:3]
if len(context) < 256 and Path(context).is_file():
    context = Path(context).read_text(encoding="utf-8")
if not placed(question) or not placed(context):
    sys.exit("The question and the text need a word each.")
scores = scores_of(question, context)
shares = {{place: np.exp(x - max(scores.values())) for place, x in scores.items()}}
for place in sorted(shares, key=shares.get, reverse=True)[:3]:
    said = context[slice(*place)].strip() if place else "(no answer in this text)"
    print(f"{{shares[place] / sum(shares.values()):6.1%}}  {{said}}")
"""
_FRAME = 'frame = [numbers["[CLS]"]], [numbers["[SEP]"]], [numbers["[SEP]"]]'


def span_script(about: About, _outputs: int = 2, model: str = "student.onnx", name: str = SCRIPT) -> str:
    """The source of ``predict.py``, or of that ``name``, for a file ``model`` beside it that finds where answers stand.

    It prints the three likeliest answers, of which one may be that there is none. Raises ``ValueError`` for a student
    whose inputs are no texts.
    """
    how = about.tokenisation
    if how is None:
        raise ValueError("This predict.py is about questions and texts, and what this network sees is none.")
    sizes = sizes_of_windows(how.longest, how.pieces)
    facts = {
        **facts_of_pieces(how.pieces),
        "model": model,
        "script": name,
        "usage": _USAGE,
        "what": "a question about a text",
        "stride": sizes["stride"],
        "longest_question": sizes["longest_question"],
        "longest_answer": LONGEST,
        "frame": _FRAME if isinstance(how.pieces, WordPieces) else 'frame = cut["frame"]',
    }
    head, rules, pieces, asked, opened = (x.format(**facts) for x in (HEAD, RULES, PIECES, _WINDOWS, _OPENED))
    cut = [rules, pieces, _PLACED] if isinstance(how.pieces, WordPieces) else [_LIBRARY]
    return "".join([head, *cut, asked, opened])
