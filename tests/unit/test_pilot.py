"""What a pilot measures, and that it ends when it should: on a network of a few numbers, with no look at the clock."""

from copy import deepcopy
from dataclasses import replace
from functools import partial, wraps
from math import inf
from time import perf_counter
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tutelage import machine
from tutelage.checkpoint import read_json, write_json
from tutelage.checksums import summed, unsummed
from tutelage.cli.command import main
from tutelage.data import augment
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.keys import described
from tutelage.run import Run
from tutelage.study.budget import MOST, Pace
from tutelage.study.own.instances import build_of, instance_of, stage_of
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.planning import short_training
from tutelage.study.planning.clocks import LOOKS, later_step_time, validation_time
from tutelage.study.planning.pilot import Found, bytes_of, fitting_batch, held_bytes, pilot, steps_within
from tutelage.study.planning.plan_in_words import plan_in_words
from tutelage.study.planning.range_test import FEWEST
from tutelage.study.planning.short_training import FEWEST_STEPS, train_again, train_briefly
from tutelage.study.planning.short_trials import MOST_STEPS, OPTIMIZERS, ShortTrials
from tutelage.study.planning.timed_plan import followed, place_of, read_plan, timed_plan
from tutelage.study.sets import Sets

pytestmark = pytest.mark.slow


def small(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))


def has_seen_a_batch(network: nn.Module) -> nn.Module:
    """A network whose normalisations no longer stand where they start."""
    network = deepcopy(network)
    network(torch.rand(8, 3, 2, 2))
    return network


class Counting(nn.Sequential):
    """How often it is asked."""

    asked = 0

    def forward(self, x):
        Counting.asked += 1
        return super().forward(x)


def counting() -> nn.Module:
    return Counting(*small())


def part(count, seed):
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.rand(count, 3, 2, 2, generator=draw)
    return labelled("some", inputs, (inputs.mean((1, 2, 3)) > 0.5).long(), ("dark", "bright"))


@pytest.fixture
def run(tmp_path):
    with Run("own:distill", root=tmp_path, device="cpu") as run:
        yield run


@pytest.fixture
def people(run):
    torch.manual_seed(0)
    data = Sets(part(600, 0), part(20, 1), part(20, 2))
    instance = instance_of(small(16))
    teacher = stage_of(run, instance, build_of(instance))
    return Participants(data, teacher, partial(small, 16), counting, ("large", "small"))


def trials(run, people, batch_size=32, **asked):
    return ShortTrials(run, people, DistillationSettings(**asked), batch_size, "nesterov")


