"""A trained network that is set up wrongly is stopped before training, and the right cause is named."""

from dataclasses import replace

import pytest
import torch

from stripes import CLASSES, MEAN, STD, ImageNets, Large, Levels, Net, of_another, sets, trained, with_background
from tutelage.progress import Silence
from tutelage.run import Run
from tutelage.study.diagnosis.causes import chosen, diagnosed
from tutelage.study.diagnosis.fresh import looks_fresh
from tutelage.study.diagnosis.gains import is_clear
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.teacher import own_teacher
from tutelage.study.own.teacher_settings import OwnTeacherSettings

pytestmark = pytest.mark.slow  # one network is trained, and asked some thousand times


class Notes(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def run_with(tmp_path, data, state=None, name="stripes:Net", **settings):
    """What a run says of a teacher; and nothing of it is left in ``stages`` but the teacher itself."""
    file = tmp_path / "net.pt"
    torch.save(trained() if state is None else state, file)
    notes = Notes()
    with Run("toy:own", root=tmp_path / "runs", device="cpu", exact=True, progress=notes) as run:
        own_teacher(run, data, OwnTeacherSettings(teacher=name, weights=file, **settings))
    return notes.notes


NONE = ((0.0,) * 3, (1.0,) * 3)
WRONG = {
    "BGR": (lambda: sets(change=lambda x: x.flip(1)), Net, trained, r"channels in the order BGR .* 100.0 %: network"),
    "wrong mean": (sets, ImageNets, trained, r"normalised as ImageNet is .* --teacher-mean 0.485 0.456 0.406 --tea"),
    "not normalised": (lambda: sets(mean=NONE[0], std=NONE[1]), ImageNets, trained, "normalised as ImageNet is"),
    "0 to 255": (sets, Levels, trained, r"pictures from 0 to 255 .* --teacher-mean 0 0 0 --teacher-std 0.00392157"),
    "sorted": (lambda: sets(classes=tuple(sorted(CLASSES))), Net, trained, "classes sorted as numbers"),
    "one more": (sets, lambda: Net(13), with_background, "13 .*12 classes.*without its first answer"),
    "another size": (sets, Large, trained, "with pictures of 32 pixels a side .*: --teacher-size 32"),
    "transposed": (lambda: sets(change=lambda x: x.transpose(2, 3)), Net, trained, "with pictures transposed"),
    "inverted": (lambda: sets(change=lambda x: 255 - x), Net, trained, r"with pictures inverted \(1 - x\)"),
    "wrong file": (sets, Net, of_another, "most likely other weights"),
    "untrained": (sets, Net, lambda: Net().state_dict(), "it is untrained"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_set_up_is_stopped_and_the_right_cause_is_named(name, tmp_path):
    data, network, weights, said = WRONG[name]
    built = {Net: "stripes:Net", ImageNets: "stripes.ImageNets", Levels: "stripes:Levels", Large: "stripes:Large"}
    with pytest.raises(ValueError, match=said) as refusal:
        run_with(tmp_path, data(), weights(), built.get(network, "stripes:Net"), expect=0.93)
    first = str(refusal.value).partition("samples: ")[2]
    expected = {"BGR": "channels", "wrong mean": "pictures normalised", "not normalised": "pictures normalised",
                "0 to 255": "pictures from 0 to 255", "sorted": "classes", "another size": "pictures of 32",
                "transposed": "pictures transposed", "inverted": "pictures inverted"}.get(name)  # fmt: skip
    assert expected is None or first.startswith(f"with {expected}")
    assert not [x for x in (tmp_path / "runs").rglob("log.jsonl") if x.stat().st_size]


def test_two_wrongs_are_named_together(tmp_path):
    with pytest.raises(ValueError, match=r"as ImageNet is, and channels in the order BGR, it would have (9|100)"):
        run_with(tmp_path, sets(change=lambda x: x.flip(1)), name="stripes:ImageNets", expect=93)


def test_at_chance_it_is_stopped_without_an_expectation_too(tmp_path):
    with pytest.raises(ValueError, match=r"not clearly better than one constant answer.*classes sorted as numbers"):
        run_with(tmp_path, sets(classes=tuple(sorted(CLASSES))))


def test_few_validation_samples_do_not_make_a_good_network_one_of_chance(tmp_path):
    whole = sets()
    few = whole.validation[(whole.validation.targets < 2).nonzero().flatten()[:6]]
    assert any("too few to tell it from chance" in note for note in run_with(tmp_path, replace(whole, validation=few)))
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="constant answer"):
        run_with(tmp_path, replace(whole, validation=few), Net().state_dict())


def test_what_costs_some_points_is_said_and_does_not_stop(tmp_path):
    notes = run_with(tmp_path, sets(change=lambda x: x.flip(1)))
    assert any("WARNING" in note and "channels in the order BGR" in note for note in notes)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_right_set_up_is_never_accused(seed, tmp_path):
    data = sets(count=200, seed=seed)
    notes = run_with(tmp_path, data, expect=0.93)
    assert any("stripes:Net with the weights in" in note and "% accuracy" in note for note in notes)
    assert not any("WARNING" in note for note in notes)
    network = Net()
    network.load_state_dict(trained())
    assert not diagnosed(network, data, Way(), "--teacher-").causes


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_network_that_knows_nothing_is_not_said_to_know_something(seed):
    torch.manual_seed(seed)
    for network in (Net(), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 12))):
        found = diagnosed(network, sets(seed=seed), Way(), "--teacher-")
        assert not found.causes and "untrained" in str(found)


