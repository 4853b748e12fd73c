"""RandAugment: pillow's operations to the grey level, drawn from a view's number and the seed alone."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from tutelage.data import randaugment as module
from tutelage.data.cifar import MEAN, STD
from tutelage.data.image_operations import (
    OPERATIONS,
    autocontrast,
    brightness,
    color,
    contrast,
    equalize,
    identity,
    posterize,
    rotate,
    sharpness,
    shear_x,
    shear_y,
    solarize,
    translate_x,
    translate_y,
)
from tutelage.data.randaugment import CUTOUT_FILL, augmented, randaugment, randaugment_cutout, uniform
from tutelage.data.synthetic import digits
from tutelage.data.views import CROP_FLIPS, crop_flip, normalised, plain, some_of, views
from tutelage.keys import described, key_of


def photographs(count, channels=3, height=32, width=32):
    """Smooth, dark, bright, flat and noisy ones: every branch of an operation meets one that takes it."""
    generator = torch.Generator().manual_seed(channels)
    noise = torch.rand(count, channels, height, width, generator=generator)
    coarse = torch.nn.functional.interpolate(noise[:, :, ::8, ::8], (height, width), mode="bilinear")
    contrast, light = torch.rand(2, count, channels, 1, 1, generator=generator)
    images = ((coarse * 0.8 + noise * 0.2) * contrast + light * (1 - contrast)) * 255
    images[0], images[1] = 77, noise[1] * 255
    return images.to(torch.uint8)


IMAGES = photographs(24)
VIEW = torch.arange(len(IMAGES))


def pictures(images):
    arrays = [image.permute(1, 2, 0).numpy() for image in images]
    return [Image.fromarray(array if array.shape[2] == 3 else array[:, :, 0]) for array in arrays]


def by_pillow(images, change):
    shown = [np.atleast_3d(np.asarray(change(picture))) for picture in pictures(images)]
    return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2)


def affine(*matrix):
    return lambda picture: picture.transform(picture.size, Image.Transform.AFFINE, matrix)


PILLOW = {
    identity: lambda _: lambda picture: picture,
    shear_x: lambda v: affine(1, v, 0, 0, 1, 0),
    shear_y: lambda v: affine(1, 0, 0, v, 1, 0),
    translate_x: lambda v: affine(1, 0, v, 0, 1, 0),
    translate_y: lambda v: affine(1, 0, 0, 0, 1, v),
    rotate: lambda v: lambda picture: picture.rotate(v),
    brightness: lambda v: lambda picture: ImageEnhance.Brightness(picture).enhance(v),
    color: lambda v: lambda picture: ImageEnhance.Color(picture).enhance(v),
    contrast: lambda v: lambda picture: ImageEnhance.Contrast(picture).enhance(v),
    sharpness: lambda v: lambda picture: ImageEnhance.Sharpness(picture).enhance(v),
    posterize: lambda v: lambda picture: ImageOps.posterize(picture, int(v)),
    solarize: lambda v: lambda picture: ImageOps.solarize(picture, v),
    autocontrast: lambda _: ImageOps.autocontrast,
    equalize: lambda _: ImageOps.equalize,
}
"""The operation -> what pillow 13 does with one picture, as torchvision and the authors of AutoAugment call it."""
AMOUNTS = {
    **{key: [0.0, 0.1, -0.1, 0.3, -0.3] for key in [shear_x, shear_y]},
    **{key: [0.0, 4.0, -4.0, 14.0, -14.0, 4.83, -9.6] for key in [translate_x, translate_y]},
    rotate: [10.0, -10.0, 30.0, -30.0, 17.3],
    **{key: [0.0, 0.1, 0.7, 1.0, 1.3, 1.9] for key in [brightness, color, contrast, sharpness]},
    posterize: [4.0, 5.0, 7.0, 8.0, 6.9],
    solarize: [0.0, 100.0, 170.0, 178.5, 255.0],
    **{key: [0.0] for key in [identity, autocontrast, equalize]},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda x: x.__name__)
def test_an_operation_is_pillows_to_the_grey_level(operation, channels):
    for images in (photographs(8, channels), photographs(4, channels, 21, 34)):
        for amount in AMOUNTS[operation]:
            ours = operation(images, torch.full((len(images),), amount, dtype=torch.float64))
            theirs = by_pillow(images, PILLOW[operation](amount))
            assert ours.dtype == torch.uint8 and torch.equal(ours, theirs), amount


def test_each_image_has_its_own_amount():
    amounts = torch.linspace(0.1, 1.9, len(IMAGES), dtype=torch.float64)
    for operation in (brightness, color, contrast, sharpness, rotate, shear_x):
        one_by_one = [operation(IMAGES[i : i + 1], amounts[i : i + 1]) for i in range(len(IMAGES))]
        assert torch.equal(operation(IMAGES, amounts), torch.cat(one_by_one))


def test_pictures_of_one_or_two_pixels_a_side_are_changed_too():
    for size in ((1, 1), (2, 5), (2, 2)):
        images = photographs(28, 3, 8, 8)[:, :, : size[0], : size[1]].contiguous()
        assert randaugment(images, torch.arange(28), num_ops=3, magnitude=30).shape == images.shape


class TestStrength:
    """torchvision's table at 31 bins, worked by hand from its linspaces."""

    @pytest.mark.parametrize(
        ("magnitude", "expected"),
        [
            (0, [0, 0, 0, 0, 0, 1, 1, 1, 1, 8, 255]),
            (9, [0.09, 0.09, 4, 6, 9, 1.27, 1.27, 1.27, 1.27, 7, 178.5]),
            (10, [0.1, 0.1, 4, 7, 10, 1.3, 1.3, 1.3, 1.3, 7, 170]),
            (30, [0.3, 0.3, 14, 21, 30, 1.9, 1.9, 1.9, 1.9, 4, 0]),
        ],
    )
    def test_is_that_of_torchvision(self, magnitude, expected):
        table = module._strengths(magnitude / 30, 48, 32)
        assert torch.allclose(table[1:12, 0], torch.tensor(expected, dtype=torch.float64))
        assert torch.equal(table[1:6, 0], -table[1:6, 1])
        assert torch.allclose(table[6:10].sum(1), torch.tensor(2.0, dtype=torch.float64))

    @pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 160), (331, 662)])
    def test_whole_numbers_are_those_of_torchvision_at_every_magnitude(self, height, width):
        pixels = [torch.linspace(0.0, 150.0 / 331.0 * side, 31) for side in (width, height)]
        bits = 8 - (torch.arange(31) / (30 / 4)).round().int()
        thresholds = torch.linspace(255.0, 0.0, 31)
        for magnitude in range(31):
            table = module._strengths(magnitude / 30, height, width)[:, 0].tolist()
            assert table[3:5] == [int(side[magnitude].item()) for side in pixels]
            assert table[10:12] == [bits[magnitude].item(), thresholds[magnitude].item()]

    def test_0_leaves_a_picture_as_it_is_but_for_autocontrast_and_equalize(self):
        weak = randaugment(IMAGES, VIEW, num_ops=1, magnitude=0)
        alone = [torch.stack([IMAGES[i], *(op(IMAGES[i : i + 1], torch.zeros(1))[0] for op in OPERATIONS[-2:])])
                 for i in range(len(IMAGES))]  # fmt: skip
        assert all((weak[i] == alone[i]).flatten(1).all(1).any() for i in range(len(IMAGES)))


