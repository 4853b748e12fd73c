"""L*a*b*: known values, what is grey, back again, and the ends of the sRGB gamut."""

import pytest
import torch

from tutelage.data.lab import TO_XYZ, in_lab, lab
from tutelage.data.views import crop_flip

LINDBLOOM = "brucelindbloom.com, CIE color calculator: sRGB, D65, no adaptation"
KNOWN = {
    (255, 0, 0): (53.2408, 80.0925, 67.2032),
    (0, 255, 0): (87.7347, -86.1827, 83.1793),
    (0, 0, 255): (32.2970, 79.1875, -107.8602),
    (255, 0, 255): (60.3242, 98.2343, -60.8249),
    (0, 255, 255): (91.1132, -48.0875, -14.1312),
    (255, 255, 0): (97.1393, -21.5537, 94.4780),
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
}
"""From LINDBLOOM, four decimals, as scikit-image's tests quote them (test_rgb2lab_brucelindbloom)."""
SKIMAGE = {
    (0.2, 0.4, 0.6): (42.00800059, -0.1540412, -32.84289742),
    (1.0, 0.0, 0.0): (53.24058794, 80.09230823, 67.20275104),
}
"""From skimage.color.rgb2lab of scikit-image 0.26, whose matrix has six digits and a grey of its own."""


def one(*colour, dtype=torch.float64):
    return torch.tensor(colour, dtype=dtype).view(1, 3, 1, 1)


def back(values):
    """sRGB of L*a*b*, by the inverse formulas of CIE 15 and IEC 61966-2-1: (N, 3, …) float64."""
    lightness, a, b = values.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    ratio = torch.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    matrix = torch.tensor(TO_XYZ, dtype=torch.float64)
    white = matrix.sum(1)
    xyz = ratio * white.view(1, 3, *[1] * (values.ndim - 2))
    linear = torch.einsum("ij,nj...->ni...", matrix.inverse(), xyz)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colour", KNOWN)
def test_it_has_the_published_values(colour):
    expected = torch.tensor(KNOWN[colour], dtype=torch.float64)
    fraction = lab(one(*(x / 255 for x in colour))).flatten()
    levels = lab(one(*colour, dtype=torch.uint8)).flatten()
    assert (fraction - expected).abs().max() < 1e-4
    assert levels.dtype == torch.float32 and (levels - expected).abs().max() < 2e-4


@pytest.mark.parametrize("colour", SKIMAGE)
def test_another_library_agrees_as_far_as_its_matrix_does(colour):
    assert (lab(one(*colour)).flatten() - torch.tensor(SKIMAGE[colour], dtype=torch.float64)).abs().max() < 5e-3


def test_what_is_grey_has_no_colour_and_gets_lighter_with_its_level():
    levels = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)
    lightness, a, b = lab(levels).flatten(1).unbind(1)
    assert a.abs().max() < 1e-4 and b.abs().max() < 1e-4
    assert bool((lightness.diff() > 0).all()) and lightness[0] == 0


def test_the_inverse_gives_every_colour_back():
    pictures = torch.rand(50, 3, 4, 4, dtype=torch.float64)
    pictures[0, :, 0, 0] = torch.tensor([0.0, 0.03, 0.0405])  # on the straight parts of both curves
    assert (back(lab(pictures)) - pictures).abs().max() < 1e-6


def test_no_colour_of_the_cube_lies_beyond_its_corners():
    steps = torch.linspace(0, 1, 18, dtype=torch.float64)
    cube = torch.cartesian_prod(steps, steps, steps).view(-1, 3, 1, 1)
    low, high = (ends.flatten() for ends in lab(cube).aminmax(dim=0))
    torch.testing.assert_close(low, torch.tensor([0, -86.1827, -107.8602], dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(high, torch.tensor([100, 98.2343, 94.4780], dtype=torch.float64), atol=1e-3, rtol=0)


def test_pictures_are_moved_before_they_are_told_apart_and_the_edge_stays_black():
    pictures, view = torch.randint(1, 256, (4, 3, 9, 9), dtype=torch.uint8), torch.tensor([0, 40, 81, 161])
    moved = in_lab(crop_flip)(pictures, view)
    assert torch.equal(moved, lab(crop_flip(pictures, view)))
    assert torch.equal(moved[0, :, 0, 0], torch.zeros(3))


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 2, 8, 8), (3, 8, 8)])
def test_what_has_no_colour_is_refused(shape):
    with pytest.raises(ValueError, match=r"three channels, \(N, 3, H, W\); got .*: grey ones have no colour\."):
        lab(torch.zeros(shape))
