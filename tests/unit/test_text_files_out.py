"""What comes out of a student of texts: files that take ids and a mask, and a script that cuts as we do."""

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage.data.questions import Question
from tutelage.data.span_windows import sizes_of_windows, span_windows
from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.data.word_places import placed
from tutelage.data.wordpiece import SPECIAL, WordPieces, words
from tutelage.deployment.about import About, read_about
from tutelage.deployment.card import Made
from tutelage.deployment.deploy import deploy
from tutelage.deployment.network import output_name
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.program import export_program
from tutelage.deployment.script import script
from tutelage.deployment.span_script import span_script
from tutelage.deployment.text_script import text_script
from tutelage.models.small_texts import static_texts, tiny_texts
from tutelage.models.span_network import SpanNetwork
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.tasks.spans import answered

pytestmark = pytest.mark.slow

HOW = Tokenisation(known_pieces(), 16)
SIZES = {"vocabulary": len(HOW.pieces), "positions": 16, "width": 16, "heads": 2, "inner": 24, "separator": 3}
ABOUT = About("classification", ("dull", "fine"), None, "tiny", HOW)
ODD = WordPieces((*SPECIAL, *"abcdefgé漢字!?.,-'", *(f"##{x}" for x in "abcdefg漢"), "[", "]", "sep", "ab", "##bc"))


def student():
    torch.manual_seed(0)
    return tiny_texts(**SIZES).eval()


def tokens(count=9):
    return HOW.tokens([(x,) for x in spoken(count)])


def functions_of(source):
    """The functions of a script, without asking its file."""
    space = {}
    with patch.object(sys, "argv", ["predict.py", "a question?", "a text"]):
        exec(source.partition("model = ")[0], space)
    return space


OF_ODD = functions_of(text_script(About("regression", ("score",), None, "tiny", Tokenisation(ODD, 16)), 1))


@pytest.mark.parametrize("write", [export_onnx, export_program])
def test_a_file_takes_ids_and_a_mask_and_answers_as_the_network(tmp_path, write):
    file = tmp_path / {export_onnx: "small.onnx", export_program: "small.pt2"}[write]
    done = write(student(), tokens(), file, ABOUT)
    assert done.takes == "tokens" and done.answer == (2,) and file.is_file()