class TestDraws:
    def test_a_picture_is_the_operations_of_its_view_one_after_the_other(self):
        strengths = module._strengths(10 / 30, 32, 32)
        shown = randaugment(IMAGES, VIEW, num_ops=3, magnitude=10, seed=5)
        for view in range(len(IMAGES)):
            image = IMAGES[view : view + 1]
            for turn in range(3):
                number = int(module.below(28, 5, turn, 4, torch.tensor(view)))
                image = OPERATIONS[number // 2](image, strengths.flatten()[number : number + 1])
            assert torch.equal(shown[view], image[0])

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 2**63 - 1), view=st.lists(st.integers(0, 2**40), min_size=1, max_size=9))
    def test_a_view_looks_the_same_in_any_company(self, seed, view):
        numbers = torch.tensor(view)
        images = IMAGES[: len(view)]
        for augment in (randaugment, randaugment_cutout):
            shown = augment(images, numbers, seed=seed)
            assert torch.equal(shown.flip(0), augment(images.flip(0), numbers.flip(0), seed=seed))
            assert torch.equal(shown[-1:], augment(images[-1:], numbers[-1:], seed=seed))

    def test_every_operation_and_both_signs_come_equally_often_and_independently(self):
        views = torch.arange(28 * 4000)
        first, second = (module.below(28, 0, turn, 4, views) for turn in range(2))
        counts = torch.bincount(first * 28 + second, minlength=28**2)
        assert ((counts - 142.86) ** 2 / 142.86).sum() < 783 + 4 * (2 * 783) ** 0.5  # chi-square, four deviations

    def test_seeds_and_turns_differ(self):
        shown = [randaugment(IMAGES, VIEW, seed=seed) for seed in range(3)]
        assert not any(torch.equal(x, y) for x, y in pairwise(shown))
        assert not torch.equal(randaugment(IMAGES, VIEW, num_ops=1), randaugment(IMAGES, VIEW, num_ops=2))

    def test_the_form_for_accelerators_is_the_same(self, monkeypatch):
        expected = [augment(IMAGES, VIEW) for augment in (randaugment, randaugment_cutout)]
        monkeypatch.setattr(module, "_grouped", module._masked)
        assert all(
            torch.equal(augment(IMAGES, VIEW), x)
            for augment, x in zip((randaugment, randaugment_cutout), expected, strict=True)
        )

    def test_on_an_accelerator_no_number_is_looked_at(self):
        """Tensors without content refuse to be looked at, and to be mixed with those of another device."""
        images, view = torch.empty(8, 3, 32, 32, dtype=torch.uint8, device="meta"), torch.arange(8, device="meta")
        for augment in (randaugment, randaugment_cutout):
            assert augment(images, view).shape == images.shape

    def test_uniform_numbers_are_uniform(self):
        x = uniform(3, torch.arange(20_000)).sort().values
        assert (x - torch.linspace(0, 1, 20_000)).abs().max() < 1.63 / 20_000**0.5  # Kolmogorov–Smirnov, 1 %
        assert 0 < x[0] < x[-1] < 1