class TestShortTrainings:
    def test_none_of_their_steps_begins_after_the_end_but_the_first_two(self, run, people):
        trial, factory = trials(run, people).trial("kd"), OPTIMIZERS["nesterov"](lr=0.1)
        assert len(train_briefly(run, trial, factory, 50, end=-inf, watched=True).losses) == FEWEST_STEPS
        whole = train_briefly(run, trial, factory, 50, watched=True)  # more than an epoch has
        assert len(whole.losses) == 50 and whole.step > 0

    def test_watched_or_not_they_train_the_same(self, run, people):
        trial, factory = trials(run, people).trial(None), OPTIMIZERS["nesterov"](lr=0.1)
        one, other = (train_briefly(run, trial, factory, 5, watched=watched) for watched in (True, False))
        assert len(one.losses) == 5 and other.losses == ()
        assert described(instance_of(one.model).checksum) == described(instance_of(other.model).checksum)

    @pytest.mark.parametrize(("epochs", "made"), [(MOST, 0), (1, 1)])
    def test_the_same_steps_again_are_those_of_a_training_that_has_seen_all(
        self, run, people, monkeypatch, epochs, made
    ):
        counted = []
        tinted = augment._tinted
        monkeypatch.setattr(augment, "_tinted", wraps(tinted)(lambda *a, **k: counted.append(1) or tinted(*a, **k)))
        monkeypatch.setattr(short_training, "perf_counter", lambda: len(counted))  # the time is how many were made
        pictures = labelled(
            "dots", torch.randint(256, (64, 3, 8, 8), dtype=torch.uint8), torch.zeros(64).long(), ("a", "b")
        )
        light = augment.augmentation("light", (8, 8), 3, 4).pictures
        trial = trials(run, people).trial(None)
        lesson = Lesson(pictures, None, light, 4, batch_size=16)
        build = lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 2))  # noqa: E731
        trial = replace(trial, build=build, plan=replace(trial.plan, lesson=lesson))
        factory = OPTIMIZERS["nesterov"](lr=0.1)
        assert train_again(run, trial, factory, 3, epochs=epochs).step == made
        assert train_briefly(run, trial, factory, 3).step == 1

    def test_a_teacher_is_not_asked_again(self, run, people, monkeypatch):
        asked = []
        monkeypatch.setattr(people.teacher.last, "forward", lambda x: asked.append(1) or torch.zeros(len(x), 2))
        train_again(run, trials(run, people).trial("kd"), OPTIMIZERS["nesterov"](lr=0.1), 10, epochs=MOST)
        assert 10 <= len(asked) < 20

    def test_a_loss_that_is_not_finite_ends_them(self, run, people):
        trial = trials(run, people, augment="none").trial(None)
        assert len(train_briefly(run, trial, partial(torch.optim.SGD, lr=1e30), 50, watched=True).losses) < 50


