"""``tutelage distill`` on own texts, as users meet it: labelled or not, and what comes out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bert_folders import save_classifier
from span_teachers import found_words
from tutelage import distill, load
from tutelage.cli.command import main
from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.models.text_classifier import text_classifier
from tutelage.study.own.settings import DataSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("texts")]
SHORT = ["--epochs", "1", "--minutes", "0.05", "--quiet"]
LABELLED = ["distill", "--teacher", "hf:teacher", "--data", "texts.tsv", *SHORT]
VECTORS = ["distill", "--teacher", "onnx/model.onnx", "--data", "lines.txt", *SHORT]


def folder():
    (made,) = Path("runs").glob("own-distill/*/arguments.json")
    return made.parent


def results():
    return json.loads((folder() / "results.json").read_text())


def test_half_of_a_classifier_is_measured_and_comes_out_as_files_that_run_alone(capsys):
    assert main([*LABELLED, "--task", "text", "--student", "half"]) == 0
    assert "half of hf:teacher has" in capsys.readouterr().out
    networks = {x["name"]: x for x in results()["networks"]}
    assert [*networks] == ["teacher", "student", "baseline"] and results()["classes"] == ["dull", "fine"]
    assert networks["student"]["parameters"] < networks["teacher"]["parameters"]
    assert sum(p.numel() for p in load(folder()).parameters()) == networks["student"]["parameters"]
    asked = [sys.executable, folder() / "predict.py", spoken(1)[0]]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said.split()[1] in ("dull", "fine")
    report = (folder() / "report.md").read_text()
    assert 'predict.py "a text"' in report and "T up to 16" in report
    assert main(["export", str(folder()), "--to", "small.onnx"]) == 0
    assert main(["export", str(folder()), "--to", "small.int8.onnx", "--precision", "int8"]) == 2
    assert "export it without --precision" in capsys.readouterr().err


@pytest.mark.usefixtures("without_onnx")
def test_vectors_of_a_file_are_learnt_from_texts_without_labels(capsys):
    assert main([*VECTORS, "--task", "embeddings", "--student", "static"]) == 0
    assert "has 100.0 %" in capsys.readouterr().out
    networks = {x["name"]: x for x in results()["networks"]}
    assert [*networks] == ["teacher", "student"] and results()["metrics"][0]["name"] == "cosine"
    assert networks["student"]["scores"]["cosine"]["value"] < 100
    assert "sentence-similarity" in (folder() / "model_card.md").read_text()


@pytest.mark.usefixtures("without_onnx")
def test_half_of_a_file_of_vectors_begins_with_its_layers():
    assert main([*VECTORS, "--student", "half"]) == 0
    assert results()["networks"][1]["scores"]["cosine"]["value"] > 20  # a network that was drawn: none


def test_answers_in_texts_are_found_with_half_of_a_finder(capsys):
    line = ["distill", "--task", "spans", "--teacher", "hf:finder", "--data", "questions.json", *SHORT]
    assert main([*line, "--student", "half"]) == 0
    assert "half of hf:finder has" in capsys.readouterr().out
    networks = {x["name"]: x for x in results()["networks"]}
    assert [*networks] == ["teacher", "student", "baseline"]
    assert [x["name"] for x in results()["metrics"]] == ["F1", "exact match"]
    assert networks["teacher"]["scores"]["F1"]["value"] > 80
    (one,) = found_words(1, 0)
    asked = [sys.executable, folder() / "predict.py", one.question, one.context]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert len(said.splitlines()) == 3 and said.partition("%  ")[2].partition("\n")[0] in one.context
    assert 'predict.py "a question?" "a text"' in (folder() / "report.md").read_text()
    assert main(["measure", "--model", "hf:finder", "--data", "questions.json", "--json"]) == 0


@pytest.mark.usefixtures("without_onnx")
def test_a_table_of_answers_by_row_teaches_pairs():
    rows = [line.split("\t") for line in Path("pairs.tsv").read_text().splitlines()[1:]]
    lines = [f"row {n + 1},{4 * (row[3] == 'alike') - 2},{2 - 4 * (row[3] == 'alike')}" for n, row in enumerate(rows)]
    Path("answers.csv").write_text("\n".join(["row,alike,other", *lines]) + "\n")
    words = ["--teacher", "answers.csv", "--data", "pairs.tsv", "--vocabulary", "teacher/vocab.txt"]
    assert main(["distill", *words, "--student", "tiny(width=16, inner=32)", "--no-baseline", *SHORT]) == 0
    assert results()["networks"][0]["scores"]["accuracy"]["value"] == 100


@pytest.mark.usefixtures("without_onnx")
def test_from_python_with_further_texts_without_labels():
    samples = DataSettings(unlabelled="lines.txt")
    small = distill(
        "hf:teacher", "static(width=8)", "texts.tsv", samples=samples, minutes=0.05, epochs=1, baseline=False
    )
    assert small is not None and small.metrics["student"]["accuracy"] >= 0


def test_a_network_of_texts_is_measured(capsys):
    assert main(["measure", "--model", "hf:teacher", "--data", "texts.tsv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"]["accuracy"]["value"] > 70 and found["parameters"] > 1000 and found["macs"] > 1000


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ([*LABELLED, "--student", "9 MACs"], "A student of texts is half, quarter, tiny, static"),
        ([*LABELLED, "--student", "tinny"], "no network 'tinny'"),
        ([*LABELLED, "--student", "half", "--longest", "4"], "--longest"),
        ([*LABELLED, "--student", "half", "--task", "embeddings", "--method", "dkd"], "have no labels"),
        ([*VECTORS, "--student", "half", "--task", "text"], "no column of labels beside 'text'"),
        (["distill", "--teacher", "onnx/model.onnx", "--data", "texts.tsv", "--student", "tiny", *SHORT], "no output"),
        (["distill", "--teacher", "hf:empty", "--data", "texts.tsv", "--student", "tiny", *SHORT], "config.json"),
        (["distill", "--teacher", "hf:teacher", "--data", "other.tsv", "--student", "tiny", *SHORT], "does not know"),
        ([*LABELLED, "--student", "tiny", "--vocabulary", "fewer.txt"], "its numbers mean other pieces"),
        (["measure", "--model", "hf:fresh", "--data", "texts.tsv"], "it was saved before it was trained"),
        (["measure", "--model", "hf:teacher", "--data", "lines.txt"], "holds texts without labels"),
        (
            ["compress", "--teacher", "hf:teacher", "--data", "texts.tsv", "--target", "2x smaller"],
            "distill --student half",
        ),
    ],
)
def test_what_cannot_work_is_one_sentence_and_leaves_nothing(capsys, line, sentence):
    Path("empty").mkdir()
    Path("empty/vocab.txt").write_text(Path("teacher/vocab.txt").read_text())
    save_classifier(text_classifier(2, vocabulary=len(known_pieces()), separator=3), Path("fresh"))
    Path("fresh/vocab.txt").write_text(Path("teacher/vocab.txt").read_text())
    Path("fewer.txt").write_text(Path("teacher/vocab.txt").read_text().replace("\nbal\n", "\nball\n"))
    Path("other.tsv").write_text("text\tlabel\n" + "Это очень хорошо\tx\nА это плохо\ty\n" * 20)
    assert main(line) in (2, 3)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not list(Path("runs").glob("own-*/*"))