class TestCutout:
    def test_what_is_left_around_the_square_is_the_augmented_picture(self):
        cut = randaugment_cutout(IMAGES, VIEW)
        fill = torch.tensor(CUTOUT_FILL, dtype=torch.uint8)[:, None, None]
        inside = (cut == fill).all(1)
        assert inside.flatten(1).any(1).all()
        rows, columns = inside.any(2).sum(1), inside.any(1).sum(1)
        assert rows.max() <= 17 and columns.max() <= 17  # pillow's rectangles count both ends

    def test_the_square_is_pillows_rectangle(self):
        size, across, down = (uniform(7, turn, torch.arange(len(IMAGES))) for turn in range(3))
        ours = module._cut_out(IMAGES, size, across, down)
        for i, picture in enumerate(pictures(IMAGES)):
            side = float(size[i]) / 2 * 32
            x, y = (int(max(0, float(middle[i]) * 32 - side / 2)) for middle in (across, down))
            corners = (x, y, min(32, x + side), min(32, y + side))
            ImageDraw.Draw(picture).rectangle(corners, CUTOUT_FILL)
            assert torch.equal(ours[i], torch.from_numpy(np.array(picture)).permute(2, 0, 1))


class TestInARecipe:
    def test_a_view_is_the_crop_of_its_remainder_augmented_by_the_whole_number(self):
        transform = augmented(crop_flip, CROP_FLIPS, partial(randaugment, magnitude=10))
        view = VIEW * 61
        expected = randaugment(crop_flip(IMAGES, view % 162), view, magnitude=10)
        assert torch.equal(transform(IMAGES, view), expected)

    def test_it_is_part_of_a_stages_key(self):
        def key(**how):
            return key_of(normalised(augmented(crop_flip, CROP_FLIPS, partial(randaugment, **how)), MEAN, STD))

        assert key(magnitude=10) == key(magnitude=10)
        assert len({key(magnitude=10), key(magnitude=9), key(num_ops=1), key(seed=1)}) == 4
        assert described(augmented(plain, 1))["named"]["augment"] == {
            "function": "tutelage.data.randaugment:randaugment"
        }

    def test_batches_are_the_same_to_the_bit_for_whoever_enters_in_the_middle(self):
        transform = some_of(augmented(crop_flip, CROP_FLIPS), tuple(range(0, 1620, 10)))
        source = views(digits(30, seed=0), transform, num_views=162, batch_size=8, seed=2)
        whole, rest = list(source(3, 0)), list(source(3, 2))
        assert all(torch.equal(x["input"], y["input"]) for x, y in zip(whole[2:], rest, strict=True))

    def test_no_samples_are_no_pictures(self):
        assert randaugment(IMAGES[:0], VIEW[:0]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: randaugment(IMAGES, VIEW, magnitude=31), "magnitude is 0 to 30; got 31"),
        (lambda: randaugment(IMAGES, VIEW, num_ops=0), "at least 1 change to a picture; num_ops is 0"),
        (lambda: randaugment(IMAGES, VIEW, seed=-1), "A seed is a whole number"),
        (lambda: randaugment(IMAGES[:, :2], VIEW), r"1 or 3 channels; got \[24, 2, 32, 32\]"),
        (lambda: randaugment(IMAGES / 255, VIEW), "before they are scaled or normalised"),
        (lambda: augmented(normalised(plain, MEAN, STD), 1)(IMAGES, VIEW), "wants grey levels, whole numbers"),
        (lambda: augmented(plain, 0), "at least 1 view; num_views is 0"),
    ],
)
def test_what_cannot_be_augmented_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