def test_of_few_samples_other_weights_are_not_called_likely():
    network = Net()
    network.load_state_dict(of_another())
    few, many = (str(diagnosed(network, sets(count=count), Way(), "--teacher-")) for count in (48, 400))
    assert few.endswith("clearly helps") and "clearly helps: these are most likely other weights" in many


def test_its_own_size_and_normalisation_are_put_in_front(tmp_path):
    settings = {"teacher_mean": (0.485, 0.456, 0.406), "teacher_std": (0.229, 0.224, 0.225)}
    assert "accuracy" in run_with(tmp_path, sets(), name="stripes:ImageNets", expect=0.9, **settings)[-1]
    assert "accuracy" in run_with(tmp_path, sets(), name="stripes:Large", expect=0.9, teacher_size=32)[-1]
    wrong = {"teacher_mean": (0.0,) * 3, "teacher_std": (1.0,) * 3}
    with pytest.raises(ValueError, match=r"normalised as the data are it would have (100|9\d)"):
        run_with(tmp_path, sets(), expect=0.9, **wrong)


def test_a_file_of_one_class_more_is_told_by_its_last_layer(tmp_path):
    with pytest.raises(ValueError, match=r"with 13 answers, and stripes:Net has 12 .*without its first answer"):
        run_with(tmp_path, sets(), with_background())


def test_fresh_weights_are_seen_and_trained_ones_are_not_called_so():
    network = Net()
    assert looks_fresh(network)
    network.load_state_dict(trained())
    assert not looks_fresh(network)
    linear = torch.nn.Linear(64, 12)
    assert looks_fresh(linear)
    torch.nn.init.normal_(linear.weight, std=0.1)
    assert not looks_fresh(linear)


def test_gains_are_clear_only_beyond_chance_over_all_that_was_tried():
    few = torch.tensor([1.0] * 12 + [0.0] * 100)
    assert is_clear(torch.tensor([1.0] * 40 + [0.0] * 100), 30) and not is_clear(few, 30)
    assert not is_clear(torch.zeros(10), 1)


def test_the_samples_are_always_the_same():
    data = sets(count=50).validation
    assert chosen(data, 9).index.tolist() == chosen(data, 9).index.tolist() and MEAN and STD
    assert len(chosen(data, 999)) == 50


def test_a_few_validation_samples_neither_refuse_a_good_network_nor_let_one_pass_that_guesses(tmp_path):
    data = sets(count=200)
    data = replace(data, validation=data.validation[torch.arange(3)])
    assert any("100 % accuracy" in note for note in run_with(tmp_path, data))
    with pytest.raises(ValueError, match="not clearly better than one constant answer"):
        run_with(tmp_path, data, of_another())
