"""Networks as other libraries and people write them, small, each with the layers that its author would point at.

A case is a builder and what is to be found in what it builds: the last layer at each resolution as (address, stride),
from shallow to deep, and the head. The stages are written down from the construction, by hand.
"""

from typing import NamedTuple

import torch
from torch import nn

from foreign.as_in_timm import TimmConvNeXt, TimmEfficientNet, TimmResNet
from foreign.hugging_face import HuggingFaceResNet
from foreign.people import (
    Cells,
    Encoder,
    Everything,
    LinearSqueeze,
    Nested,
    Normalised,
    OneStageAChild,
    ScoresAveraged,
    SmallImages,
    TokensInside,
    UNet,
    Unpadded,
)
from foreign.tokens import Mixer, Swin, Text, TorchViT, ViT
from foreign.torchvision_blocks import VGG, ConvNeXt, EfficientNet, MobileNetV2, MobileNetV3, ResNet
from foreign.torchvision_branches import DenseNet, GoogLeNet, Inception, RegNet, ShuffleNet, SqueezeNet


class Case(NamedTuple):
    """A builder, what it builds the last layers of at which stride, its head, and what the mean is taken of."""

    build: type[nn.Module]
    stages: tuple[tuple[str, int], ...]
    head: str | None
    last: str | None = None


