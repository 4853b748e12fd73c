"""Parameters and multiply-accumulates of the networks, and where the numbers come from.

*reference*: the networks of github.com/HobbitLong/RepDistiller, commit b84f547, built for 100 classes and counted by
hooks on their convolutions and linear layers. With the same weights, ours also gave the same logits.
*TAKD*: those of github.com/imirzadeh/Teacher-Assistant-Knowledge-Distillation, commit 0f8168f, counted likewise.
*arithmetic*: from the equations of arXiv:1608.06993, layer by layer, in numpy, independently of this package.
*torchvision*: the numbers its documentation of the pretrained weights gives.
Nothing is computed or stored here: all networks stand on the ``meta`` device.
"""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.measures.cost import macs, parameters
from tutelage.models.densenet import densenet, densenet_bc, densenet_bc_100_12
from tutelage.models.fitnet import fitnet1, fitnet2, fitnet4, thin_deep
from tutelage.models.lenet import lenet5
from tutelage.models.mobilenet import mobilenet_v2
from tutelage.models.plain_cnn import narrow_cnn, wide_cnn
from tutelage.models.resnet import (
    four_stages,
    imagenet_resnet,
    resnet,
    resnet8,
    resnet8x4,
    resnet14,
    resnet18,
    resnet20,
    resnet32,
    resnet32x4,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet110,
)
from tutelage.models.shufflenet import shufflenet_v1, shufflenet_v2
from tutelage.models.vgg import vgg, vgg8, vgg11, vgg13, vgg16, vgg19
from tutelage.models.wide_resnet import wide_resnet, wrn_16_1, wrn_16_2, wrn_28_10, wrn_40_1, wrn_40_2
from tutelage.taps import Tapped

pytestmark = pytest.mark.slow

CIFAR, MNIST, IMAGENET = (3, 32, 32), (1, 28, 28), (3, 224, 224)
WIDEST_SHUFFLENET = 7_393_996 - (2048 + 1) * 900 - 24 * 3 * 8
"""torchvision's shufflenet_v2_x2_0 without 900 of its 1000 classes, and with a first convolution of 1 × 1, not 3 × 3.

Its 0.583 G multiplications at 224 × 224 are 0.1874 G here: stages of 4/7 the width and height, and the first and last
layer as they are.
"""

COUNTED = {
    "resnet8": (resnet8, CIFAR, 83_892, 12_507_392, "reference"),
    "resnet14": (resnet14, CIFAR, 181_108, 26_663_168, "reference"),
    "resnet20": (resnet20, CIFAR, 278_324, 40_818_944, "reference"),
    "resnet32": (resnet32, CIFAR, 472_756, 69_130_496, "reference"),
    "resnet44": (resnet44, CIFAR, 667_188, 97_442_048, "reference"),
    "resnet56": (resnet56, CIFAR, 861_620, 125_753_600, "reference"),
    "resnet110": (resnet110, CIFAR, 1_736_564, 253_155_584, "reference"),
    "resnet8x4": (resnet8x4, CIFAR, 1_233_540, 177_071_104, "reference"),
    "resnet32x4": (resnet32x4, CIFAR, 7_433_860, 1_083_040_768, "reference"),
    "resnet18": (resnet18, CIFAR, 11_220_132, 555_468_800, "reference"),
    "resnet34": (resnet34, CIFAR, 21_328_292, 1_159_448_576, "reference"),
    "resnet50": (resnet50, CIFAR, 23_705_252, 1_298_014_208, "reference"),
    "wrn-16-1": (wrn_16_1, CIFAR, 180_916, 26_663_168, "reference"),
    "wrn-16-2": (wrn_16_2, CIFAR, 703_284, 101_118_464, "reference"),
    "wrn-40-1": (wrn_40_1, CIFAR, 569_780, 83_286_272, "reference"),
    "wrn-40-2": (wrn_40_2, CIFAR, 2_255_156, 327_610_880, "reference"),
    "wrn-28-10": (wrn_28_10, CIFAR, 36_536_884, 5_243_386_368, "reference"),
    "vgg8": (vgg8, CIFAR, 3_965_028, 96_192_512, "reference"),
    "vgg11": (vgg11, CIFAR, 9_277_284, 209_438_720, "reference"),
    "vgg13": (vgg13, CIFAR, 9_462_180, 284_936_192, "reference"),
    "vgg16": (vgg16, CIFAR, 14_774_436, 398_182_400, "reference"),
    "vgg19": (vgg19, CIFAR, 20_086_692, 511_428_608, "reference"),
    "mobilenet_v2": (mobilenet_v2, CIFAR, 812_836, 6_523_648, "reference"),
    "shufflenet_v1": (shufflenet_v1, CIFAR, 949_258, 38_691_456, "reference"),
    "shufflenet_v2": (shufflenet_v2, CIFAR, 1_355_528, 44_504_448, "reference"),
    "shufflenet_v2 x0.5": (partial(shufflenet_v2, width=0.5), CIFAR, 443_716, 10_404_352, "reference"),
    "shufflenet_v2 x1.5": (partial(shufflenet_v2, width=1.5), CIFAR, 2_580_548, 93_762_048, "reference"),
    "shufflenet_v2 x2": (
        partial(shufflenet_v2, width=2.0),
        CIFAR,
        WIDEST_SHUFFLENET,
        187_405_696,
        "torchvision, 0.583 GFLOPS",
    ),
    "imagenet 18": (imagenet_resnet, IMAGENET, 11_689_512, 1_814_073_344, "torchvision, 1.81 GFLOPS"),
    "imagenet 34": (partial(imagenet_resnet, 34), IMAGENET, 21_797_672, 3_663_761_408, "torchvision, 3.66 GFLOPS"),
    "imagenet 50": (partial(imagenet_resnet, 50), IMAGENET, 25_557_032, 4_089_184_256, "torchvision, 4.09 GFLOPS"),
    "densenet-bc-100-12": (partial(densenet_bc_100_12, 10), CIFAR, 769_162, 287_929_692, "arithmetic"),
    "densenet-bc-100-12, 100": (densenet_bc_100_12, CIFAR, 800_032, 287_960_472, "arithmetic"),
    "densenet-100-12": (partial(densenet, 100, 12, 10), CIFAR, 6_979_642, 1_769_516_448, "arithmetic"),
    "lenet5": (lenet5, MNIST, 431_080, 20 * 24**2 * 25 + 50 * 8**2 * 500 + 800 * 500 + 500 * 10, "by hand"),
}
"""Name -> builder, shape of an image, parameters, multiply-accumulates of one image, source."""

