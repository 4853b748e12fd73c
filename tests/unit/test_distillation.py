"""What a distillation is planned by: minutes, rates, parts of networks, samples without labels."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from tutelage.cli.common import Common, without
from tutelage.cli.completion import candidates
from tutelage.cli.failures import Usage
from tutelage.cli.flags import flags_of, flags_of_bundle
from tutelage.cli.request import understood
from tutelage.cli.sweep import combinations
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.together import NO_TARGET
from tutelage.objective import Objective, Term
from tutelage.progress import Silence
from tutelage.recipes.own.distill import distill
from tutelage.schemes.plan import LOOKS
from tutelage.study.budget import OVERHEAD, Pace, epochs_within, refuse_too_short, seconds_of
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.unlabelled import joined, where_labelled
from tutelage.study.planning.distillation import refuse_readers
from tutelage.study.planning.pilot import Found
from tutelage.study.planning.plan_in_words import slower_or_faster
from tutelage.study.planning.range_test import LOWEST, RISEN, SAFE, picked_rate, ramp
from tutelage.study.planning.timed_plan import TimedPlan, read_plan
from tutelage.study.spread import spread
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.regression import BOUNDED, REGRESSION
from tutelage.tasks.segmentation import SEGMENTATION


def taking_a_size(run, *, size: int = 0, samples: DataSettings) -> None:
    """A recipe whose own argument is called as a field of its settings is."""
    del run, size, samples


WORDS = ["--teacher", "lenet5", "--data", "photos", "--student", "resnet8"]


class TestFlags:
    def test_a_recipes_own_data_takes_the_place_of_that_of_every_run(self):
        request = understood("own:distill", WORDS)
        assert request.arguments["data"] == "photos" and request.common.data is None
        assert request.words[:3] == ["tutelage", "run", "own:distill"] and "photos" in request.words
        assert understood("own:distill", request.words[3:]) == request

    def test_it_comes_back_from_a_file_and_can_be_swept(self, tmp_path):
        file = tmp_path / "asked.json"
        file.write_text('{"data": "elsewhere", "teacher": "lenet5", "student": "resnet8", "size": 64}')
        assert understood("own:distill", ["--from", str(file)]).arguments["data"] == "elsewhere"
        requests, varied = combinations("own:distill", [*WORDS, "--data", "a", "b"])
        assert varied == ["data"] and [x.arguments["data"] for x in requests] == ["photos", "a", "b"]

    def test_completion_knows_it_once_and_the_command_by_both_names(self):
        for line in ("tutelage run own:distill --", "tutelage distill --"):
            offered = candidates(line)
            assert offered.count("--data") == 1 and "--size" in offered and "--minutes" in offered

    def test_what_does_not_yield_is_refused_as_before(self):
        def recipe(run, *, quiet: bool = False) -> None:
            """Says nothing."""

        assert without(tuple(x.name for x in flags_of(recipe)), Common) is Common
        assert "data" not in {x.name for x in flags_of_bundle(without(("data",), Common))}

    def test_fields_of_settings_are_flags_of_the_recipe_itself(self):
        flags = {flag.name: flag for flag in flags_of(distill)}
        assert {"size", "unlabelled", "strict"} < flags.keys() and "samples" not in flags
        assert all(flag.help for flag in flags.values())
        with pytest.raises(ValueError, match="argument 'size'"):
            spread(samples=DataSettings)(taking_a_size)

    @pytest.mark.parametrize("wrong", ["--minutes=0", "--minutes=nan", "--epochs=-1", "--expect=200", "--size=-1"])
    def test_bounds_hold_for_all_of_them(self, wrong):
        with pytest.raises((ValueError, Usage), match="must be"):
            understood("own:distill", [*WORDS, wrong])


class TestBudget:
    PACES = (Pace(10, 0.1, 1.0, ask=0.5, views=3), Pace(10, 0.05, 1.0))

    @pytest.mark.parametrize("seconds", [30.0, 100.0, 1000.0])
    def test_as_many_epochs_as_fit_and_not_one_more(self, seconds):
        epochs = epochs_within(seconds, self.PACES)
        assert seconds_of(self.PACES, epochs) <= seconds < seconds_of(self.PACES, epochs + 1)

    def test_of_many_epochs_only_so_many_are_validated(self):
        pace = self.PACES[1]
        for epochs, validated in ((LOOKS - 1, LOOKS - 1), (LOOKS, LOOKS), (4 * LOOKS, LOOKS)):
            without = replace(pace, validation=0.0).seconds(epochs)
            assert math.isclose(pace.seconds(epochs) - without, OVERHEAD * validated)

    def test_only_the_first_views_are_asked_about(self):
        pace = self.PACES[0]
        asked = pace.seconds(3) - replace(pace, ask=0.0).seconds(3)
        assert math.isclose(asked, pace.seconds(9) - replace(pace, ask=0.0).seconds(9))

    def test_too_few_minutes_say_how_long_an_epoch_takes_and_what_would_do(self):
        with pytest.raises(ValueError, match=r"One epoch takes .* and .*student and baseline.*give --minutes \d+"):
            refuse_too_short(0.1, 1.0, self.PACES)
        refuse_too_short(1.0, 1.0, self.PACES)


class TestRangeTest:
    def test_a_tenth_of_the_rate_at_the_lowest_smoothed_loss(self):
        rates = ramp(50)
        losses = [abs(math.log10(rate) + 1) + 0.5 for rate in rates]  # lowest at 0.1
        assert 0.003 < picked_rate(rates, losses) < 0.05

    def test_what_comes_after_the_loss_has_risen_does_not_count(self):
        rates = ramp(6)
        assert picked_rate(rates, (2.0, 1.0, 9.0, 9.0, 0.0, 0.0)) == pytest.approx(SAFE * rates[1], rel=0.05)
        assert RISEN < 9

    def test_it_begins_low_and_a_test_without_a_loss_stays_there(self):
        assert ramp(20)[0] == LOWEST and picked_rate(ramp(20), ()) == LOWEST

    @pytest.mark.parametrize("floor", [1e-3, 0.2, 3.0])
    def test_a_floor_holds_as_far_as_nothing_breaks_at_ten_times_as_much(self, floor):
        rates = ramp(25)
        for broken in range(2, 25):
            falling = [5.0 - 0.01 * step for step in range(broken)]
            for losses in (falling, [*falling, 99.0]):  # no longer finite at that step, or far too high
                picked = picked_rate(rates, losses, floor)
                assert picked == pytest.approx(
                    max(picked_rate(rates, losses), min(floor, SAFE * rates[broken])), rel=0.06
                )
        assert picked_rate(rates, [5.0 - 0.01 * step for step in range(25)], floor) >= floor  # nothing broke


class TestWithoutLabels:
    @pytest.mark.parametrize(("task", "targets"), [(CLASSIFICATION, torch.tensor([0, 1, 1])),
                                                   (REGRESSION, torch.rand(3, 2))])  # fmt: skip
    def test_they_are_in_the_set_and_not_in_the_loss(self, task, targets):
        answers = torch.randn(5, 2, requires_grad=True)
        both = joined(
            labelled("some", torch.rand(3, 4), targets), labelled("more", torch.rand(2, 4), torch.zeros(2, 0))
        )
        assert len(both) == 5 and both.index.unique().numel() == 5
        loss = cross_entropy if task is CLASSIFICATION else mse_loss
        assert torch.equal(where_labelled(task).loss(answers, both.targets), loss(answers[:3], targets))
        nothing = where_labelled(task).loss(answers[3:], both.targets[3:])
        assert nothing.item() == 0 and nothing.requires_grad

    def test_pictures_without_masks_are_learnt_from_at_every_pixel(self):
        masks = torch.zeros(3, 4, 4, dtype=torch.uint8)
        some = labelled("some", torch.rand(3, 3, 4, 4), masks, ("a", "b"))
        both = joined(some, labelled("more", torch.rand(2, 3, 4, 4), torch.zeros(2, 0)))
        assert both.targets.dtype == torch.uint8 and bool((both.targets[3:] == 255).all())
        answers, task = torch.randn(5, 2, 4, 4, requires_grad=True), where_labelled(SEGMENTATION)
        assert torch.equal(task.loss(answers, both.targets), SEGMENTATION.loss(answers[:3], masks))
        assert task.loss(answers[3:], both.targets[3:]).item() == 0
        assert "batch.target" not in task.taught(both, 4.0).addresses
        assert where_labelled(BOUNDED).soft_reads == ("batch.target",)  # which has no meaning without

    def test_other_inputs_are_refused_and_none_change_nothing(self):
        some = labelled("some", torch.rand(3, 4), torch.tensor([0, 1, NO_TARGET]))
        assert joined(some, None) is some
        with pytest.raises(ValueError, match="look like the others"):
            joined(some, labelled("more", torch.rand(2, 5), torch.zeros(2, 0)))


def test_methods_that_compare_with_labels_do_not_take_samples_without():
    soft = Objective(label=Term(cross_entropy, "student.output", "batch.target"),
                     soft=Term(mse_loss, "student.output", "teacher.output"))  # fmt: skip
    refuse_readers("kd", soft)
    other = Objective(hard=Term(cross_entropy, "student.output", "batch.target"))
    with pytest.raises(ValueError, match="method dkd compares with labels in 'hard'"):
        refuse_readers("dkd", other)


@pytest.mark.parametrize(("views", "epochs", "kept"), [(16, 3, False), (16, 16, False), (16, 17, True), (0, 99, False)])
def test_answers_are_written_down_where_the_training_asks_for_them_again(views, epochs, kept):
    """No other training of the run asks that teacher; ``views`` are 0 where its answers are too large to be kept."""
    found = Found(32, "nesterov", 0.1, 0.2, "kd", "why", 0.1, 1000, Pace(1, 0.1, 0.2), None, once=bool(views))
    timed = TimedPlan(found, epochs, 1.0, 2.0)
    lesson = Lesson(labelled("few", torch.zeros(4, 2), torch.zeros(4, dtype=torch.long), ("a",)), num_views=views or 16)
    assert timed.keeps_answers(lesson) is kept


def test_a_plan_on_disk_is_read_as_it_was_or_refused(tmp_path):
    from tutelage.checkpoint import write_json
    from tutelage.checksums import summed

    found = Found(32, "nesterov", 0.1, 0.2, "kd", "why", 0.1, 1000, Pace(1, 0.1, 0.2), None)
    timed = TimedPlan(found, 3, 1.0, 2.0)
    write_json(tmp_path / "plan.json", summed(asdict(timed)))
    assert read_plan(tmp_path / "plan.json") == timed
    earlier = {**asdict(timed), "found": {x: y for x, y in asdict(found).items() if x not in ("search", "rounds")}}
    write_json(tmp_path / "plan.json", summed(earlier))  # before students were sought
    assert read_plan(tmp_path / "plan.json") == timed
    for views in (0, 16):
        told = {**earlier["found"], "taught": asdict(replace(found.taught, views=views))}
        del told["once"]
        write_json(tmp_path / "plan.json", summed({**earlier, "found": told}))  # before views were kept, too
        assert read_plan(tmp_path / "plan.json").found.once is bool(views)
    sought = replace(timed, found=replace(found, search=Pace(3, 0.1, 0.0), rounds=4))
    write_json(tmp_path / "plan.json", summed(asdict(sought)))
    assert read_plan(tmp_path / "plan.json") == sought and sought.seconds["search"] == pytest.approx(4 * 0.3, rel=0.05)
    for broken in ({}, [], {**asdict(timed), "epochs": 0}, {**asdict(timed), "more": 1}):
        write_json(tmp_path / "plan.json", summed(broken) if broken else broken)
        with pytest.raises(ValueError, match=r"(no plan of a distillation|is damaged, or was changed).*remove it"):
            read_plan(tmp_path / "plan.json")
    write_json(tmp_path / "plan.json", {**summed(asdict(timed)), "epochs": 4})  # a number that nobody would notice
    with pytest.raises(ValueError, match=r"plan\.json is damaged, or was changed: remove it, and a new plan is made"):
        read_plan(tmp_path / "plan.json")


def test_what_another_start_trained_is_not_told_to_be_fast_or_slow():
    found = Found(32, "nesterov", 0.1, 0.2, "kd", "why", 0.1, 1000, Pace(100, 0.1, 0.2), Pace(100, 0.1, 0.2))
    timed, notes = TimedPlan(found, 10, 1.0, 2.0), []

    class Heard(Silence):
        def note(self, text):
            notes.append(text)

    slower_or_faster(Heard(), timed, {"student": 20.0, "baseline": 20.0}, {"student": 20.1, "baseline": 0.2})
    assert len(notes) == 1 and notes[0].startswith("student: took less long than planned")
