"""Small networks as timm writes them."""

from collections import OrderedDict

from torch import nn
from torch.nn import functional as F

from foreign.layers import CLASSES, conv
from foreign.torchvision_blocks import CNBlock, Down, LayerNorm2d, ResNet, mb_stage


class BatchNormAct2d(nn.BatchNorm2d):
    def forward(self, x):
        return F.silu(super().forward(x))


class TimmEfficientNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 4, 2), BatchNormAct2d(4)
        self.blocks = nn.Sequential(mb_stage(4, 4, 1), mb_stage(4, 6, 2), mb_stage(6, 8, 2), mb_stage(8, 10, 2),
                                    mb_stage(10, 10, 1), mb_stage(10, 12, 2))  # fmt: skip
        self.conv_head, self.bn2 = conv(12, 16, 1, 1), BatchNormAct2d(16)
        self.global_pool = nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(1)))
        self.classifier = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(x)))))
        return self.classifier(self.global_pool(x))


class TimmConvNeXtStage(nn.Module):
    def __init__(self, inputs, outputs, down):
        super().__init__()
        self.downsample = Down(inputs, outputs) if down else nn.Identity()
        self.blocks = nn.Sequential(CNBlock(outputs), CNBlock(outputs))

    def forward(self, x):
        return self.blocks(self.downsample(x))


class TimmConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 4, 4), LayerNorm2d(6))
        self.stages = nn.Sequential(*[TimmConvNeXtStage(*row) for row in
                                      ((6, 6, False), (6, 8, True), (8, 10, True), (10, 12, True))])  # fmt: skip
        self.norm_pre = nn.Identity()
        self.head = nn.Sequential(OrderedDict(global_pool=nn.AdaptiveAvgPool2d(1), norm=LayerNorm2d(12),
                                              flatten=nn.Flatten(1), fc=nn.Linear(12, CLASSES)))  # fmt: skip

    def forward(self, x):
        return self.head(self.norm_pre(self.stages(self.stem(x))))


class TimmResNet(ResNet):
    """The pooling and flattening in one module."""

    def __init__(self):
        super().__init__()
        self.avgpool = nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(1)))

    def forward(self, x):
        return self.fc(self.avgpool(self.features(x)))