PLAIN = [
    *((narrow_cnn, depth, count) for depth, count in ((2, 13_082), (4, 37_338), (6, 82_778), (8, 327_962))),
    (narrow_cnn, 10, 2_487_850),
    *((wide_cnn, depth, count) for depth, count in ((2, 215_172), (4, 475_652), (6, 1_107_204), (8, 1_246_276))),
    (wide_cnn, 10, 2_931_460),
]
"""Builder, depth, parameters: TAKD."""

PUBLISHED = [
    *((partial(resnet, depth, num_classes=10), millions) for depth, millions in ((20, 0.27), (32, 0.46), (44, 0.66))),
    (partial(wide_resnet, 40, 1, 10), 0.6),
    (partial(wide_resnet, 40, 2, 10), 2.2),
    (partial(wide_resnet, 28, 10, 10), 36.5),
    (partial(densenet, 40, 12, 10), 1.0),
    (partial(densenet, 100, 12, 10), 7.0),
    (partial(densenet_bc, 100, 12, 10), 0.8),
]
"""Builder, millions of parameters as printed: arXiv:1512.03385 table 6, 1605.07146 table 1, 1608.06993 table 2."""

THIN = [(fitnet1, 249_576, 250e3), (fitnet2, 861_928, 862e3), (fitnet4, 2_544_712, 2.5e6)]
"""Builder, weights as github.com/adri-romsor/FitNets counts them (no biases), and as arXiv:1412.6550 table 1 prints."""


def hollow(build):
    with torch.device("meta"):
        return build()