class TestPilot:
    def test_without_time_it_takes_the_usual_rate_and_few_steps(self, run, people):
        Counting.asked = 0
        found = pilot(run, people, DistillationSettings(minutes=1e-9))
        assert Counting.asked < FEWEST + 2 * FEWEST_STEPS  # those of a range test are more
        assert found.lr == found.lr_alone == trials(run, people, found.batch_size).usual_rate

    def test_with_time_it_looks_for_rates(self, run, people, monkeypatch):
        monkeypatch.setattr("tutelage.study.planning.preferred.LAYERS", ())
        Counting.asked = 0
        found = pilot(run, people, DistillationSettings(minutes=100))
        assert Counting.asked > 2 * MOST_STEPS
        assert found.lr > 0 and found.taught.step > 0 and found.alone is not None and found.step_bytes > 0

    @pytest.mark.parametrize(("method", "rate"), [("kd", 0.3), ("dist", 0.1)])
    def test_soft_targets_are_learnt_at_no_lower_rate_than_labels(self, run, people, monkeypatch, method, rate):
        monkeypatch.setattr(ShortTrials, "rate", lambda _, name, *__: 0.3 if name is None else 0.1)
        found = pilot(run, people, DistillationSettings(minutes=1e-9, method=method))
        assert (found.lr, found.lr_alone) == (rate, 0.3)

    def test_the_teacher_is_as_it_was_whatever_mode_it_is_in(self, run, people):
        teacher = people.teacher.last.train()
        before = {name: x.clone() for name, x in teacher.state_dict().items()}
        pilot(run, people, DistillationSettings(minutes=1e-9))
        assert teacher.training and all(torch.equal(x, before[name]) for name, x in teacher.state_dict().items())

    @pytest.mark.parametrize(("size", "rates"), [(128, (0.2, 0.002)), (32, (0.05, 0.001)), (256, (0.4, 0.0028))])
    def test_the_usual_rates_follow_the_batch(self, run, people, size, rates):
        one = trials(run, people, size)
        other = ShortTrials(run, people, one.asked, size, "adamw")
        assert (one.usual_rate, other.usual_rate) == rates

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_without_time_a_student_that_has_learnt_gets_a_tenth_of_the_usual_rate(self, run, people, optimizer):
        network = small()
        asked = DistillationSettings()
        fresh, learnt = (
            ShortTrials(run, replace(people, build_student=build), asked, 128, optimizer)
            for build in (build_of(instance_of(network)), build_of(instance_of(has_seen_a_batch(network))))
        )
        assert learnt.rate(None, 1.0, 0.0) == pytest.approx(fresh.rate(None, 1.0, 0.0) / 10)
        assert fresh.rate(None, 1.0, 0.0) == {"nesterov": 0.2, "adamw": 0.002}[optimizer]

    @pytest.mark.parametrize("learnt", [False, True])
    def test_no_usual_rate_is_the_least_for_a_student_that_has_learnt(self, run, people, monkeypatch, learnt):
        floors = []
        monkeypatch.setattr(
            "tutelage.study.planning.short_trials.ranged", lambda *given: floors.append(given[-1]) or 0.1
        )
        network = has_seen_a_batch(small()) if learnt else small()
        one = trials(run, replace(people, build_student=build_of(instance_of(network))))
        one.rate(None, 0.0, inf)
        assert floors == [0.0 if learnt else one.usual_rate]

    @pytest.mark.parametrize(("minutes", "asked"), [(1e-9, LOOKS), (1000, 2 * LOOKS)])
    def test_some_validation_samples_stand_for_all_where_all_take_long(self, run, people, monkeypatch, minutes, asked):
        monkeypatch.setattr("tutelage.study.planning.clocks.LOOKED_AT", 5)
        Counting.asked = 0
        assert validation_time(trials(run, people, minutes=minutes), counting().eval()) > 0
        assert Counting.asked == asked

    def test_a_batch_that_fits_is_smaller_where_there_is_less_memory(self, run, people, monkeypatch):
        weights, sample = held = held_bytes(run, people)
        assert fitting_batch(run, people, held) == 16 and weights > 0 and sample >= 12 * 4
        monkeypatch.setattr(machine, "memory_limit", lambda _device: 2 * bytes_of(run, held, 5))
        assert fitting_batch(run, people, held) == 4
        monkeypatch.setattr(machine, "memory_limit", lambda _device: weights)
        with pytest.raises(ValueError, match=r"does not fit the .* bytes that"):
            fitting_batch(run, people, held)

    @pytest.mark.parametrize(("slower", "minutes", "size"), [(1.0, 10, 32), (1.3, 10, 256), (1.0, 1e-9, 256)])
    def test_batches_are_halved_for_more_steps_while_a_sample_takes_no_longer_and_there_is_time(
        self, run, people, monkeypatch, slower, minutes, size
    ):
        monkeypatch.setattr("tutelage.study.planning.pilot.fitting_batch", lambda *_: 256)
        monkeypatch.setattr(
            "tutelage.study.planning.clocks.step_time",
            lambda few, *_: few.batch_size * slower ** (few.batch_size < 256),
        )
        monkeypatch.setattr(ShortTrials, "rate", lambda self, *_: self.usual_rate)
        found = pilot(run, people, DistillationSettings(minutes=minutes, method="kd", epochs=10))
        assert found.batch_size == size  # ten epochs of these few samples are never a thousand steps
        assert found.step_bytes == bytes_of(run, held_bytes(run, people), size)

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_step_is_timed_by_what_is_there_later(self, run, people, monkeypatch, whole):
        planned = []
        monkeypatch.setattr("tutelage.study.planning.clocks.step_time", lambda *_: 1.0)
        monkeypatch.setattr(
            "tutelage.study.planning.clocks.train_again",
            lambda *_, epochs: planned.append(epochs) or SimpleNamespace(step=0.25),
        )
        asked = DistillationSettings(minutes=1e-9, method="kd")
        found = pilot(run, people, asked, whole=whole)
        views = people.lesson(2, asked).num_views
        assert found.once and (found.taught.step, found.taught.ask, found.taught.views) == (0.25, 0.75, views)
        assert (found.alone.step, found.alone.ask, found.alone.views) == (1.0, 0.0, 0)  # what is no uint8 is not kept
        assert [epochs > views for epochs in planned] == [whole]

    @pytest.mark.parametrize("again", [0.5, 2.0])
    def test_what_comes_again_takes_no_longer(self, run, people, monkeypatch, again):
        monkeypatch.setattr("tutelage.study.planning.clocks.train_again", lambda *_, **__: SimpleNamespace(step=again))
        one = trials(run, people)
        assert later_step_time(one, "kd", 1.0, 100, once=one.is_cached("kd")) == min(again, 1.0)
        assert later_step_time(one, None, 1.0, 100) == 1.0  # nobody is asked, and what is no uint8 is not kept

    def test_there_are_as_many_steps_as_fit_the_minutes_or_the_epochs(self, people):
        count = len(people.data.train)
        assert steps_within(DistillationSettings(minutes=10), people, 8, 0.5) == pytest.approx(0.9 * 600 / 0.5)
        assert steps_within(DistillationSettings(epochs=6), people, 8, 0.5) == 6 * count / 8


