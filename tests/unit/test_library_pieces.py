"""Tokenizers of any kind, where the library ``tokenizers`` is: how they cut, frame and pad, and what is refused."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import library_tokenizers
from library_tokenizers import BYTE_PAIRS, write_byte_pairs
from text_files import write_vocabulary
from tutelage.data.library_pieces import LibraryPieces
from tutelage.data.pieces import is_seen, separator, token_ids
from tutelage.data.tokenizer_file import longest_text, read_vocabulary
from tutelage.data.wordpiece import WordPieces
from tutelage.deployment.about import About
from tutelage.deployment.text_script import text_script
from tutelage.foreign.text_networks import longest_of
from tutelage.own_data.tokenisation import Tokenisation, read_tokenisation

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tutelage.data.library_pieces.imported", lambda _: library_tokenizers)


def changed(**model):
    return write_byte_pairs("net", model={**BYTE_PAIRS["model"], **model})


@pytest.mark.parametrize(
    ("text", "ids"),
    [("bal kin", [19, 22]), ("a", [16, 5]), ("kinru bal", [22, 23, 19]), ("bale zin", [19, 7, 16, 3, 20])],
)
def test_pieces_are_those_of_the_library(text, ids):
    """tokenizers 0.23.3, of the same file."""
    pieces = read_vocabulary(write_byte_pairs("net"))
    assert isinstance(pieces, LibraryPieces) and len(pieces) == 25
    assert pieces.of_text(text) == ids and token_ids([text], pieces).tolist() == [[0, *ids, 2]]


def test_a_pair_stands_in_the_frame_of_the_file_and_its_longer_text_is_cut():
    """tokenizers 0.23.3: ``<s> bal </s> </s> kin ru </s>``."""
    pieces = read_vocabulary(write_byte_pairs("net").parent)
    assert token_ids(["bal"], pieces, seconds=["kin ru"]).tolist() == [[0, 19, 2, 2, 22, 16, 23, 2]]
    assert token_ids(["bal"], pieces, 6, seconds=["kin ru"]).tolist() == [[0, 19, 2, 2, 22, 2]]
    assert (pieces.padding, pieces.unknown, separator(pieces)) == (1, 3, 2)
    assert Tokenisation(pieces, 16, 2).words == "<s> text </s> </s> second </s>"


def test_what_a_student_keeps_of_it_comes_back_and_needs_no_library(monkeypatch):
    how = Tokenisation(read_vocabulary(write_byte_pairs("net")), 12, 2)
    kept = json.loads(json.dumps(how.as_json()))
    monkeypatch.setattr("tutelage.data.library_pieces.imported", None)
    assert read_tokenisation(kept, "student.json") == how
    for odd in ({"size": 3}, {"frame": [[0], [2]]}, {"padding": -1}, {"padding": True}, {"unknown": 99}, {"said": 1}):
        wrong = {**kept, **odd} if "said" not in odd else {**kept, "tokenizer": 1}
        with pytest.raises(ValueError, match=r"student.json does not say how a text becomes an input"):
            read_tokenisation(wrong, "student.json")


@pytest.mark.parametrize("padding", ["<pad>", "<unk>"])
def test_a_text_with_the_padding_in_it_is_refused_for_networks_would_not_look_there(padding):
    """``bal zin`` has an unknown letter, and ``zin`` is not to be seen where that is the padding as well."""
    pieces = read_vocabulary(padded_by(padding))
    assert is_seen([pieces.of_text("bal zin")], pieces) == (padding == "<pad>")
    if padding == "<unk>":
        with pytest.raises(ValueError, match=r"Text 2 of 2 has the padding token in it, \('bal zin',\); leave it out"):
            token_ids(["bal", "bal zin"], pieces)


def test_a_script_cuts_as_we_do():
    how = Tokenisation(read_vocabulary(write_byte_pairs("net")), 7)
    source = text_script(About("regression", ("score",), None, "tiny", how), 1)
    space = {}
    exec(source.partition("model = ")[0].replace("from tokenizers import", "from library_tokenizers import"), space)
    cut = json.loads(json.dumps(how.as_json()))
    tokenizer = space["Tokenizer"].from_str(cut["tokenizer"])
    for text in ("bal", "bal kin ru bal kin ru"):
        assert space["tokens_of"]([text], tokenizer, cut) == how.tokens([(text,)])[0].tolist()
    assert "needs onnxruntime, numpy, tokenizers" in source


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: changed(dropout=0.1), r"cuts by chance \(dropout\)"),
        (lambda: changed(type="Odd"), r"no tokenizer that tokenizers reads \(data did not match"),
        (lambda: without("tokenizer_config.json"), "has no padding token, and neither has a file beside it"),
        (lambda: padded_by("</s>"), "frames texts with '</s>', its padding"),
        (lambda: framed([{"Sequence": {"id": "A", "type_id": 0}}]), "frames pairs of texts otherwise than single ones"),
    ],
)
def test_what_is_not_read_is_one_sentence(write, words):
    with pytest.raises(ValueError, match=words):
        read_vocabulary(write())


def without(name):
    file = write_byte_pairs("net")
    (file.parent / name).unlink()
    return file


def padded_by(token):
    file = write_byte_pairs("net")
    (file.parent / "tokenizer_config.json").write_text(json.dumps({"pad_token": token}))
    return file


def framed(single):
    return write_byte_pairs("net", post_processor={**BYTE_PAIRS["post_processor"], "single": single})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("special_tokens_map.json", {"pad_token": {"content": "<pad>"}}),
        ("config.json", {"pad_token_id": 1}),
    ],
)
def test_padding_is_found_wherever_a_file_says_it(name, said):
    file = without("tokenizer_config.json")
    (file.parent / name).write_text(json.dumps(said))
    assert read_vocabulary(file).padding == 1


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ModuleNotFoundError("No module named 'tokenizers'", name="tokenizers"), "(tokenizers is missing)"),
        (ModuleNotFoundError("No module named 'hub'", name="hub"), "(hub is missing)"),
        (ImportError("GLIBC_2.34 not found"), "(ImportError: GLIBC_2.34 not found"),
    ],
)
def test_why_the_library_is_not_there_is_told(monkeypatch, failure, words):
    def failing(_):
        raise failure

    monkeypatch.setattr("tutelage.data.library_pieces.imported", failing)
    with pytest.raises(ImportError) as told:
        read_vocabulary(write_byte_pairs("net"))
    assert words in str(told.value) and str(told.value).endswith("pip install tokenizers")


def frame(single, pair, second=1):
    """Templates of texts as ``tokenizers`` writes them; the second one and what is behind it are of type ``second``."""

    def template(text):
        types = [second if "B" in text.split()[: n + 1] else 0 for n in range(len(text.split()))]
        kinds = ["Sequence" if x in ("A", "B") else "SpecialToken" for x in text.split()]
        return [{k: {"id": x, "type_id": n}} for k, x, n in zip(kinds, text.split(), types, strict=True)]

    return {"single": template(single), "pair": template(pair)}


BERTS = {"type": "TemplateProcessing", **frame("[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]")}


@pytest.mark.parametrize("said", [BERTS, {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}])
def test_word_pieces_in_berts_frame_need_no_library(said):
    file = write_vocabulary("tokenizer.json")
    plain = read_vocabulary(file)
    rules = {"pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": said}
    file.write_text(json.dumps({**json.loads(file.read_text()), **rules}))
    assert read_vocabulary(file) == plain and isinstance(plain, WordPieces) and plain.tells_seconds


def test_whether_a_second_text_is_told_from_the_first_the_file_says():
    """RoBERTa's tokenizer marks none, even where its network has vectors for two types."""
    assert not read_vocabulary(write_byte_pairs("net")).tells_seconds
    template = {**BYTE_PAIRS["post_processor"], **frame("<s> A </s>", "<s> A </s> </s> B </s>")}
    assert read_vocabulary(write_byte_pairs("net", post_processor=template)).tells_seconds


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"unk_token": "<unk>"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"normalizer": {"type": "Lowercase"}},
        {"normalizer": {"type": "BertNormalizer", "handle_chinese_chars": False}},
        {"added_tokens": [{"id": 900, "content": "[E1]"}]},
        {"normalizer": None},
        {"pre_tokenizer": None},
        {"post_processor": None},
        {"post_processor": {"type": "TemplateProcessing", **frame("[CLS] A", "[CLS] A B")}},
        {"post_processor": {"type": "TemplateProcessing", **frame("[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]", second=0)}},
        {"post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[START]", 2]}},
    ],
)
def test_word_pieces_of_other_rules_than_berts_are_left_to_the_library(monkeypatch, change):
    file = write_vocabulary("tokenizer.json")
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, **change, "model": {**said["model"], **change.get("model", {})}}))
    monkeypatch.setattr("tutelage.data.tokenizer_file.library_pieces", lambda *_: "asked")
    assert read_vocabulary(file) == "asked"


def test_a_text_may_be_as_long_as_the_tokenizer_says_and_places_reach():
    folder = write_byte_pairs("net").parent
    assert longest_text(folder) == 512
    for said, longest in [
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 66, "pad_token_id": 1}, 64),
        ({"model_type": "electra", "max_position_embeddings": 64, "pad_token_id": 0}, 64),
        ({"model_type": "gpt2", "n_positions": 64}, 64),
        ({}, 512),
    ]:
        (folder / "config.json").write_text(json.dumps(said))
        assert longest_of("hf:net") == longest


@pytest.mark.parametrize("where", ["from_str", "encode"])
def test_where_the_library_panics_it_is_a_sentence_too(monkeypatch, where):
    class PanicException(BaseException):  # as pyo3 calls it
        pass

    def panics(*_):
        raise PanicException("called `Option::unwrap()` on a `None` value")

    module = SimpleNamespace(Tokenizer=type("Tokenizer", (library_tokenizers.Tokenizer,), {where: panics}))
    monkeypatch.setattr("tutelage.data.library_pieces.imported", lambda _: module)
    with pytest.raises(ValueError, match=r"no tokenizer that tokenizers reads \(called"):
        read_vocabulary(write_byte_pairs(Path("net")))
