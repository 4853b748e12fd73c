"""No soft target is taken of probabilities without a word: what a teacher ends in is seen, said and undone."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from task_networks import CASES
from tutelage.arguments import refuse_probabilities
from tutelage.data.labelled import labelled
from tutelage.foreign.forms import own_network
from tutelage.foreign.log_answers import ends_in, logits_of
from tutelage.foreign.table_answers import Named, looked_up
from tutelage.foreign.table_file import Table, read_table
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.given_sets import given_sets
from tutelage.study.own.measured import measured_network
from tutelage.study.own.teacher_builds import as_logits, kind_of
from tutelage.study.sets import Sets
from tutelage.tasks.by_name import tasks
from tutelage.tasks.segmentation import SEGMENTATION


class Contrasts(nn.Module):
    """Right by construction: logits of how bright each channel is, or its difference from the mean of all."""

    def __init__(self, outputs, maps=False, scale=20.0):
        super().__init__()
        self.outputs, self.maps, self.scale = outputs, maps, nn.Parameter(torch.tensor(scale))

    def forward(self, x):
        bright = x if self.maps else x.mean((2, 3))
        return self.scale * (bright - 0.5)[:, : self.outputs]


class Then(nn.Module):
    """A network, and what comes after its logits."""

    def __init__(self, network, after):
        super().__init__()
        self.network, self.after = network, after

    def forward(self, x):
        return self.after(self.network(x))


NETWORKS = {
    "classification": Contrasts(3),
    "binary": Contrasts(1),
    "multi-label": Contrasts(3),
    "segmentation": Contrasts(3, maps=True),
}
ENDS = {
    "classification": [partial(torch.softmax, dim=1), torch.sigmoid, lambda z: 100 * z.softmax(1)],
    "binary": [torch.sigmoid, lambda z: z.sigmoid().squeeze(1)],
    "multi-label": [torch.sigmoid],
    "segmentation": [partial(torch.softmax, dim=1), torch.sigmoid],
}


def sets(case, task=None):
    parts = [case.data(24, seed) for seed in (0, 1, 2)]
    return Sets(*parts, task=task or case.task)


@pytest.mark.parametrize(("name", "end"), [(name, end) for name, ends in ENDS.items() for end in ends])
def test_what_ends_in_probabilities_answers_with_logits_and_that_is_said(name, end):
    data, notes = sets(CASES[name]), []
    plain, ended = NETWORKS[name], Then(NETWORKS[name], end)
    made = as_logits(lambda: ended, data, Way(), "net", None, notes.append)()
    answers, wanted = made(data.example), plain(data.example)
    assert answers.shape == wanted.shape and len(notes) == 1 and "net answers with probabilities" in notes[0]
    if answers.shape[1] > 1 and kind_of(data.task) == "classes" and end is not torch.sigmoid:
        answers, wanted = answers.softmax(1), wanted.softmax(1)  # a softmax does not tell by how much all are raised
    torch.testing.assert_close(answers, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_stay_as_they_are_without_a_word(name):
    data, notes = sets(CASES[name]), []
    made = as_logits(lambda: NETWORKS[name], data, Way(), "net", None, notes.append)()
    assert made is NETWORKS[name] and not notes


@pytest.mark.parametrize("name", ["classification", "multi-label", "segmentation"])
def test_logits_that_all_lie_from_0_to_1_stay_as_they_are_where_that_is_said(name):
    data, notes = sets(CASES[name]), []
    near = Then(NETWORKS[name], lambda z: (z + 1000) / 2000)
    as_logits(lambda: near, data, Way(), "net", None, notes.append)()
    assert notes[0].endswith("(--teacher-answers logits leaves them as they are)")
    assert as_logits(lambda: near, data, Way(), "net", None, notes.append, said="logits")() is near and len(notes) == 1


@pytest.mark.parametrize("said", ["softmax", "sigmoid"])
def test_probabilities_that_do_not_look_so_are_taken_for_them_where_that_is_said(said):
    data, notes = sets(CASES["classification"]), []
    halves = Then(NETWORKS["classification"], lambda z: z.softmax(1) / 2)
    made = as_logits(lambda: halves, data, Way(), "net", None, notes.append, said=said)()
    assert made.end == said and notes[0].endswith("taken as logits"), "nobody is told what they said"
    with pytest.raises(ValueError, match=rf"net answers from -.*, which are no probabilities of a {said}; say logits"):
        as_logits(lambda: NETWORKS["classification"], data, Way(), "net", None, notes.append, said=said)


@pytest.mark.parametrize("said", ["logits", "sigmoid"])
def test_of_a_table_it_is_said_as_well(said):
    table = Table(torch.tensor([[0.25, 0.75], [0.5, 0.5]]), ("1.png", "2.png"))
    named = Named(("1.png", "2.png"), ("ant", "bee"), said=said)
    answers, notes = looked_up(table, named, "answers.npz")
    wanted = table.answers if said == "logits" else torch.logit(table.answers)
    torch.testing.assert_close(answers, wanted)
    assert any("log odds" in note for note in notes) is (said == "sigmoid")
    assert named.checksum != replace(named, said="auto").checksum


def test_numbers_stay_as_they_are_whatever_they_sum_up_to():
    data, notes = sets(CASES["regression"]), []
    shares = Then(Contrasts(3), partial(torch.softmax, dim=1))
    assert as_logits(lambda: shares, data, Way(), "net", None, notes.append)() is shares and not notes
    assert all(ends_in(torch.rand(9, 3), kind_of(task)) == "" for task in tasks().values() if "regr" in task.name)


@pytest.mark.parametrize("end", [nn.Identity(), torch.sigmoid])
def test_one_logit_a_pixel_is_that_of_the_second_of_two_classes(end):
    inputs = CASES["segmentation"].data(8).inputs
    masks = (inputs[:, 0] > 127).to(torch.uint8)
    part = labelled("drawn", inputs, masks, ("background", "object"))
    data, notes, network = Sets(part, part, part, task=SEGMENTATION), [], Contrasts(1, maps=True)
    made = as_logits(lambda: Then(network, end), data, Way(), "net", None, notes.append)()
    answers = made(data.example)
    torch.testing.assert_close(answers[:, 1:], network(data.example), rtol=1e-3, atol=1e-3)
    assert not answers[:, 0].any() and any("one logit a pixel" in note for note in notes)
    found = measured_network(Then(network, end), data, device="cpu", rounds=1)
    assert found.scores["pixel accuracy"].value == 100


@pytest.mark.parametrize("kind", ["classes", "labels"])
@pytest.mark.parametrize("shape", [(64, 4), (64, 4, 3, 3)])
def test_what_it_ends_in_is_found_in_every_precision_and_its_inverse_is_exact(kind, shape):
    logits = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert ends_in(logits, kind) == ends_in(logits.abs() + 1, kind) == ""
    end, p = ("softmax", logits.softmax(1)) if kind == "classes" else ("sigmoid", logits.sigmoid())
    for dtype in (torch.float64, torch.float32, torch.float16):
        assert ends_in(p.to(dtype), kind) == end
    back, inverse = logits_of(p, end).double(), {"softmax": partial(torch.softmax, dim=1), "sigmoid": torch.sigmoid}
    torch.testing.assert_close(inverse[end](back), p, rtol=1e-5, atol=1e-7)
    assert logits_of(torch.tensor([0.0, 1.0]), end).isfinite().all()


def test_a_handful_of_small_logits_are_no_probabilities():
    assert ends_in(torch.full((7,), 0.3), "labels") == "" and ends_in(torch.zeros(64), "labels") == ""


@pytest.mark.parametrize(("kind", "wanted"), [("labels", [0.0, 2.1972]), ("numbers", [0.5, 0.9])])
def test_a_table_of_probabilities_is_understood_as_the_task_has_it(kind, wanted, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("file,sky,sea\n" + "".join(f"{n}.png,0.5,0.9\n" for n in range(5)))
    names = tuple(f"{n}.png" for n in range(5))
    table = own_network(str(file), num_classes=2, samples=Named(names, ("sky", "sea"), kind))()
    torch.testing.assert_close(table(torch.tensor([3])), torch.tensor([wanted]), rtol=1e-3, atol=1e-4)


def test_kinds_of_tables_are_told_apart_by_their_checksum():
    assert len({Named(("a",), ("b",), kind).checksum for kind in ("classes", "labels", "numbers")}) == 3


def test_sigmoids_of_classes_are_refused_where_logits_are_wanted():
    z = 4 * torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="last sigmoid"):
        refuse_probabilities("teacher.output", z.sigmoid(), None)
    refuse_probabilities("teacher.output", z, None)


def test_a_network_that_takes_other_samples_is_one_sentence():
    data = sets(CASES["classification"])
    with pytest.raises(ValueError, match=r"^net does not answer samples of shape \(3, 16, 16\): RuntimeError"):
        as_logits(lambda: nn.Conv2d(1, 2, 1), data, Way(), "net", None, print)


class Leaves(nn.Module):
    def forward(self, _):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Leaves(), r"^net does not answer samples of shape \(3, 16, 16\): SystemExit: 3"),
        (Then(Contrasts(3), lambda z: z.argmax(1)), r"^net answers 2 samples with numbers of shape \(2,\); a classif"),
        (Then(Contrasts(3), lambda _: None), "^net answers with None, where one tensor is wanted"),
        (Then(Contrasts(3), lambda z: (z, z)), "^net answers with a tuple .* where one tensor is wanted"),
    ],
)
def test_what_is_no_answer_to_a_sample_is_one_sentence(network, said):
    with pytest.raises(ValueError, match=said):
        as_logits(lambda: network, sets(CASES["classification"]), Way(), "net", None, print)


def test_a_table_without_names_is_of_the_rows_of_the_data_in_whatever_order_sets_have_them():
    table = Table(torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    answers, notes = looked_up(table, Named(("row 3", "row 1"), ("a", "b")), "answers.csv")
    assert answers.tolist() == [[4.0, 5.0], [0.0, 1.0]] and any(
        "rows are taken for those of the data" in x for x in notes
    )
    with pytest.raises(ValueError, match="has 3 rows; the data go on to row 4"):
        looked_up(table, Named(("row 4", "row 1"), ("a", "b")), "answers.csv")
    whole = looked_up(table, Named(("0", "1", "2"), ("a", "b")), "answers.csv")
    assert torch.equal(whole[0], table.answers), "of samples that nobody named"


@pytest.mark.parametrize("names", [("a/1.png", "a/2.png", "b/1.png"), ("train/row 1", "train/row 2", "test/row 1")])
def test_a_table_without_names_is_refused_where_nothing_says_which_sample_is_which(names):
    table = Table(torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    with pytest.raises(ValueError, match=rf"names no samples, and theirs are '{names[0]}'.*; add these to it"):
        looked_up(table, Named(names, ("a", "b")), "answers.csv")
    found, _ = looked_up(replace(table, names=names[::-1]), Named(names, ("a", "b")), "answers.csv")
    assert torch.equal(found, table.answers.flip(0))  # as it says


@pytest.mark.parametrize("names", [("1", "2"), ("x/1.JPG", "x/2.JPG"), ("1.txt.png", "2.txt.png")])
def test_names_are_compared_without_their_endings_where_nothing_else_fits(names):
    table, samples = Table(3 * torch.eye(2) - 1, names), Named(("b/2.png", "a/1.png"), ("a", "b"))
    if "txt" in names[0]:
        with pytest.raises(ValueError, match="has no row for any of 2 samples"):
            looked_up(table, samples, "answers.csv")
        return
    answers, notes = looked_up(table, samples, "answers.csv")
    assert torch.equal(answers, table.answers.flip(0)) and "names are compared without their endings" in notes


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        (("BEE", "Ant", "other"), [1, 0]),
        (("logit_10", "logit_2"), [1, 0]),
        (("p1", "p0"), [1, 0]),
        (("first", "second"), [0, 1]),
        (("x1", "y1"), [0, 1]),
    ],
)
def test_columns_follow_the_names_of_classes_or_their_own_numbers(columns, order):
    values = torch.arange(2.0 * len(columns)).view(2, -1)
    answers, notes = looked_up(Table(values, ("1", "2"), columns), Named(("1", "2"), ("ant", "bee")), "a.csv")
    assert torch.equal(answers, values[:, order]) and len(notes) >= 1


def test_tables_of_text_are_read_with_any_separator_and_not_without_a_header(tmp_path):
    for separator in ",;\t|":
        (tmp_path / "a.csv").write_text(
            separator.join(("file", "ant", "bee")) + "\n" + separator.join(("1", "0", "2.5"))
        )
        found = read_table(tmp_path / "a.csv")
        assert (found.names, found.columns, found.answers.tolist()) == (("1",), ("ant", "bee"), [[0.0, 2.5]])
    (tmp_path / "a.csv").write_text("1.png,0.25,0.75\n2.png,0.5,0.5")
    with pytest.raises(ValueError, match=r"its first line, with 0\.25, is a sample"):
        read_table(tmp_path / "a.csv")
    np.savez(tmp_path / "a.npz", logits=np.eye(2), names=np.array([b"1.png", b"2.png"]))
    assert read_table(tmp_path / "a.npz").names == ("1.png", "2.png")


def test_samples_of_all_parts_have_numbers_of_their_own():
    parts = [TensorDataset(torch.rand(n, 3), torch.arange(n) % 2) for n in (6, 4, 5)]
    data = given_sets(parts)
    index = torch.cat([part.index for part in (data.train, data.validation, data.test)])
    assert index.tolist() == list(range(15))