class TestPlan:
    def test_what_was_before_the_plan_counts(self, run, people):
        run.begun = perf_counter() - 3600
        with pytest.raises(ValueError, match=r"all else 1\.0 h"):
            timed_plan(run, people, DistillationSettings(minutes=1))

    def test_it_tells_of_memory_and_disk_and_of_the_minutes_of_each_part(self, run, people, monkeypatch):
        monkeypatch.setattr("tutelage.study.planning.preferred.LAYERS", ())
        asked = DistillationSettings(minutes=0.5, epochs=3, augment="none")
        timed = timed_plan(run, people, asked)
        words = "\n".join(plan_in_words(people, asked, timed, 10**7))
        assert "of memory for samples and a step" in words and "11 MB on disk" in words
        assert all(f"{part} " in words for part in timed.seconds)


@pytest.fixture
def planned(run, people, monkeypatch):
    """Plans of five minutes, on starts that took so long, by a pilot that finds that an epoch takes a second."""
    found = Found(32, "nesterov", 0.1, 0.1, "kd", "why", 0.0, 1000, Pace(10, 0.1, 0.0), None)
    monkeypatch.setattr("tutelage.study.planning.timed_plan.pilot", lambda *_, **__: found)

    def plan(start, **more):
        run.begun = perf_counter() - start
        return timed_plan(run, people, DistillationSettings(minutes=5, **more))

    return plan


class TestStarts:
    def test_a_plan_of_a_cold_start_is_made_anew_where_twice_as_many_epochs_fit(self, planned):
        cold = planned(start=280)
        warm = planned(start=20)
        assert warm.epochs > 20 * cold.epochs >= 20
        assert planned(start=20) == warm == planned(start=100), "it is no other plan where hardly more fits"

    def test_nor_does_a_slower_start_make_another_plan(self, planned):
        assert planned(start=20) == planned(start=280)

    def test_while_a_training_is_under_way_the_plan_stays(self, run, people, planned):
        cold, asked = planned(start=280), DistillationSettings(minutes=5)
        with pytest.raises(KeyboardInterrupt), followed(run, people, asked, cold):
            raise KeyboardInterrupt
        stopped = planned(start=20)
        assert stopped.under_way and replace(stopped, under_way=False) == cold
        with followed(run, people, asked, stopped):
            pass
        assert planned(start=20).epochs > 20 * cold.epochs, "what has ended binds nobody"

    def test_epochs_that_were_asked_for_are_no_matter_of_the_clock(self, planned):
        assert planned(start=280, epochs=3) == planned(start=20, epochs=3)

    def test_plans_that_do_not_say_how_long_a_pilot_took_are_read(self, run, people, planned):
        planned(start=20)
        place = place_of(run, people, DistillationSettings(minutes=5))
        content = unsummed(read_json(place), place, "")
        earlier = {name: content[name] for name in ("found", "epochs", "before", "after")}
        write_json(place, summed(earlier))
        assert read_plan(place) == planned(start=20)


def test_help_is_titled_as_it_was_typed(capsys):
    assert main(["distill", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: tutelage distill [")
