"""What every transform and every source of batches must satisfy, and what happens to one that does not."""

import inspect
from typing import get_type_hints

import pytest
import torch
from torch import Tensor

import tutelage.data
from contract.find import modules, own
from tutelage.data.batches import as_batches
from tutelage.data.mixed import cutmix, mixup
from tutelage.data.synthetic import digits
from tutelage.data.together import together, unlabelled
from tutelage.data.views import in_order, plain, views


def is_a_show(member):
    """A public function ``(images, view, …) -> Tensor`` whose further arguments have defaults."""
    if not inspect.isfunction(member):
        return False
    names = list(inspect.signature(member).parameters)
    hints = get_type_hints(member)
    return len(names) > 1 and names[1].strip("_") == "view" and hints[names[0]] is hints["return"] is Tensor


SHOWS = [
    pytest.param(member, id=f"{module.__name__}.{name}")
    for module in modules(tutelage.data)
    for name, member in own(module)
    if is_a_show(member)
]
IMAGES = digits(9, seed=0).inputs.expand(9, 3, 28, 28).contiguous()
VIEW = torch.arange(9)


def a_sample_looks_the_same_in_any_company(transform):
    shuffled = torch.tensor([4, 0, 8, 3, 1, 7, 2, 6, 5])
    assert torch.equal(transform(IMAGES, VIEW)[shuffled], transform(IMAGES[shuffled], VIEW[shuffled]))
    assert torch.equal(transform(IMAGES, VIEW)[2:3], transform(IMAGES[2:3], VIEW[2:3]))


def it_follows_from_its_arguments_alone(transform):
    torch.manual_seed(0)
    first = transform(IMAGES, VIEW)
    assert torch.equal(first, transform(IMAGES, VIEW))


def the_set_itself_is_not_touched(transform):
    images, view = IMAGES.clone(), VIEW.clone()
    transform(images, view)
    assert torch.equal(images, IMAGES) and torch.equal(view, VIEW)


def bytes_and_fractions_are_shown_alike(transform):
    shown, exact = transform(IMAGES, VIEW), transform(IMAGES.float(), VIEW)
    assert shown.dtype == torch.uint8 and torch.equal(shown.float(), exact)


LAWS_OF_SHOWS = [
    a_sample_looks_the_same_in_any_company,
    it_follows_from_its_arguments_alone,
    the_set_itself_is_not_touched,
    bytes_and_fractions_are_shown_alike,
]


@pytest.mark.parametrize("law", LAWS_OF_SHOWS)
@pytest.mark.parametrize("transform", SHOWS)
def test_a_way_to_show_a_batch(transform, law):
    law(transform)


def overwriting(images, view):
    return images.add_(view.to(images.dtype)[:, None, None, None])


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (lambda x, _: x.roll(1, 0), a_sample_looks_the_same_in_any_company),
        (lambda x, _: x + torch.randint(9, (9, 1, 1, 1)).to(x.dtype), it_follows_from_its_arguments_alone),
        (overwriting, the_set_itself_is_not_touched),
        (lambda x, _: x.float() / 255, bytes_and_fractions_are_shown_alike),
    ],
)
def test_a_broken_way_to_show_a_batch_is_found(broken, law):
    with pytest.raises(AssertionError):
        law(broken)


FEW, MANY = digits(11, seed=0), digits(30, seed=1).numbered_from(11)
SOURCES = {
    "views": views(MANY, plain, num_views=25, batch_size=4, seed=3),
    "in order": in_order(MANY, batch_size=4),
    "a list": as_batches(list(in_order(MANY, batch_size=4)(0, 0))),
    "together": together(
        labelled=views(FEW, plain, num_views=5, batch_size=4),
        transfer=unlabelled(views(MANY, plain, num_views=5, batch_size=4)),
    ),
}
SOURCES |= {"mixup": mixup(SOURCES["views"]), "cutmix": cutmix(SOURCES["views"])}


def entered_in_the_middle_it_gives_the_rest(source):
    for epoch in (0, 3):
        whole = list(source(epoch, 0))
        for first in range(len(whole) + 1):
            rest = list(source(epoch, first))
            assert len(rest) == len(whole) - first
            for left, right in zip(whole[first:], rest, strict=True):
                assert left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def everything_in_a_batch_has_its_length(source):
    for batch in source(1, 0):
        assert {len(value) for value in batch.values()} == {len(batch["input"])}


@pytest.mark.parametrize("law", [entered_in_the_middle_it_gives_the_rest, everything_in_a_batch_has_its_length])
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_of_batches(name, law):
    law(SOURCES[name])


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (lambda epoch, _: SOURCES["views"](epoch, 0), entered_in_the_middle_it_gives_the_rest),
        (lambda epoch, first: SOURCES["views"](epoch + first, first), entered_in_the_middle_it_gives_the_rest),
        (
            lambda *_: [{"input": torch.zeros(3), "target": torch.zeros(2)}],
            everything_in_a_batch_has_its_length,
        ),
    ],
)
def test_a_broken_source_is_found(broken, law):
    with pytest.raises(AssertionError):
        law(broken)


def test_the_members_of_the_family_are_found():
    assert {"jitter", "crop_flip", "plain"} <= {transform.values[0].__name__ for transform in SHOWS}