MAPS = {
    "torchvision ResNet": Case(
        ResNet, (("relu", 2), ("layer1", 4), ("layer2", 8), ("layer3", 16), ("layer4", 32)), "fc", "avgpool:input"
    ),
    "torchvision VGG": Case(
        VGG,
        (("features.1", 1), ("features.4", 2), ("features.7", 4), ("features.10", 8), ("features.11", 16)),
        "classifier.5",
    ),
    "torchvision MobileNetV2": Case(
        MobileNetV2,
        (("features.1", 2), ("features.3", 4), ("features.5", 8), ("features.7", 16), ("features.9", 32)),
        "classifier.1",
        "avgpool:input",
    ),
    "torchvision MobileNetV3": Case(
        MobileNetV3,
        (("features.1", 2), ("features.3", 4), ("features.5", 8), ("features.7", 16), ("features.9", 32)),
        "classifier.3",
        "avgpool:input",
    ),
    "torchvision EfficientNet": Case(
        EfficientNet,
        (("features.1", 2), ("features.2", 4), ("features.3", 8), ("features.5", 16), ("features.8", 32)),
        "classifier.1",
        "avgpool:input",
    ),
    "torchvision ConvNeXt": Case(
        ConvNeXt,
        (("features.1", 4), ("features.3", 8), ("features.5", 16), ("features.7", 32)),
        "classifier.2",
        "avgpool:input",
    ),
    "torchvision DenseNet": Case(
        DenseNet,
        (
            ("features.relu0", 2),
            ("features.denseblock1", 4),
            ("features.denseblock2", 8),
            ("features.denseblock3", 16),
            ("features.denseblock4", 32),
        ),
        "classifier",
        "features.denseblock4",
    ),
    "torchvision Inception": Case(
        Inception, (("Conv2d_2a", 2), ("Mixed_5c", 4), ("Mixed_6a", 8), ("Mixed_7b", 16)), "fc", "avgpool:input"
    ),
    "torchvision SqueezeNet": Case(
        SqueezeNet, (("features.1", 2), ("features.4", 4), ("features.7", 8)), None, "classifier:input"
    ),
    "torchvision RegNet": Case(
        RegNet,
        (
            ("stem", 2),
            ("trunk_output.block1", 4),
            ("trunk_output.block2", 8),
            ("trunk_output.block3", 16),
            ("trunk_output.block4", 32),
        ),
        "fc",
        "avgpool:input",
    ),
    "torchvision ShuffleNet": Case(
        ShuffleNet, (("conv1", 2), ("maxpool", 4), ("stage2", 8), ("stage3", 16), ("conv5", 32)), "fc", "conv5"
    ),
    "torchvision GoogLeNet": Case(
        GoogLeNet, (("conv1", 2), ("inception3a", 4), ("inception4b", 8), ("inception5a", 16)), "fc", "avgpool:input"
    ),
    "timm EfficientNet": Case(
        TimmEfficientNet,
        (("blocks.0", 2), ("blocks.1", 4), ("blocks.2", 8), ("blocks.4", 16), ("bn2", 32)),
        "classifier",
        "global_pool:input",
    ),
    "timm ConvNeXt": Case(
        TimmConvNeXt, (("stages.0", 4), ("stages.1", 8), ("stages.2", 16), ("norm_pre", 32)), "head.fc", "head:input"
    ),
    "timm ResNet": Case(
        TimmResNet, (("relu", 2), ("layer1", 4), ("layer2", 8), ("layer3", 16), ("layer4", 32)), "fc", "avgpool:input"
    ),
    "Hugging Face ResNet": Case(
        HuggingFaceResNet,
        (
            ("resnet.encoder.stages.0", 2),
            ("resnet.encoder.stages.1", 4),
            ("resnet.encoder.stages.2", 8),
            ("resnet.encoder.stages.3", 16),
        ),
        "classifier.1",
        "resnet.pooler:input",
    ),
    "a stem that keeps the size": Case(SmallImages, (("layer1", 1), ("layer2", 2), ("layer3", 4)), "linear", "layer3"),
    "one stage a child": Case(OneStageAChild, (("stage1", 2), ("stage2", 4), ("stage3", 8)), "head", "pool:input"),
    "stages two deep": Case(
        Nested,
        (
            ("backbone.body.stages.0", 1),
            ("backbone.body.stages.1", 2),
            ("backbone.body.stages.2", 4),
            ("backbone.neck", 8),
        ),
        "head.1",
        "pool:input",
    ),
    "a network inside another": Case(
        Normalised,
        (("model.relu", 2), ("model.layer1", 4), ("model.layer2", 8), ("model.layer3", 16), ("model.layer4", 32)),
        "head",
        "model.avgpool:input",
    ),
    "a sequence of everything": Case(Everything, (("5", 1), ("8", 2), ("12", 4)), "15", "13:input"),
    "the encoder of a U-Net": Case(Encoder, (("inc", 1), ("down1", 2), ("down2", 4)), "head", "down2"),
    "a U-Net": Case(UNet, (("inc", 1), ("down1", 2), ("down2", 4)), "head", "gap:input"),
    "scores averaged over places": Case(ScoresAveraged, (("block1", 2), ("block3", 4)), None, "block3"),
    "gates of linear layers": Case(LinearSqueeze, (("stage1", 2), ("stage2", 4), ("stage3", 8)), "out", "stage3"),
    "torchvision Swin, whose last features are turned into a map": Case(
        Swin, (("permute", 8),), "head", "avgpool:input"
    ),
    "cells that hand on pairs": Case(Cells, (("stem", 2), ("act", 8)), "fc", "pool:input"),
    "convolutions that cut the edges": Case(Unpadded, (("stage1", 2), ("stage2", 4)), "fc", "pool:input"),
    "maps with attention": Case(TokensInside, (("stem", 2), ("stages.1", 4), ("stages.3", 8)), "head", "pool:input"),
}
"""Name -> a network of maps."""

TOKENS = {
    "ViT": Case(ViT, (), "head"),
    "ViT of torch": Case(TorchViT, (), "fc"),
    "Mixer": Case(Mixer, (), "head"),
    "text": Case(Text, (), "classifier"),
}
"""Name -> a network that works on tokens, and so shows no maps to learn from."""


def example(name, size):
    """Two samples for the network of that name: images of that size, or as many words."""
    return torch.randint(20, (2, size)) if name == "text" else torch.rand(2, 3, size, size)
