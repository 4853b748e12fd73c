"""Own questions in SQuAD's form: how they are read, set apart and cut, who answers them, and what is refused."""

import json
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from bert_folders import save_classifier, save_finder
from span_teachers import SIZES, found_words, write_questions
from text_files import write_table, write_vocabulary
from tutelage.data.span_windows import BEGINS, ENDS
from tutelage.foreign.span_networks import spans_in_folder, spans_in_onnx
from tutelage.models.encoder import Encoder
from tutelage.models.span_network import SpanNetwork
from tutelage.models.text_classifier import TextClassifier
from tutelage.own_data.check import look
from tutelage.own_data.read import may_hold_texts, read
from tutelage.own_data.split import set_apart
from tutelage.own_data.wanted import Wanted
from tutelage.study.own.participants import refuse_unknown_text_student
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.text_students import fewer_layers, fresh_text_network
from tutelage.tasks.spans import EXACT, F1, answered

TOKENS = torch.tensor([[2, 9, 3, 7, 8, 3, 0], [2, 5, 3, 6, 3, 0, 0]])

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sets(where="questions.json", **settings):
    notes = []
    return own_sets("cpu", where, DataSettings(vocabulary=write_vocabulary(), **settings), notes.append), notes


def write(*paragraphs, file="mine.json"):
    """Contexts, each with pairs of a question and its answer, or "" where there is none."""
    said = [
        {"context": context, "qas": [
            {"question": q, "answers": [{"text": a, "answer_start": context.index(a)}] if a else []} for q, a in asked]}
        for context, *asked in paragraphs
    ]  # fmt: skip
    Path(file).write_text(json.dumps({"data": [{"paragraphs": said}]}))
    return file


class TestReading:
    def test_questions_are_pairs_with_their_answers(self):
        write_questions(count=12, none=2)
        source = read("questions.json")
        wanted = found_words(12, 0)
        train = source.parts["train"]
        assert source.task == "spans" and train.names[3] == "q3" and may_hold_texts("questions.json")
        assert train.texts[:10] == tuple((one.question, one.context) for one in wanted[:10])
        assert train.answers == (*(one.answers for one in wanted[:10]), (), ())
        assert any("12 questions about 12 contexts, 2 of them without an answer" in note for note in source.notes)

    def test_files_of_a_folder_are_parts(self):
        Path("mine").mkdir()
        for name, count in (("train-v1.1", 9), ("dev-v1.1", 4)):
            write_questions(f"mine/{name}.json", count)
        found = read("mine").parts
        assert {part: len(x) for part, x in found.items()} == {"train": 9, "validation": 4}
        assert found["validation"].names[0] == "dev-v1.1/q0"

    def test_what_is_there_twice_is_said(self):
        found = look(write(("bal kin", ("bal", "bal")), ("bal kin", ("Bal ", "bal"), ("kin", "kin"))))
        assert any("the same text is there twice" in x and "question 1" in x for x in found.warnings)

    @pytest.mark.parametrize(
        ("make", "wanted", "words"),
        [
            (write_questions, Wanted("text"), "there are no --task text; say --task spans"),
            (write_questions, Wanted(label_columns=("a",)), "there are no columns"),
            (lambda: write(("bal kin", ("bal", "")), file="questions.json"), Wanted(), "no question with an answer"),
            (lambda: write_table("questions.csv"), Wanted("spans"), "questions.csv holds no questions with their answ"),
            (lambda: Path("questions").mkdir(), Wanted("spans"), "questions holds no questions with their answers"),
        ],
    )
    def test_what_is_none_or_no_task_of_theirs_is_one_sentence(self, make, wanted, words):
        make()
        (where,) = Path().glob("questions*")
        with pytest.raises(ValueError, match=words):
            read(where, wanted)


class TestParts:
    def test_all_questions_of_a_context_are_in_one_part(self):
        paragraphs = [(f"bal kin {'ken ' * n}", *[(q, "bal") for q in ("bal", "kin", "ken")]) for n in range(12)]
        source = set_apart(read(write(*paragraphs)), {"test": 0.2, "validation": 0.1}, seed=0)
        contexts = [{context for _, context in x.texts} for x in source.parts.values()]
        assert sum(map(len, contexts)) == len(set.union(*contexts)) == 12
        assert len(source.parts["test"]) == 9 and len(source.parts["validation"]) == 6

    def test_one_context_cannot_be_set_apart(self):
        with pytest.raises(ValueError, match="has 1 context to train on, of which none can be set apart"):
            sets(write(("bal kin ken", *[("kin", "kin")] * 12)))


