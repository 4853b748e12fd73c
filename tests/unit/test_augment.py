"""Augmentation by counting: pictures and masks move alike, view 0 is the middle, a view looks the same for ever."""

from functools import partial

import pytest
import torch

from tutelage.data.augment import ENDLESS, LIGHT_VIEWS, augmentation, middle, shows
from tutelage.data.draws import FEW, uniform, uniform_of_view
from tutelage.data.labelled import Labelled
from tutelage.data.views import normalised, views

PICTURES = torch.randint(256, (6, 3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VIEW = torch.tensor([0, 1, 2, 3, 4, 31])


@pytest.mark.parametrize("level", ["none", "light", "strong"])
@pytest.mark.parametrize("size", [(8, 10), (12, 16), (12, 10)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_shows_the_size_that_a_network_sees_and_follows_from_the_view(level, size, channels):
    made = augmentation(level, size, channels)
    shown = made.pictures(PICTURES[:, :channels], VIEW)
    assert shown.shape == (6, channels, *size) and shown.dtype == torch.uint8
    assert torch.equal(made.pictures(PICTURES[2:3, :channels], VIEW[2:3]), shown[2:3])


def test_the_views_are_finite_where_a_teachers_answers_may_be_kept():
    assert augmentation("none", (8, 8), 3).views == 1
    assert (
        augmentation("light", (8, 8), 3).views == LIGHT_VIEWS and augmentation("light", (8, 8), 3, views=5).views == 5
    )
    assert augmentation("strong", (8, 8), 3).views == ENDLESS and "endless" in augmentation("strong", (8, 8), 3).words


@pytest.mark.parametrize("size", [(8, 10), (12, 16)])
def test_the_first_view_of_light_is_the_middle_as_it_is(size):
    made = augmentation("light", size, 3)
    assert torch.equal(made.pictures(PICTURES, VIEW * 0), middle(PICTURES, VIEW, size))


def test_other_views_are_others():
    shown = augmentation("light", (12, 16), 3).pictures(PICTURES[:1].expand(32, -1, -1, -1), torch.arange(32))
    assert len({x.numpy().tobytes() for x in shown}) > 28


def test_grey_pictures_are_never_mirrored():
    ramp = torch.arange(16, dtype=torch.uint8).expand(200, 1, 12, 16).contiguous() * 10
    for level in ("light", "strong"):
        grey, colour = (augmentation(level, (8, 8), c, masks=True) for c in (1, 3))
        falls = [
            (x.float().diff(dim=3).mean((1, 2, 3)) < 0).sum()
            for x in (
                grey.pictures(ramp, torch.arange(200)),
                colour.pictures(ramp.expand(-1, 3, -1, -1), torch.arange(200)),
            )
        ]
        assert falls[0] == 0 and 60 < falls[1] < 140
    assert "never mirrored" in augmentation("light", (8, 8), 1).words


@pytest.mark.parametrize("level", ["none", "light", "strong"])
@pytest.mark.parametrize("size", [(24, 24), (32, 32)])
def test_a_mask_shows_the_same_part_as_its_picture(level, size):
    """Of a picture that is its own mask, both agree wherever a class is known and the picture is one colour around."""
    blocks = torch.randint(2, (40, 1, 4, 4), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    masks = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)[:, 0].contiguous()
    pictures = (200 * masks + 20)[:, None].expand(-1, 3, -1, -1).contiguous()
    made, view = augmentation(level, size, 3, masks=True), torch.arange(40)
    seen, known = made.pictures(pictures, view).float().mean(1), made.masks(masks, view)
    assert known.dtype == torch.int64 and known.shape == seen.shape
    sure = (seen < 60) | (seen > 150)
    right = ((seen > 100) == (known == 1)) | (known == 255)
    assert sure.float().mean() > 0.7 and right[sure].float().mean() > 0.99
    assert (known == 255).float().mean() < 0.3


def test_batches_show_masks_with_their_pictures():
    masks = torch.randint(3, (6, 12, 16), dtype=torch.uint8)
    data = Labelled("mine", PICTURES, masks, torch.arange(6), ("a", "b", "c"))
    made = augmentation("light", (8, 8), 3, masks=True)
    show = shows(made, True, normalised(made.pictures, (0.5,) * 3, (0.5,) * 3))
    batch = next(iter(views(data, show, num_views=made.views, batch_size=6)(0, 0)))
    assert batch["input"].shape == (6, 3, 8, 8) and batch["target"].shape == (6, 8, 8)
    assert batch["target"].dtype == torch.int64 and batch["target"].max() <= 2
    expected = made.masks(masks[batch["index"]], batch["view"])
    assert torch.equal(batch["target"], expected)
    assert shows(made, False) is made.pictures


def test_fractions_are_moved_and_keep_their_values():
    shown = augmentation("light", (12, 16), 3).pictures(PICTURES.float() / 255, VIEW)
    assert shown.dtype == torch.float32 and torch.equal(shown[0], PICTURES[0].float() / 255)


def test_the_middle_of_the_middle_is_the_middle():
    whole = torch.arange(21 * 31).view(1, 1, 21, 31)
    once = middle(whole, VIEW[:1], (8, 8))
    assert torch.equal(middle(middle(whole, VIEW[:1], (10, 10)), VIEW[:1], (8, 8)), once)
    assert torch.equal(partial(middle)(whole, VIEW[:1]), whole)


@pytest.mark.parametrize("view", [[0, 5, 5], [FEW - 1], [FEW], [3, ENDLESS - 1], [-1, 2], []], ids=str)
def test_numbers_of_few_views_are_those_of_many(view):
    view = torch.tensor(view, dtype=torch.int64)
    assert torch.equal(uniform_of_view(7, 13, 1, view), uniform(7, 13, 1, view))
