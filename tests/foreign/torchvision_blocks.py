"""Small networks as torchvision writes them: those of one kind of block, stage by stage."""

import torch
from torch import nn
from torch.nn import functional as F

from foreign.layers import CLASSES, conv, conv_bn


class BasicBlock(nn.Module):
    """One in-place ReLU for both places, as in torchvision."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.downsample = None if same else nn.Sequential(conv(inputs, outputs, stride, 1), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def residual(inputs, outputs, stride=1, count=2):
    return nn.Sequential(*[BasicBlock(inputs if k == 0 else outputs, outputs, stride if k == 0 else 1)
                           for k in range(count)])  # fmt: skip


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.relu = conv(3, 4, 2, 7), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2 = residual(4, 4), residual(4, 6, 2)
        self.layer3, self.layer4 = residual(6, 8, 2), residual(8, 10, 2)
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(10, CLASSES)

    def features(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def forward(self, x):
        return self.fc(torch.flatten(self.avgpool(self.features(x)), 1))


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for inputs, outputs in ((3, 4), (4, 6), (6, 8), (8, 10)):
            layers += [nn.Conv2d(inputs, outputs, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2)]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(490, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, 8), nn.ReLU(True), nn.Linear(8, CLASSES)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(self.avgpool(x)))))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, act=nn.ReLU6, excite=False):
        super().__init__()
        layers = [conv_bn(inputs, 2 * inputs, 1, 1, act), conv_bn(2 * inputs, 2 * inputs, stride, 3, act)]
        layers += [SqueezeExcitation(2 * inputs)] if excite else []
        layers += [conv(2 * inputs, outputs, 1, 1), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    excite, act = False, nn.ReLU6

    def __init__(self):
        super().__init__()
        plan = ((4, 4, 1), (4, 6, 2), (6, 6, 1), (6, 8, 2), (8, 8, 1), (8, 10, 2), (10, 10, 1), (10, 12, 2))
        blocks = [InvertedResidual(*row, self.act, self.excite) for row in plan]
        self.features = nn.Sequential(conv_bn(3, 4, 2, act=self.act), *blocks, conv_bn(12, 16, 1, 1, self.act))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, CLASSES))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class MobileNetV3(MobileNetV2):
    excite, act = True, nn.Hardswish

    def __init__(self):
        super().__init__()
        self.classifier = nn.Sequential(nn.Linear(16, 20), nn.Hardswish(True), nn.Dropout(), nn.Linear(20, CLASSES))


def mb_stage(inputs, outputs, stride):
    blocks = InvertedResidual(inputs, outputs, stride, nn.SiLU, True), InvertedResidual(outputs, outputs, 1, nn.SiLU)
    return nn.Sequential(*blocks)


class EfficientNet(nn.Module):
    def __init__(self):
        super().__init__()
        stages = [mb_stage(4, 4, 1), mb_stage(4, 6, 2), mb_stage(6, 8, 2), mb_stage(8, 10, 2), mb_stage(10, 10, 1),
                  mb_stage(10, 12, 2), mb_stage(12, 12, 1)]  # fmt: skip
        self.features = nn.Sequential(conv_bn(3, 4, 2, act=nn.SiLU), *stages, conv_bn(12, 16, 1, 1, nn.SiLU))
        self.avgpool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.Dropout(), nn.Linear(16, CLASSES))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class CNBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, 1, 3, groups=dim), Permute(0, 2, 3, 1), nn.LayerNorm(dim),
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), Permute(0, 3, 1, 2),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(torch.full((dim, 1, 1), 1e-6))

    def forward(self, x):
        return x + self.layer_scale * self.block(x)


class Down(nn.Sequential):
    """Halved, where an image is large enough for that."""

    def __init__(self, inputs, outputs):
        super().__init__(LayerNorm2d(inputs), nn.Conv2d(inputs, outputs, 2, 2))

    def forward(self, x):
        return super().forward(x if min(x.shape[2:]) > 1 else F.pad(x, (0, 1, 0, 1)))


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(3, 6, 4, 4), LayerNorm2d(6)), nn.Sequential(CNBlock(6), CNBlock(6))]
        for inputs, outputs in ((6, 8), (8, 10), (10, 12)):
            layers += [Down(inputs, outputs), nn.Sequential(CNBlock(outputs), CNBlock(outputs))]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(LayerNorm2d(12), nn.Flatten(1), nn.Linear(12, CLASSES))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))
