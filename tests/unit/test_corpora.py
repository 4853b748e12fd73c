"""Readers of GLUE and WikiText-2: rows as they are published, and a sentence for each that is not."""

import gzip

import pytest
import torch

from tutelage.data.glue import COLUMNS, glue
from tutelage.data.synthetic_sentences import known_pieces, pairs, spoken
from tutelage.data.wikitext import wikitext2

ROWS = {
    "CoLA": ["gj04\t1\t\tIt is so .", "gj04\t0\t*\tIs it so it ."],
    "SST-2": ["sentence\tlabel", "a fine film \t1", "not \"a\" film \t0"],
    "MRPC": ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t2\t3\tIt rose .\tIt went up .", "0\t4\t5\tA\tB"],
    "STS-B": ["index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
              "0\tg\tf\t2012\t1\ta\tb\tIt rose .\tIt went up .\t4.75", "1\tg\tf\t2012\t1\ta\tb\tA\tB\t0"],
    "RTE": ["index\tsentence1\tsentence2\tlabel", "0\tIt rose .\tIt went up .\tentailment", "1\tA\tB\tnot_entailment"],
    "WNLI": ["index\tsentence1\tsentence2\tlabel", "0\tIt rose .\tIt went up .\t1", "1\tA\tB\t0"],
}  # fmt: skip
TARGETS = {"CoLA": [1, 0], "SST-2": [1, 0], "MRPC": [1, 0], "STS-B": [[4.75], [0]], "RTE": [0, 1], "WNLI": [1, 0]}


def put(folder, task, lines, part="train", end="\n"):
    place = folder / "glue" / task
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{part}.tsv.gz").write_bytes(gzip.compress(end.join(lines).encode("utf-8-sig")))


@pytest.mark.parametrize("task", list(COLUMNS))
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sentences_and_labels_come_as_they_stand(tmp_path, task, end):
    put(tmp_path, task, [*ROWS[task], ""], end=end)
    found = glue(task, "train", tmp_path)
    assert found.targets.tolist() == TARGETS[task] and found.targets.dtype == torch.tensor(TARGETS[task]).dtype
    assert len(found) == 2 and (found.seconds is None) == (task in ("CoLA", "SST-2"))
    assert found.firsts[0] in ("It is so .", "a fine film ", "It rose .")


@pytest.mark.parametrize("task", list(COLUMNS))
def test_a_label_outside_its_task_is_refused_with_the_line(tmp_path, task):
    lines = ROWS[task]
    last = lines[-1].split("\t")
    last[COLUMNS[task].label] = "7"
    put(tmp_path, task, [*lines[:-1], "\t".join(last)])
    with pytest.raises(ValueError, match=rf"train.tsv.gz, line {len(lines)}: {task} has the labels .*; here is '7'"):
        glue(task, "train", tmp_path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["index\tsentence1\tsentence2\tlabel"], "has no rows"),
        (["index\tsentence1\tsentence2\tlabel", "0\tA\tentailment"], "line 2: RTE has 4 columns or more, not 3"),
    ],
)
def test_rows_that_are_not_there_are_refused(tmp_path, lines, said):
    put(tmp_path, "RTE", lines)
    with pytest.raises(ValueError, match=said):
        glue("RTE", "train", tmp_path)


def test_files_of_the_test_have_no_labels(tmp_path):
    put(tmp_path, "RTE", ["index\tsentence1\tsentence2", "0\tA\tB"], "test")
    put(tmp_path, "CoLA", ["index\tsentence", "0\tIt is ."], "test")
    assert glue("RTE", "test", tmp_path).seconds == ("B",) and glue("CoLA", "test", tmp_path).firsts == ("It is .",)
    assert glue("CoLA", "test", tmp_path).targets.shape == (1, 0)


def test_a_task_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match="no task 'QQP' of GLUE here; the tasks are CoLA"):
        glue("QQP", "train", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"RTE/dev\.tsv"):
        glue("RTE", "dev", tmp_path)


def test_headings_and_empty_lines_of_wikitext_are_no_text(tmp_path):
    (tmp_path / "wikitext2").mkdir()
    text = " \n = Title = \n \n It rose . \n = = Part = = \n It fell . \n"
    (tmp_path / "wikitext2" / "train.txt.gz").write_bytes(gzip.compress(text.encode()))
    assert wikitext2("train", tmp_path) == ["It rose .", "It fell ."]


@pytest.mark.parametrize("content", [gzip.compress(b"\xff\xfe"), gzip.compress(b"text")[:-9]])
def test_a_damaged_text_is_refused_with_its_path(tmp_path, content):
    (tmp_path / "wikitext2").mkdir()
    (tmp_path / "wikitext2" / "valid.txt.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"valid.txt.gz is (no text in UTF-8|truncated)"):
        wikitext2("valid", tmp_path)


def test_drawn_sentences_are_known_and_pairs_share_as_many_words_as_their_score_says():
    pieces, drawn = known_pieces(), pairs(50)
    assert all(1 not in pieces.of_text(text) for text in spoken(50))
    for first, second, score in zip(drawn.firsts, drawn.seconds, drawn.targets.flatten().tolist(), strict=True):
        left, right = first.split(), second.split()
        assert score == pytest.approx(5 * sum(a == b for a, b in zip(left, right, strict=True)) / len(left))
    assert spoken(9) == spoken(20)[:9] and spoken(9, seed=1) != spoken(9)
