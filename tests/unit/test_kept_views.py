"""Views that come again are made once: batches are the same to the bit, whoever keeps them and wherever one begins."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from tutelage.data import kept_views
from tutelage.data.augment import augmentation, shows
from tutelage.data.draws import draw
from tutelage.data.kept_views import with_kept_views
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.randaugment import randaugment
from tutelage.data.views import crop_flip, jitter, normalised, plain, some_of
from tutelage.schemes.plan import Plan

PICTURES = torch.randint(256, (11, 3, 9, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VIEWS = 4
FEW = (0, 7, 12, 21)
GREY, COLOUR = PICTURES[:, :1].contiguous(), PICTURES
SHOWN = {
    "light, grey": (GREY, augmentation("light", (9, 10), 1, VIEWS).pictures),
    "light, in colour": (COLOUR, augmentation("light", (9, 10), 3, VIEWS).pictures),
    "light, a part": (COLOUR, augmentation("light", (6, 7), 3, VIEWS).pictures),
    "strong": (COLOUR, augmentation("strong", (6, 7), 3, VIEWS).pictures),
    "jitter": (GREY, some_of(jitter, FEW)),
    "crop and flip": (COLOUR, some_of(crop_flip, FEW)),
    "RandAugment": (COLOUR, randaugment),
}
MEANS = (0.1, 0.2, 0.3)


def lesson(pictures, transform, **more):
    data = labelled("eleven", pictures, torch.arange(len(pictures)) % 3, ("a", "b", "c"))
    return Lesson(data, None, transform, VIEWS, batch_size=3, seed=5, **more)


def same(left, right):
    return len(left) == len(right) and all(
        x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x)
        for x, y in zip(left, right, strict=True)
    )


@pytest.fixture(params=list(SHOWN))
def case(request):
    return SHOWN[request.param]


@pytest.fixture(params=["normalised", "as it is"])
def taught(request, case):
    pictures, transform = case
    channels = pictures.shape[1]
    if request.param == "normalised":
        transform = normalised(transform, MEANS[:channels], (0.5, 0.25, 0.3)[:channels])
    return lesson(pictures, transform)


def test_batches_are_those_of_views_that_are_made_anew(taught):
    kept, anew = taught.batches(2 * VIEWS), taught.batches()
    for epoch in range(2 * VIEWS):
        assert same(list(kept(epoch, 0)), list(anew(epoch, 0)))


def test_so_they_are_where_a_training_begins_within_a_round_and_an_epoch(taught):
    kept, anew = taught.batches(3 * VIEWS), taught.batches()
    assert same(list(kept(2, 1)), list(anew(2, 1)))
    for epoch in range(3, 3 * VIEWS):
        assert same(list(kept(epoch, 0)), list(anew(epoch, 0)))


def test_a_subset_is_kept_by_its_own_places(taught):
    part = replace(taught, train=taught.train[torch.tensor([10, 2, 5, 7, 0])])
    kept, anew = part.batches(2 * VIEWS), part.batches()
    for epoch in range(2 * VIEWS):
        assert same(list(kept(epoch, 0)), list(anew(epoch, 0)))


def test_in_the_second_round_nobody_looks_at_the_pictures(case):
    pictures, transform = case
    pictures = pictures.clone()
    kept = lesson(pictures, transform).batches(2 * VIEWS)
    for epoch in range(VIEWS):
        list(kept(epoch, 0))
    expected = [list(lesson(pictures.clone(), transform).batches()(epoch, 0)) for epoch in range(VIEWS, 2 * VIEWS)]
    pictures.zero_()
    assert all(same(list(kept(epoch, 0)), batches) for epoch, batches in enumerate(expected, VIEWS))


def test_what_is_begun_without_gradients_goes_on_with_them():
    taught = lesson(*SHOWN["light, in colour"])
    with torch.inference_mode():
        kept = taught.batches(2 * VIEWS)
        next(iter(kept(0, 0)))
    layer = torch.nn.Linear(10, 2)
    for epoch in range(VIEWS + 1):
        for batch in kept(epoch, 0):
            layer(batch["input"]).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_masks_lie_over_the_pictures_that_are_kept():
    made = augmentation("light", (6, 7), 3, VIEWS, masks=True)
    masks = torch.randint(3, (11, 9, 10), generator=torch.Generator().manual_seed(1))
    data = labelled("masks", COLOUR, masks, ("a", "b", "c"))
    taught = Lesson(data, None, shows(made, True, normalised(made.pictures, MEANS, (1.0, 1.0, 1.0))), VIEWS, 3)
    kept, anew = taught.batches(2 * VIEWS), taught.batches()
    assert with_kept_views(data, taught.transform, VIEWS)[0] is not data
    for epoch in range(2 * VIEWS):
        assert same(list(kept(epoch, 0)), list(anew(epoch, 0)))


def seen_otherwise_every_time(images, _view):
    return images + torch.randint(9, images.shape, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("data", "transform"),
    [
        (labelled("fractions", GREY / 255, torch.zeros(11)), some_of(jitter, FEW)),
        (labelled("two", GREY, torch.zeros(11), depth=GREY), some_of(jitter, FEW)),
        (labelled("elsewhere", GREY, torch.zeros(11)).to("meta"), some_of(jitter, FEW)),
        (labelled("somebody's", GREY, torch.zeros(11)), seen_otherwise_every_time),
        (labelled("within", GREY, torch.zeros(11)), normalised(seen_otherwise_every_time, (0.1,), (0.2,))),
        (labelled("nameless", GREY, torch.zeros(11)), some_of(lambda images, _view: images, FEW)),
        (labelled("named", GREY, torch.zeros(11)), {"depth": plain}),
        (labelled("none", GREY[:0], torch.zeros(0)), plain),
        (labelled("of nothing", GREY[..., :0], torch.zeros(11)), plain),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_where_a_view_may_be_another_or_none_of_its_own_nothing_is_kept(data, transform):
    assert with_kept_views(data, transform, VIEWS) == (data, transform)


def test_nothing_is_kept_that_the_memory_does_not_hold(monkeypatch):
    data, transform = labelled("eleven", GREY, torch.zeros(11)), some_of(jitter, FEW)
    assert with_kept_views(data, transform, 2**40) == (data, transform)
    needed = 11 * VIEWS * (90 + 1)
    monkeypatch.setattr(kept_views, "free_memory", lambda: needed / kept_views.SHARE)
    assert with_kept_views(data, transform, VIEWS) != (data, transform)
    monkeypatch.setattr(kept_views, "free_memory", lambda: (needed - 1) / kept_views.SHARE)
    assert with_kept_views(data, transform, VIEWS) == (data, transform)


def test_a_lesson_keeps_views_only_where_they_come_in_turn_and_again(monkeypatch):
    asked = []
    monkeypatch.setattr("tutelage.data.lesson.with_kept_views", lambda *given: asked.append(given) or given[:2])
    taught = lesson(GREY, some_of(jitter, FEW))
    for epochs in (1, VIEWS):
        taught.batches(epochs)
    replace(taught, choose=draw).batches(100)
    replace(taught, transform=plain, num_views=1).batches(100)
    assert not asked
    taught.batches(VIEWS + 1)
    assert asked == [(taught.train, taught.transform, VIEWS)]


def test_what_views_take_is_known_before():
    taught = lesson(GREY, some_of(jitter, FEW))
    assert taught.kept_bytes(VIEWS) == 0
    assert taught.kept_bytes(VIEWS + 1) == 11 * VIEWS * (90 + 1)


def test_a_plan_says_how_long_its_training_is(monkeypatch):
    trained = []
    monkeypatch.setattr(Lesson, "batches", lambda _lesson, epochs=1: epochs)
    stage = SimpleNamespace(train=lambda _learners, batches, _epochs, **_more: trained.append(batches))
    plan = Plan(lesson(GREY, some_of(jitter, FEW)), partial(torch.optim.SGD, lr=0.1), 2 * VIEWS)
    plan.train(stage, SimpleNamespace(student=torch.nn.Linear(2, 2)))
    assert trained == [2 * VIEWS]