class TestCutting:
    def test_whoever_knows_all_scores_all_in_each_part_of_many_windows(self):
        write_questions(none=20)
        data, notes = sets(longest=12)
        assert any("windows of at most 12 tokens (--longest; 384 is usual)" in note for note in notes)
        assert data.asked is not None and len(data.train) > 96
        for part in (data.train, data.validation, data.test):
            logits = torch.stack([(part.targets & mark > 0).double() for mark in (BEGINS, ENDS)], 2) * 20
            found = data.task.score(logits, part)
            assert found[F1.name].value == found[EXACT.name].value == 100
            names = [data.names[n] for n in part.index.tolist()]
            assert all(data.asked.questions[k].name == name.partition(",")[0]
                       for name, k in zip(names, data.asked.number[part.index].tolist(), strict=True))  # fmt: skip

    def test_who_always_says_nothing_has_the_share_of_those_without_an_answer(self):
        write_questions(count=40, none=10)
        data, _ = sets(validation=0.0, test=0.5)
        numbers = {*data.asked.number[data.test.index].tolist()}
        silent = sum(not data.asked.questions[n].answers for n in numbers)
        answers = torch.zeros(*data.test.inputs.shape, 2)
        answers[:, 0] = 9.0
        share = 100 * silent / len(numbers)
        assert data.task.constant(data.test) == pytest.approx(share)
        assert data.task.score(answers, data.test)[EXACT.name].value == pytest.approx(share)

    def test_a_question_or_a_context_without_a_word_is_left_out(self):
        rows = [("bal kin", ("\u200b", "kin"), ("kin", "kin")), *[(f"gal {x}", ("gal", "gal")) for x in ("ken", "kur")]]
        data, notes = sets(write(*rows), validation=0.0, test=0.3)
        assert len(data.train) + len(data.test) == 3 and any("with the padding token: question 1" in x for x in notes)
        with pytest.raises(ValueError, match="has texts without a word, or with the padding token in question 1"):
            sets(write(*rows), validation=0.0, test=0.3, strict=True)

    def test_questions_are_no_labelled_samples(self):
        write_questions()
        with pytest.raises(ValueError, match="questions holds questions; leave it out"):
            sets(unlabelled="lines.txt")


def finder(family="bert"):
    return SpanNetwork(**SIZES, types=2 if family == "bert" else 0, separator=3).eval()


class TestTeachers:
    @pytest.mark.parametrize("family", ["bert", "distilbert"])
    def test_a_folder_answers_as_it_was_saved(self, family):
        network = finder(family)
        save_finder(network, Path("net"), family)
        assert torch.equal(spans_in_folder("net", 0, 3)(TOKENS), network(TOKENS))

    def test_a_classifier_finds_nothing(self):
        save_classifier(TextClassifier(Encoder(**SIZES, types=2), 2, 0.0), Path("net"))
        with pytest.raises(ValueError, match=r"has no qa_outputs.*AutoModelForQuestionAnswering"):
            spans_in_folder("net", 0, 3)

    def test_another_family_is_run_by_transformers(self, monkeypatch):
        network = finder()
        save_finder(network, Path("net"))
        config = json.loads(Path("net/config.json").read_text())
        Path("net/config.json").write_text(json.dumps({**config, "model_type": "roberta"}))

        class Theirs(nn.Module):
            def forward(self, input_ids=None, attention_mask=None):
                start, end = network(input_ids * attention_mask).unbind(2)
                return SimpleNamespace(start_logits=start, end_logits=end)

        module = ModuleType("transformers")
        module.AutoModelForQuestionAnswering = SimpleNamespace(from_pretrained=lambda *_, **_how: (Theirs(), {}))
        monkeypatch.setattr("tutelage.foreign.transformers_folders.imported", lambda _: module)
        assert torch.equal(spans_in_folder("net", 0, 3)(TOKENS), network(TOKENS))

    def test_a_file_of_two_outputs_is_asked_once_and_as_wide_as_its_tokens(self):
        write_file("start_logits", "end_logits")
        answers = spans_in_onnx(Path("net.onnx"), 0, 3)(TOKENS)
        assert torch.equal(answers, TOKENS[..., None].expand(-1, -1, 2).float())
        write_file("start_logits", "others")
        with pytest.raises(ValueError, match="no output 'end_logits' of a logit a token"):
            spans_in_onnx(Path("net.onnx"), 0, 3)


def write_file(*outputs):
    """A file that answers each token with its number."""
    info = partial(helper.make_tensor_value_info, shape=["batch", "tokens"])
    nodes = [helper.make_node("Cast", ["input_ids"], [name], to=TensorProto.FLOAT) for name in outputs]
    graph = helper.make_graph(nodes, "numbers", [info("input_ids", TensorProto.INT64)],
                              [info(name, TensorProto.FLOAT) for name in outputs])  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "net.onnx")


class TestStudents:
    def test_fewer_layers_begin_with_those_of_the_teacher(self):
        teacher = finder()
        assert torch.equal(fewer_layers(teacher, layers=2).eval()(TOKENS), teacher(TOKENS))
        student = fewer_layers(teacher, layers=1)
        assert student.encoder.depth == 1 and torch.equal(student.output.weight, teacher.output.weight)

    def test_a_fresh_one_answers_for_each_token_and_knows_question_from_context(self):
        write_questions()
        data, _ = sets()
        network = fresh_text_network("tiny(width=16, inner=24)", data)()
        assert network(data.example).shape == (*data.example.shape, 2)
        assert network.encoder.embeddings.types is not None

    @pytest.mark.parametrize(
        ("student", "words"),
        [("static", "nothing of where in one an answer stands"), ("9 MACs", "is half, quarter, tiny or a dotted path")],
    )
    def test_who_cannot_find_answers_is_refused(self, student, words):
        write_questions()
        data, _ = sets()
        with pytest.raises(ValueError, match=words):
            refuse_unknown_text_student(student, data)


def test_what_is_answered_is_a_part_of_the_context():
    write_questions()
    data, _ = sets()
    said = answered(finder()(data.test.inputs).detach(), data.test, data.asked)
    assert all(text and text in data.asked.questions[n].context for n, text in said.items())