def test_texts_of_any_length_are_answered_with_and_without_padding(tmp_path):
    network, file = student(), tmp_path / "small.onnx"
    export_onnx(network, tokens(), file, ABOUT)
    session = onnxruntime.InferenceSession(file)
    assert [x.name for x in session.get_inputs()] == ["input_ids", "attention_mask"]
    for length in (3, 7, 16):
        ids = torch.randint(5, len(HOW.pieces), (2, length))
        alone = session.run(None, {"input_ids": ids.numpy(), "attention_mask": np.ones_like(ids.numpy())})[0]
        mask = np.array([[1] * length + [0]] * 2)
        behind = np.concatenate([ids.numpy(), [[7], [9]]], 1)[:, :16]
        padded = session.run(None, {"input_ids": behind, "attention_mask": mask[:, :16]})[0]
        with torch.no_grad():
            ours = network(ids).numpy()
        np.testing.assert_allclose(alone, ours, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(padded, ours, rtol=1e-4, atol=1e-5)


def test_what_a_file_says_of_itself_reads_back(tmp_path):
    file = tmp_path / "small.onnx"
    export_onnx(static_texts(vocabulary=len(HOW.pieces)), tokens(), file, ABOUT)
    said = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
    assert read_about({name: json.loads(x) for name, x in said.items()}, "it") == ABOUT


def test_of_vectors_there_are_no_probabilities():
    for task in ("embeddings", "spans"):
        with pytest.raises(ValueError, match="leave --probabilities out"):
            output_name(About(task, (), None, "tiny", HOW), True)


def test_a_folder_holds_a_script_and_a_card_that_say_how(tmp_path, monkeypatch, capsys):
    network = student()
    deploy(tmp_path, network, tokens(), ABOUT, Made())
    card = (tmp_path / "model_card.md").read_text()
    assert "pipeline_tag: text-classification" in card and "`input_ids` and `attention_mask`" in card
    text = spoken(1)[0]
    monkeypatch.setattr(sys, "argv", ["predict.py", text])
    path = tmp_path / "predict.py"
    exec(compile(path.read_text(), str(path), "exec"), {"__file__": str(path)})
    share = network(HOW.tokens([(text,)])).softmax(1)[0]
    first = capsys.readouterr().out.splitlines()[0].split()
    assert first == [f"{100 * share.max().item():.1f}%", ABOUT.classes[int(share.argmax())]]


def test_one_logit_is_the_second_class_above_0(capsys):
    said = text_script(ABOUT, 1).partition("answer = answer_to(sys.argv[1])\n")[2]
    exec(said, {"np": np, "answer": np.array([-2.0]), "CLASSES": ABOUT.classes})
    assert capsys.readouterr().out.split() == ["88.1%", "dull", "11.9%", "fine"]
    assert "CLASSES = ['dull', 'fine']" in text_script(ABOUT, 1)


@settings(max_examples=200)
@given(st.text() | st.text(alphabet="abcdefgAÉé漢字 !?.,-'[]\u0301\u200b\u3000ß\t\n"), st.integers(8, 20))
def test_a_script_cuts_any_text_as_we_do(text, longest):
    found = ODD.of_text(text)
    with nullcontext() if found else pytest.raises(SystemExit, match="There is no word in the text"):
        assert OF_ODD["tokens_of"]([text], ODD.numbers, longest) == [2, *found[: longest - 2], 3]


@given(st.text(alphabet="abcdefgAÉé漢字 !?.,-'[]\u0301\u200b\u3000ßİ\t\n"), st.booleans(), st.booleans())
def test_a_script_writes_words_as_we_do(text, lowercase, accents):
    how = Tokenisation(replace(ODD, lowercase=lowercase, accents=accents), 12)
    script_of = functions_of(text_script(About("regression", ("score",), None, "tiny", how), 1))
    assert script_of["words"](text) == words(text, lowercase=lowercase, accents=accents)


@given(st.text(alphabet="abc ", min_size=1), st.text(alphabet="abc ", min_size=1))
def test_of_a_pair_the_longer_one_is_cut(first, second):
    how = Tokenisation(ODD, 9, 2)
    if not ODD.of_text(first) or not ODD.of_text(second):
        return
    assert OF_ODD["tokens_of"]([first, second], ODD.numbers, 9) == how.tokens([(first, second)])[0].tolist()


ASKED = About("spans", (), None, "tiny", Tokenisation(ODD, 20, 2))
FINDS = functions_of(span_script(ASKED))


@given(st.text() | st.text(alphabet="abcdefgAÉé漢字 !?.,-'[]\u0301\u200b\u3000ßİΣσ\t\n"))
def test_a_script_knows_where_pieces_stand(text):
    FINDS.update(numbers=ODD.numbers, cut={"pieces": ODD.pieces})
    numbers, places = placed(text, ODD)
    assert FINDS["placed"](text) == [(n, *place) for n, place in zip(numbers, places, strict=True)]


@pytest.mark.parametrize("silent", [False, True])
def test_a_script_finds_the_answer_that_is_judged(tmp_path, monkeypatch, capsys, silent):
    one = Question("one", "a b?", " ".join("abc cab bca a-b! ccc"[n % 17 :] for n in range(9)), ())
    data, asked = span_windows("one", [replace(one, answers=(("a", 0),)), one], ODD, **sizes_of_windows(20, ODD))
    torch.manual_seed(0)
    network = SpanNetwork(1, 16, 2, 24, len(ODD), 20, separator=3).eval()
    torch.nn.init.normal_(network.output.weight)
    if silent:  # the first token is what the output looks for
        network.encoder.embeddings.tokens.weight.data[2] = 10 * network.output.weight.data.sum(0)
    (wanted, _) = answered(network(data.inputs).detach(), data, asked).values()
    assert len(data) > 6 and silent == (not wanted)
    deploy(tmp_path, network, data.inputs, ASKED, Made())
    path = tmp_path / "predict.py"
    (tmp_path / "text").write_text(one.context)
    for text in (one.context, str(tmp_path / "text")):
        monkeypatch.setattr(sys, "argv", ["predict.py", one.question, text])
        exec(compile(path.read_text(), str(path), "exec"), {"__file__": str(path)})
        said = capsys.readouterr().out.splitlines()
        assert len(said) == 3 and said[0].split("%  ", 1)[1] == (wanted or "(no answer in this text)")
    assert "pipeline_tag: question-answering" in (tmp_path / "model_card.md").read_text()


def test_a_program_of_spans_answers_for_each_token(tmp_path):
    network = SpanNetwork(1, 16, 2, 24, len(ODD), 20, separator=3).eval()
    tokens = ASKED.tokenisation.tokens([("a", "b " * n) for n in range(1, 9)])
    done = export_program(network, tokens, tmp_path / "s.pt2", ASKED)
    assert done.answer == (tokens.shape[1], 2)


def test_scripts_are_for_what_they_are_about():
    with pytest.raises(ValueError, match="about questions and texts"):
        span_script(About())
    with pytest.raises(ValueError, match="about texts, and what this network sees is none"):
        text_script(About(), 2)
    with pytest.raises(ValueError, match="about pictures, and what this network sees is none"):
        script(ABOUT, 2)