def without_norms(model):
    """Normalisation counts for nothing, and on the ``meta`` device it takes most of the time."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.BatchNorm2d):
            model.set_submodule(name, nn.Identity())
    return model


@pytest.mark.parametrize("name", COUNTED)
def test_parameters_and_multiplications(name):
    build, shape, num_parameters, num_macs, _ = COUNTED[name]
    model = hollow(build)
    assert parameters(model) == num_parameters
    assert macs(without_norms(model), torch.empty(1, *shape, device="meta")) == num_macs


@pytest.mark.parametrize(("build", "depth", "count"), PLAIN)
def test_the_plain_networks_of_the_teacher_assistants(build, depth, count):
    assert parameters(hollow(partial(build, depth))) == count


@pytest.mark.parametrize(("build", "count", "printed"), THIN)
def test_the_thin_and_deep_networks_of_fitnets(build, count, printed):
    weights = sum(p.numel() for p in hollow(partial(build, 10)).parameters() if p.ndim > 1)
    assert weights == count == pytest.approx(printed, rel=0.02)


@pytest.mark.parametrize(("build", "millions"), PUBLISHED)
def test_what_the_papers_print(build, millions):
    """To the printed digits, with one unit for projection shortcuts, which He et al. do without."""
    printed = 0.01 if round(millions, 1) != millions else 0.1
    assert parameters(hollow(build)) / 1e6 == pytest.approx(millions, abs=printed)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (partial(resnet, 21), "resnet takes a depth of 8, 14, 20, .*; got 21"),
        (partial(resnet, 20, width=0), "resnet takes .* from 1 to 256 as its width; got 0"),
        (partial(four_stages, 20), "takes 18, 34, 50, 101, 152 as its depth; got 20"),
        (partial(imagenet_resnet, 18, 0), "takes a whole number from 1 to 1000000 as its num_classes; got 0"),
        (partial(wide_resnet, 17), "wide_resnet takes a depth of 10, 16, 22, .*; got 17"),
        (partial(wide_resnet, 16, 1, 0), "wide_resnet takes .* as its num_classes; got 0"),
        (partial(wide_resnet, dropout=1.0), "from 0 to less than 1 as its dropout; got 1.0"),
        (partial(vgg, 12), "takes 8, 11, 13, 16, 19 as its depth; got 12"),
        (partial(vgg, 8, 0), "takes a whole number from 1 to 1000000 as its num_classes; got 0"),
        (partial(mobilenet_v2, width=0.01), "from 0.0625 to 256 as its width; got 0.01"),
        (partial(shufflenet_v1, 0), "takes a whole number from 1 to 1000000 as its num_classes; got 0"),
        (partial(shufflenet_v2, width=0.7), "takes 0.5, 1.0, 1.5, 2.0 as its width; got 0.7"),
        (partial(narrow_cnn, 3), "takes 2, 4, 6, 8, 10 as its depth; got 3"),
        (partial(wide_cnn, 2, 0), "takes a whole number from 1 to 1000000 as its num_classes; got 0"),
        (partial(densenet, 41), "densenet takes a depth of 7, 10, 13, .*; got 41"),
        (partial(densenet_bc, 41), "densenet_bc takes a depth of 10, 16, 22, .*; got 41"),
        (partial(densenet_bc, growth=0), "as its growth; got 0"),
        (partial(densenet_bc, compression=0.0), "from 0.01 to 1 as its compression; got 0.0"),
        (partial(thin_deep, ()), r"such as \(\(16, 16\), \(32, 32\)\), up to 2000 of them; got \(\)"),
        (partial(thin_deep, ((16,), ())), "thin_deep takes the widths"),
        (partial(thin_deep, ((16, 0),)), "thin_deep takes the widths"),
        (partial(thin_deep, (("16",),)), "thin_deep takes the widths"),
        (partial(thin_deep, 16), "thin_deep takes the widths of its convolutions, .*; got 16"),
        (partial(thin_deep, hidden=0), "thin_deep takes a whole number from 1 to 1000000 as its hidden; got 0"),
        (partial(lenet5, 0), "takes a whole number from 1 to 1000000 as its num_classes; got 0"),
    ],
)
def test_what_is_no_such_network_is_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        hollow(build)


FEATURES = [  # what the feature losses of the reference protocol see on a 32 x 32 image
    (resnet20, {"layer1": (16, 32, 32), "layer2": (32, 16, 16), "layer3": (64, 8, 8), "head:input": (64,)}),
    (resnet8x4, {"stem": (32, 32, 32), "layer1": (64, 32, 32), "layer3": (256, 8, 8), "head:input": (256,)}),
    (wrn_16_2, {"layer1": (32, 32, 32), "layer2": (64, 16, 16), "layer3": (128, 8, 8), "head:input": (128,)}),
    (vgg8, {"layer2": (128, 16, 16), "layer3": (256, 8, 8), "layer4": (512, 4, 4), "layer5": (512, 4, 4)}),
    (mobilenet_v2, {"layer2": (12, 16, 16), "layer3": (16, 8, 8), "layer5": (48, 4, 4), "layer7": (160, 2, 2)}),
    (shufflenet_v1, {"layer1": (240, 16, 16), "layer2": (480, 8, 8), "layer3": (960, 4, 4), "head:input": (960,)}),
    (shufflenet_v2, {"layer1": (116, 16, 16), "layer2": (232, 8, 8), "layer3": (464, 4, 4), "head:input": (1024,)}),
    (resnet50, {"layer1": (256, 32, 32), "layer2": (512, 16, 16), "layer4": (2048, 4, 4), "head:input": (2048,)}),
    (densenet_bc, {"layer1": (96, 32, 32), "layer2": (120, 16, 16), "layer3": (132, 8, 8), "head:input": (132,)}),
]


@pytest.mark.parametrize(("build", "shapes"), FEATURES)
def test_the_features_have_the_sizes_of_the_protocol(build, shapes):
    seen = Tapped(hollow(build).eval(), shapes)(torch.empty(2, 3, 32, 32, device="meta"))
    assert {name: tuple(x.shape[1:]) for name, x in seen.items()} == shapes


def test_the_sum_before_the_last_rectification_of_a_stage_can_be_read():
    torch.manual_seed(0)
    model = resnet(20)
    seen = Tapped(model, ["layer2", "layer2.block3.relu2:input"])(torch.rand(4, 3, 16, 16))
    assert seen["layer2.block3.relu2:input"].min() < 0
    assert torch.equal(seen["layer2"], seen["layer2.block3.relu2:input"].relu())


def test_convolutions_start_as_in_the_reference():
    torch.manual_seed(0)
    for build in (resnet32x4, wrn_40_2, vgg8):
        conv = build().get_submodule("layer3")[-1 if build is not vgg8 else 0]
        weight = conv.weight if build is vgg8 else conv.conv2.weight
        assert weight.std().item() == pytest.approx((2 / (9 * weight.shape[0])) ** 0.5, rel=0.02)
