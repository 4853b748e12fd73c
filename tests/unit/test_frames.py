"""Frames of speech from recordings to the results: parts by speaker, targets, scores of frames and of words."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from examples import same
from tutelage.data.filter_banks import centred, log_mel, windows
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic_speech import hummed
from tutelage.losses.kd import arithmetic
from tutelage.measures.ensemble import ensemble_answers, ensemble_errors
from tutelage.measures.predict import predict
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import adam
from tutelage.progress import Silence
from tutelage.report.groups import group_runs
from tutelage.report.page import page_html
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.run import Run
from tutelage.schemes.distill import distilled_from_many
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.experiments.speech import corpus, refuse_speakers
from tutelage.tasks.frames import FRAMES, WORDS, Spoken, chance_of_gain, frames, recognised

TAKES = 6
HUMMED = hummed(TAKES)
SPLIT = {"test": ("dee",), "validation": ("cid",), "states": 3, "rounds": 2, "device": torch.device("cpu")}


@pytest.fixture(scope="module")
def speech():
    return corpus("synthetic", HUMMED, **SPLIT)


class TestCorpus:
    def test_no_speaker_is_in_two_parts(self, speech):
        said = {}
        for name in ("train", "validation", "test"):
            numbers = speech.spoken.recording[getattr(speech.sets, name).index].unique()
            said[name] = {HUMMED[r].speaker for r in numbers.tolist()}
            assert speech.recordings(getattr(speech.sets, name)) == len(numbers) == 10 * TAKES * len(said[name])
        assert said == {"train": {"ann", "bob"}, "validation": {"cid"}, "test": {"dee"}}

    def test_every_frame_is_in_one_part_with_its_own_window_and_state(self, speech):
        sets = speech.sets
        assert sorted(torch.cat([part.index for part in (sets.train, sets.validation, sets.test)]).tolist()) == list(
            range(len(speech.spoken.recording))
        )
        number = HUMMED.index(next(x for x in HUMMED if x[:3] == (4, "dee", 5)))
        rows = speech.spoken.recording[sets.test.index] == number
        features = centred(log_mel(HUMMED[number].samples)) / torch.tensor(sets.normalisation[1], dtype=torch.float64)
        assert torch.equal(sets.test.inputs[rows], windows(features).half())
        states = sets.test.targets[rows]
        assert states[0] == 12 and states[-1] == 14 and set(states.diff().tolist()) == {0, 1}
        assert [sets.test.classes[s] for s in states.unique().tolist()] == ["four 1", "four 2", "four 3"]

    def test_the_deviation_is_that_of_the_frames_that_are_trained_on(self, speech):
        named = speech.sets.train.inputs[:, 20].float()
        assert torch.allclose(named.std(0), torch.ones(40), atol=1e-2) and named.mean(0).abs().max() < 1e-2
        prior = speech.sets.train.targets.bincount(minlength=30) / len(speech.sets.train)
        assert torch.allclose(speech.spoken.log_prior.exp(), prior)

    def test_it_is_the_same_each_time_and_another_of_other_recordings(self, speech):
        again, other = corpus("synthetic", HUMMED, **SPLIT), corpus("synthetic", hummed(TAKES, seed=1), **SPLIT)
        assert again.sets.train.checksum == speech.sets.train.checksum != other.sets.train.checksum
        assert again.spoken.checksum == speech.spoken.checksum != other.spoken.checksum

    def test_a_few_recordings_are_whole_and_of_all_words(self, speech):
        few, fewer = (speech.few(part).train for part in (0.5, 0.25))
        of = speech.spoken.recording
        numbers = of[few.index].unique()
        assert len(numbers) == 60 and speech.spoken.words[numbers].bincount().tolist() == [6] * 10
        assert len(few) == torch.isin(of, numbers).sum()  # no frame of them is missing
        assert set(fewer.index.tolist()) < set(few.index.tolist())
        assert speech.few(1.0).train.checksum == speech.sets.train.checksum

    @pytest.mark.parametrize("part", [1e-9, 5 / 120, 9 / 120])
    def test_too_few_recordings_to_have_each_word_are_refused(self, speech, part):
        with pytest.raises(
            ValueError, match=r"leaves \d of 120 recordings, none of which says '\w+'; take a larger one"
        ):
            speech.few(part)

    def test_the_fewest_have_each_word_once(self, speech):
        numbers = speech.spoken.recording[speech.few(10 / 120).train.index].unique()
        assert speech.spoken.words[numbers].tolist() == list(range(10))

    @pytest.mark.parametrize(
        ("test", "validation", "sentence"),
        [
            (["eve"], ["cid"], "ann, bob, cid, dee; nobody is called 'eve', whom --speech.test names"),
            (["dee"], ["eve"], "ann, bob, cid, dee; nobody is called 'eve', whom --speech.validation names"),
            (["dee"], [], r"Nobody is left for --speech.validation"),
            ([], ["cid"], r"Nobody is left for --speech.test"),
            (["cid", "dee"], ["cid"], "cid is to be heard in the test and in validation; a speaker is in one part"),
            (["ann", "bob"], ["cid", "dee"], "Every speaker is kept for the test or validation; leave somebody"),
        ],
    )
    def test_parts_that_cannot_be_are_refused(self, test, validation, sentence):
        with pytest.raises(ValueError, match=sentence):
            refuse_speakers({"ann", "bob", "cid", "dee"}, test, validation)


def scored(logits, targets, recording, words, states=1):
    num_words = logits.shape[-1] // states
    spoken = Spoken(recording, words, torch.zeros(logits.shape[-1]), num_words)
    return frames(spoken).score(logits, labelled("drawn", torch.zeros(len(targets), 1), targets))


class TestScores:
    def test_frames_and_words_are_counted(self):
        """Three recordings of 2, 3 and 1 frames; the second is taken for the other word by two of its frames."""
        recording, words = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([0, 0, 1])
        answers = torch.tensor([[2.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 1.0]])
        scores = scored(answers, words[recording], recording, words)
        assert scores[FRAMES.name].value == pytest.approx(100 * 4 / 6, abs=1e-3)
        assert scores[WORDS.name].value == pytest.approx(100 / 3, abs=1e-3)

    def test_states_come_in_their_order(self):
        """One word is low, then high, the other high, then low: only the order tells them apart."""
        low, high = [4.0, 0.0, 0.0, 4.0], [0.0, 4.0, 4.0, 0.0]
        spoken = Spoken(torch.zeros(8), torch.zeros(1), torch.zeros(4), 2)
        answers = torch.tensor([low, low, high, high, high, high, low, low])
        assert recognised(answers, torch.tensor([4, 4]), spoken).tolist() == [0, 1]

    def test_a_state_that_is_often_seen_is_no_better_for_that(self):
        """Hybrid scores: what the network says is divided by how often a state is seen."""
        answers = torch.tensor([[0.6, 0.4]]).log()
        for often, heard in (([0.5, 0.5], 0), ([0.8, 0.2], 1)):
            spoken = Spoken(torch.zeros(1), torch.zeros(1), torch.tensor(often).log(), 2)
            assert recognised(answers, torch.tensor([1]), spoken).tolist() == [heard]

    def test_the_interval_is_of_recordings_and_not_of_frames(self):
        """Half of 1,000 frames are right: half of each of 100 recordings, or all frames of half of them."""
        recording, words = torch.arange(1000) // 10, torch.zeros(100, dtype=torch.int64)
        targets = torch.zeros(1000, dtype=torch.int64)

        def reach(wrong):
            low, high = scored(nn.functional.one_hot(wrong, 2).float(), targets, recording, words)[FRAMES.name].interval
            assert low < 50 < high
            return high - low

        together, scattered = reach((recording < 50).long()), reach(torch.arange(1000) % 2)
        assert 19 < together < 21  # as 100 draws: 2 · 1.96 · √(0.25 / 100) = 19.6 %
        assert scattered < 7  # never less than 1,000 draws: 6.2 %

    def test_two_that_find_the_same_recordings_hard_differ_by_little_chance(self):
        """By hand: gaps of 0 and 1 frame in recordings of 2; D = 1/4, variance (2 · ½²) · 2 / 1 / 4² = 1/16."""
        recording = torch.tensor([0, 0, 1, 1])
        spoken = Spoken(recording, torch.zeros(2), torch.zeros(2), 2)
        data = labelled("drawn", torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64))
        some, others = (nn.functional.one_hot(torch.tensor(x), 2).float() for x in ([1, 1, 0, 0], [1, 1, 0, 1]))
        assert chance_of_gain(some, others, data, spoken=spoken) == pytest.approx(100 * 1.96 / 4)
        order = torch.tensor([3, 0, 2, 1])
        mixed = chance_of_gain(some[order], others[order], data[order], spoken=spoken)
        assert mixed == pytest.approx(100 * 1.96 / 4)
        more = nn.functional.one_hot(torch.tensor([0, 1, 0, 1]), 2).float()  # one frame more in each recording
        none = nn.functional.one_hot(torch.tensor([1, 1, 1, 1]), 2).float()
        assert chance_of_gain(more, none, data, spoken=spoken) == 0

    def test_where_all_are_right_the_interval_is_not_nothing(self):
        recording = torch.arange(100) // 10
        scores = scored(torch.tensor([[1.0, 0.0]] * 100), torch.zeros(100, dtype=torch.int64), recording,
                        torch.zeros(10, dtype=torch.int64))  # fmt: skip
        assert scores[FRAMES.name].value == 100 and scores[FRAMES.name].interval[0] < 80
        assert scores[WORDS.name].value == 0 and scores[WORDS.name].interval[1] > 20

    def test_states_that_words_do_not_share_are_refused(self):
        with pytest.raises(ValueError, match="3 words have as many states each; got 7 in all"):
            Spoken(torch.zeros(1), torch.zeros(1), torch.zeros(7), 3)


def test_an_ensemble_answers_with_the_mean_of_its_probabilities(speech):
    torch.manual_seed(0)
    members = [mlp((1040, 30)) for _ in range(3)]
    data = speech.sets.test[torch.arange(50)]
    answers = ensemble_answers(members, data, arithmetic)
    mean = torch.stack([predict(member, data).softmax(-1) for member in members]).mean(0)
    assert torch.allclose(answers.exp(), mean, atol=1e-6)
    assert ensemble_errors(members, data, arithmetic) == int((answers.argmax(-1) != data.targets).sum())
    with pytest.raises(ValueError, match="at least 1 member; got none"):
        ensemble_answers([], data, arithmetic)


def plan(sets, epochs=2):
    return Plan(Lesson(sets.train, sets.validation, batch_size=100, seed=1), partial(adam, lr=2e-3), epochs,
                task=sets.task)  # fmt: skip


BUILD = partial(mlp, (1040, 16, 30))


class Stopped(Exception):
    pass


class Stops(Silence):
    """Ends a training after some steps of its student."""

    name = ""

    def stage(self, name, *_):
        self.name = name

    def step(self, step, *_):
        if (self.name, step) == ("student", 2):
            raise Stopped


def test_a_student_of_many_that_was_stopped_goes_on_to_the_same_bits(speech, tmp_path):
    sets = speech.few(0.1)

    def student(root, progress):
        with Run("lab:speech", root=root, device="cpu", exact=True, progress=progress) as run:
            alone = partial(supervised, plan=plan(sets, 1))
            teachers = [run.stage(f"member {k}", BUILD, alone, seed=k).last for k in (1, 2)]
            fit = partial(distilled_from_many, plan=plan(sets), teachers=teachers, average=arithmetic, temperature=2.0,
                          label=0.5, soft=0.5)  # fmt: skip
            run.save_every = 0.0 if isinstance(progress, Stops) else 60.0  # after each step
            return run.stage("student", BUILD, fit).last

    with pytest.raises(Stopped):
        student(tmp_path / "stopped", Stops())
    assert list((tmp_path / "stopped").rglob("checkpoint.safetensors"))
    whole, resumed = student(tmp_path / "whole", Silence()), student(tmp_path / "stopped", Silence())
    assert same(whole.state_dict(), resumed.state_dict())


class Heard(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize("count", [1, 2])
def test_of_an_ensemble_of_one_it_is_said(speech, tmp_path, count):
    sets, heard = speech.few(0.1), Heard()
    with Run("lab:speech", root=tmp_path, device="cpu", progress=heard) as run:
        teachers = [
            run.stage(f"member {k}", BUILD, partial(supervised, plan=plan(sets, 1)), seed=k).last for k in range(count)
        ]
        run.stage("student", BUILD, partial(distilled_from_many, plan=plan(sets, 1), teachers=teachers,
                  average=arithmetic, temperature=2.0, label=0.5, soft=0.5))  # fmt: skip
    said = "student: an ensemble of one teacher, which is that teacher alone"
    assert (said in heard.notes) == (count == 1)


def test_a_report_of_what_is_no_picture_shows_none(speech, tmp_path):
    sets = speech.few(0.5)
    with Run("lab:speech", root=tmp_path, device="cpu") as run:
        nets = {name: run.stage(name, BUILD, partial(supervised, plan=plan(sets, 1)), seed=k)
                for k, name in enumerate(("teacher", "student"))}  # fmt: skip
        publish_networks(run, sets, {name: Evaluated(name, "a net", net) for name, net in nets.items()}, [])
    found = json.loads((run.folder / "results.json").read_text())
    assert found["examples"] == [] and found["networks"][1]["agreement"] is not None
    assert [x["name"] for x in found["metrics"]] == ["frame accuracy", "word error"]
    groups = group_runs([read_run(run.folder)])
    page = page_html(groups, story_of(groups))
    words = page.partition("<body")[2]
    assert "frame accuracy" in words and "word error" in words
    assert sets.test.classes[found["networks"][1]["confusion"][0][1]] in words
    assert "Examples worth a look" not in words and " image" not in words


def test_a_set_cut_out_of_recordings_is_scored_as_what_is_left(speech):
    data = speech.sets.test[torch.arange(0, len(speech.sets.test), 7)]
    answers = 9.0 * nn.functional.one_hot(data.targets, 30)
    scores = replace(speech.sets.task).score(answers, data)
    assert scores[FRAMES.name].value == 100 and 0 <= scores[WORDS.name].value <= 100
