"""What a sample looks like follows from (seed, epoch, index) alone, whoever asks, wherever they begin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from tutelage.data.draws import draw, hashed, in_turn, order
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.transforms import as_float32
from tutelage.data.views import CROP_FLIPS, JITTERS, crop_flip, in_order, jitter, normalised, plain, views
from tutelage.data.windows import mirrored_where

IMAGES = torch.randint(256, (8, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
DATA = labelled("eight", IMAGES, torch.arange(8) % 3, ("a", "b", "c"))


def jittered(data=DATA, *, num_views=JITTERS, batch_size=3, **more):
    return views(data, jitter, num_views=num_views, batch_size=batch_size, **more)


def equal(left, right):
    return len(left) == len(right) and all(
        x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x) for x, y in zip(left, right, strict=True)
    )


def looked_at(source, epoch=0):
    """index -> (view, picture)"""
    whole = [{key: value.unbind() for key, value in batch.items()} for batch in source(epoch, 0)]
    return {
        int(index): (int(view), picture)
        for batch in whole
        for index, view, picture in zip(batch["index"], batch["view"], batch["input"], strict=True)
    }


@settings(max_examples=25, deadline=None)
@given(epoch=st.integers(0, 500), first=st.integers(0, 4), batch_size=st.integers(1, 9), seed=st.integers(0, 2**63 - 1))
def test_an_epoch_entered_at_batch_k_goes_on_as_if_it_had_been_seen_from_the_start(epoch, first, batch_size, seed):
    source = jittered(batch_size=batch_size, seed=seed)
    torch.manual_seed(epoch)  # the global generator is nobody's business
    whole = list(source(epoch, 0))
    torch.rand(3)
    assert equal(whole[first:], list(source(epoch, first)))


def test_every_sample_comes_once_an_epoch_with_its_own_target_and_number():
    batches = list(jittered()(4, 0))
    assert [len(batch["input"]) for batch in batches] == [3, 3, 2]
    index = torch.cat([batch["index"] for batch in batches])
    assert sorted(index.tolist()) == list(range(8))
    assert torch.equal(torch.cat([batch["target"] for batch in batches]), DATA.targets[index])


def test_epochs_and_seeds_differ_in_order_and_in_views():
    whole = {(s, e): looked_at(jittered(labelled("many", IMAGES.repeat(20, 1, 1, 1), torch.zeros(160)), seed=s), e)
             for s in (0, 1) for e in (0, 1)}  # fmt: skip
    orders = {tuple(seen) for seen in whole.values()}
    drawn = {tuple(seen[index][0] for index in range(160)) for seen in whole.values()}
    assert len(orders) == len(drawn) == 4


def test_a_subset_shows_each_sample_as_the_whole_set_does():
    part = looked_at(jittered(DATA[torch.tensor([6, 1, 3])], seed=5), epoch=7)
    whole = looked_at(jittered(seed=5), epoch=7)
    assert set(part) == {1, 3, 6}
    assert all(part[i][0] == whole[i][0] and torch.equal(part[i][1], whole[i][1]) for i in part)


def test_two_students_with_one_seed_see_the_same_whatever_their_batch_size():
    small, large = looked_at(jittered(batch_size=2, seed=3), 1), looked_at(jittered(batch_size=7, seed=3), 1)
    assert list(small) == list(large) and all(torch.equal(small[i][1], large[i][1]) for i in small)


def test_without_augmentation_the_picture_stays():
    for index, (view, picture) in looked_at(views(DATA, plain, num_views=1, batch_size=3), 9).items():
        assert view == 0 and torch.equal(picture, IMAGES[index].float() / 255)


def test_for_measuring_the_set_comes_in_its_own_order():
    batches = list(in_order(DATA, batch_size=3)(0, 0))
    assert torch.equal(torch.cat([batch["index"] for batch in batches]), torch.arange(8))
    assert torch.equal(torch.cat([batch["input"] for batch in batches]), IMAGES.float() / 255)
    assert equal(batches[2:], list(in_order(DATA, batch_size=3)(5, 2)))


@pytest.mark.parametrize(("transform", "side", "flips"), [(jitter, 5, 1), (crop_flip, 9, 2)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_every_view_is_the_window_that_a_plain_loop_cuts_out(transform, side, flips, dtype):
    images = IMAGES.to(dtype)
    for image in (images, images.to(memory_format=torch.channels_last)):
        for view in range(flips * side**2):
            row, column = divmod(view // flips, side)
            expected = F.pad(images, [side // 2] * 4)[:, :, row : row + 6, column : column + 5]
            expected = expected.flip(-1) if flips == 2 and view % 2 else expected
            shown = transform(image, torch.full((8,), view))
            assert shown.dtype == dtype and torch.equal(shown, expected)


def test_each_sample_of_a_batch_is_shown_in_its_own_view():
    mixed = torch.tensor([0, 24, 12, 7, 3, 12, 20, 1])
    for place, picture in enumerate(jitter(IMAGES, mixed)):
        assert torch.equal(picture, jitter(IMAGES[place : place + 1], mixed[place : place + 1])[0])
    mixed = torch.tensor([0, 161, 80, 81, 3, 12, 20, 1])
    for place, picture in enumerate(crop_flip(IMAGES, mixed)):
        assert torch.equal(picture, crop_flip(IMAGES[place : place + 1], mixed[place : place + 1])[0])


def test_the_middle_view_is_the_image_itself():
    assert torch.equal(jitter(IMAGES, torch.full((8,), 12)), IMAGES)
    assert torch.equal(crop_flip(IMAGES, torch.full((8,), 80)), IMAGES)
    assert torch.equal(crop_flip(IMAGES, torch.full((8,), 81)), IMAGES.flip(-1))


def test_the_views_are_as_many_as_the_constants_say():
    picture = torch.arange(1, 82, dtype=torch.uint8).view(1, 1, 9, 9)
    for transform, count in ((jitter, JITTERS), (crop_flip, CROP_FLIPS)):
        shown = transform(picture.expand(count, 1, 9, 9), torch.arange(count))
        assert len({tuple(x.flatten().tolist()) for x in shown}) == count


def test_another_reach_has_other_views():
    assert torch.equal(jitter(IMAGES, torch.full((8,), 4), reach=1), IMAGES)
    assert torch.equal(jitter(IMAGES, torch.zeros(8, dtype=torch.int64), reach=0), IMAGES)


@pytest.mark.parametrize(("transform", "count"), [(jitter, JITTERS), (crop_flip, CROP_FLIPS)])
@pytest.mark.parametrize("wrong", [-1, 0])
def test_a_view_beyond_the_last_is_refused_not_read_from_the_neighbour(transform, count, wrong):
    asked = wrong if wrong < 0 else count
    with pytest.raises(ValueError, match=f"There are {count} views, 0 to {count - 1}"):
        transform(IMAGES, torch.full((8,), asked))


def test_grey_levels_become_fractions_and_tokens_stay_whole():
    assert torch.equal(as_float32(torch.tensor([0, 255], dtype=torch.uint8)), torch.tensor([0.0, 1.0]))
    assert as_float32(torch.tensor([0.5], dtype=torch.bfloat16)).dtype == torch.float32
    tokens = torch.tensor([[3, 70000]])
    assert torch.equal(as_float32(tokens), tokens)
    shown = next(iter(views(labelled("text", tokens, torch.zeros(1)), plain, num_views=1, batch_size=1)(0, 0)))
    assert torch.equal(shown["input"], tokens)


def test_normalising_is_part_of_what_is_shown():
    transform = normalised(jitter, (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
    middle = transform(IMAGES, torch.full((8,), 12))
    for channel, (mean, deviation) in enumerate([(0.1, 0.5), (0.2, 1.0), (0.3, 2.0)]):
        torch.testing.assert_close(middle[:, channel], (IMAGES[:, channel] / 255 - mean) / deviation)


def test_views_are_drawn_evenly_and_independently_over_epochs():
    index = torch.arange(6000)
    counts = draw(0, 1, index, 6).bincount(minlength=6)
    assert counts.min() > 850 and counts.max() < 1150  # 1000 ± 5 sd
    assert 0.12 < (draw(0, 1, index, 6) == draw(0, 2, index, 6)).float().mean() < 0.22
    assert torch.equal(draw(0, 1, index, 6)[100:200], draw(0, 1, index[100:200], 6))


@pytest.mark.parametrize("num_views", [1, 2, 7, 25, 162])
def test_in_turn_a_sample_meets_each_view_once_a_round(num_views):
    index = torch.arange(50)
    for start in (0, num_views):
        met = torch.stack([in_turn(3, start + turn, index, num_views) for turn in range(num_views)])
        assert torch.equal(met.sort(0).values, torch.arange(num_views)[:, None].expand(-1, 50))


def test_where_views_are_endless_they_are_drawn_and_nobody_lists_them():
    seen = torch.stack([in_turn(3, epoch, torch.arange(50), 2**31) for epoch in range(4)])
    assert len(seen.unique()) == 200 and bool((seen < 2**31).all())


def test_in_turn_the_samples_of_an_epoch_are_spread_over_the_views():
    counts = in_turn(0, 3, torch.arange(6000), 6).bincount(minlength=6)
    assert counts.min() > 850 and counts.max() < 1150
    source = jittered(seed=2, choose=in_turn)
    assert {i: view for i, (view, _) in looked_at(source, 2).items()} == dict(
        enumerate(in_turn(2, 2, torch.arange(8), 25).tolist())
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("turned", [[False, True, True, False], [True] * 4, [False] * 4, []])
def test_those_are_mirrored_that_are_chosen_whatever_they_are_made_of(dtype, layout, turned):
    images = IMAGES[: len(turned)].to(dtype).contiguous(memory_format=layout)
    expected = [image.flip(2) if chosen else image for image, chosen in zip(images.clone(), turned, strict=True)]
    seen = mirrored_where(torch.tensor(turned, dtype=torch.bool), images)
    assert len(seen) == len(expected) and all(map(torch.equal, seen, expected))


def test_the_order_is_a_shuffle_that_depends_on_nothing_but_its_keys():
    assert torch.equal(order(1, 2, 100).sort().values, torch.arange(100))
    assert torch.equal(order(1, 2, 100), order(1, 2, 100)) and not torch.equal(order(1, 2, 100), order(1, 3, 100))
    assert hashed(1, 2, torch.tensor([3])).item() == _hashed_in_python(1, 2, 3)
    assert order(5, 2, 100).tolist() == sorted(range(100), key=lambda number: _hashed_in_python(5, 2, 1, number))


def _hashed_in_python(*keys):
    """The same arithmetic in whole numbers, wrapped to 64 bits: no version of torch may change it."""

    def wrapped(x):
        return (x + 2**63) % 2**64 - 2**63

    mixed = 0
    for key in keys:
        mixed = wrapped((mixed + key + 1) * 0x2545F4914F6CDD1D)
        mixed = wrapped((mixed ^ (mixed >> 29)) * 0x369DEA0F31A53F85)
        mixed = (mixed ^ (mixed >> 32)) & (2**63 - 1)
    return mixed


def test_batches_come_from_where_the_set_lies():
    drawn = digits(9, seed=0)  # "meta" is a device without numbers: what stayed behind on the CPU would not fit
    data = labelled("elsewhere", drawn.inputs, drawn.targets).to("meta")
    for transform, count in ((jitter, JITTERS), (crop_flip, CROP_FLIPS), (normalised(jitter, (0.5,), (0.5,)), JITTERS)):
        for choose in (draw, in_turn):
            for batch in views(data, transform, num_views=count, batch_size=4, choose=choose)(0, 0):
                assert {x.device.type for x in batch.values()} == {"meta"}
                assert batch["input"].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_views": 0}, "at least 1 view"),
        ({"batch_size": 0}, "at least 1 sample"),
        ({"seed": -1}, "0 to 2\\*\\*63 - 1; -1 is not"),
        ({"data": DATA[torch.tensor([], dtype=torch.int64)]}, "'eight' is empty"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        jittered(**change)


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(33, 16, [16, 17]), (34, 16, [16, 16, 2]), (32, 16, [16, 16]), (1, 16, [1]), (3, 1, [1, 1, 1]), (17, 16, [17])],
)
def test_a_remainder_of_one_sample_joins_the_batch_before_it(count, batch_size, sizes):
    data = digits(count, seed=0)
    for source in (views(data, plain, num_views=1, batch_size=batch_size), in_order(data, batch_size=batch_size)):
        whole = list(source(1, 0))
        assert [len(batch["input"]) for batch in whole] == sizes
        assert torch.equal(torch.cat([batch["index"] for batch in whole]).sort().values, data.index)
        for first in range(len(sizes) + 1):
            assert [batch["index"].tolist() for batch in source(1, first)] == [
                batch["index"].tolist() for batch in whole[first:]
            ]
    assert Lesson(data, batch_size=batch_size).steps == len(sizes)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_lesson_of_another_kind_of_set_is_refused_with_what_to_wrap_it_in(part):
    foreign = TensorDataset(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    words = r"A TensorDataset is no set that a lesson can show; wrap tensors with tutelage\.data\.labelled\.labelled\("
    with pytest.raises(ValueError, match=words):
        Lesson(**{"train": DATA, part: foreign})


def test_a_lesson_without_samples_is_refused():
    with pytest.raises(ValueError, match="has a sample or more to learn from; its training set is empty"):
        Lesson(DATA[torch.zeros(0, dtype=torch.int64)])
