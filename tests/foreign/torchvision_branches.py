"""Small networks as torchvision writes them: those whose blocks have branches, or take all maps before them."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from foreign.layers import CLASSES, Functional, conv, conv_bn
from foreign.torchvision_blocks import residual


class DenseLayer(nn.Module):
    """Takes a list of all maps before it."""

    def __init__(self, inputs):
        super().__init__()
        self.norm1, self.relu1, self.conv1 = nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), conv(inputs, 4)

    def forward(self, maps):
        return self.conv1(self.relu1(self.norm1(torch.cat(maps, 1))))


class DenseBlock(nn.ModuleDict):
    def __init__(self, inputs):
        super().__init__({f"denselayer{k + 1}": DenseLayer(inputs + 4 * k) for k in range(2)})

    def forward(self, x):
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return torch.cat(maps, 1)


class DenseNet(nn.Module):
    """Its last norm is overwritten by a ReLU that is no module."""

    def __init__(self):
        super().__init__()
        layers = OrderedDict(conv0=conv(3, 8, 2, 7), norm0=nn.BatchNorm2d(8), relu0=nn.ReLU(inplace=True),
                             pool0=nn.MaxPool2d(3, 2, 1))  # fmt: skip
        for k in (1, 2, 3):
            layers[f"denseblock{k}"] = DenseBlock(8)
            layers[f"transition{k}"] = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(16), relu=nn.ReLU(inplace=True),
                                                                 conv=conv(16, 8, 1, 1),
                                                                 pool=nn.AvgPool2d(2, 2, ceil_mode=True)))  # fmt: skip
        layers.update(denseblock4=DenseBlock(8), norm5=nn.BatchNorm2d(16))
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(16, CLASSES)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(out, (1, 1)), 1))


class BasicConv2d(nn.Module):
    def __init__(self, inputs, outputs, stride=1, size=3):
        super().__init__()
        self.conv, self.bn = conv(inputs, outputs, stride, size), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Branches side by side, one of them of two steps, another pooled."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.branch3x3 = BasicConv2d(inputs, outputs, stride)
        self.branch5x5_1, self.branch5x5_2 = BasicConv2d(inputs, 2, 1, 1), BasicConv2d(2, outputs, stride, 5)
        self.branch_pool = nn.MaxPool2d(3, stride, 1)

    def forward(self, x):
        return torch.cat([self.branch3x3(x), self.branch5x5_2(self.branch5x5_1(x)), self.branch_pool(x)], 1)


class Inception(nn.Module):
    """An auxiliary head that only trains, and dropout before the last layer."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a, self.Conv2d_2a = BasicConv2d(3, 4, 2), BasicConv2d(4, 4)
        self.maxpool1 = nn.MaxPool2d(3, 2, 1)
        self.Mixed_5b, self.Mixed_5c = Mixed(4, 4), Mixed(12, 4)
        self.Mixed_6a, self.AuxLogits = Mixed(20, 4, 2), nn.Linear(28, CLASSES)
        self.Mixed_7a, self.Mixed_7b = Mixed(28, 4, 2), Mixed(36, 4)
        self.avgpool, self.dropout, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.Linear(44, CLASSES)

    def forward(self, x):
        x = self.Mixed_6a(self.Mixed_5c(self.Mixed_5b(self.maxpool1(self.Conv2d_2a(self.Conv2d_1a(x))))))
        aux = self.AuxLogits(x.mean((2, 3))) if self.training else None
        out = self.fc(torch.flatten(self.dropout(self.avgpool(self.Mixed_7b(self.Mixed_7a(x)))), 1))
        return out if aux is None else (out, aux)


class Fire(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.squeeze, self.squeeze_activation = nn.Conv2d(inputs, 2, 1), nn.ReLU(inplace=True)
        self.expand1x1, self.expand1x1_activation = nn.Conv2d(2, outputs, 1), nn.ReLU(inplace=True)
        self.expand3x3, self.expand3x3_activation = nn.Conv2d(2, outputs, 3, 1, 1), nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        parts = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return torch.cat(parts, 1)


class SqueezeNet(nn.Module):
    """No linear layer: scores of every place, averaged."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1), Fire(4, 3), Fire(6, 3),
            nn.MaxPool2d(3, 2, 1), Fire(6, 4), Fire(8, 4),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(8, CLASSES, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


class RegNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 4, 2)
        stages = [(4, 6), (6, 8), (8, 10), (10, 12)]
        self.trunk_output = nn.Sequential(OrderedDict((f"block{k}", residual(*widths, 2)) for k, widths in
                                                      enumerate(stages, start=1)))  # fmt: skip
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(12, CLASSES)

    def forward(self, x):
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1))


class ShuffleUnit(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half = outputs // 2
        self.stride = stride
        self.branch1 = conv_bn(inputs, half, 2) if stride == 2 else nn.Sequential()
        self.branch2 = nn.Sequential(conv_bn(inputs if stride == 2 else half, half, 1, 1), conv_bn(half, half, stride))

    def forward(self, x):
        one, two = (x, x) if self.stride == 2 else x.chunk(2, 1)
        return torch.cat([self.branch1(one), self.branch2(two)], 1)


class ShuffleNet(Functional):
    def __init__(self):
        super().__init__()
        self.conv1, self.maxpool = conv_bn(3, 4, 2), nn.MaxPool2d(3, 2, 1)
        self.stage2 = nn.Sequential(ShuffleUnit(4, 8, 2), ShuffleUnit(8, 8, 1))
        self.stage3 = nn.Sequential(ShuffleUnit(8, 12, 2), ShuffleUnit(12, 12, 1))
        self.stage4 = nn.Sequential(ShuffleUnit(12, 16, 2), ShuffleUnit(16, 16, 1))
        self.conv5, self.fc = conv_bn(16, 20, 1, 1), nn.Linear(20, CLASSES)

    def forward(self, x):
        return self.fc(self.mean(self.conv5(self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x))))))))


class GoogLeNet(nn.Module):
    """Poolings between the stages, all of them children of the network."""

    def __init__(self):
        super().__init__()
        self.conv1, self.maxpool1 = BasicConv2d(3, 4, 2, 7), nn.MaxPool2d(3, 2, 1)
        self.conv2, self.inception3a, self.maxpool3 = BasicConv2d(4, 4), Mixed(4, 2), nn.MaxPool2d(3, 2, 1)
        self.inception4a, self.inception4b, self.maxpool4 = (
            Mixed(8, 2),
            Mixed(12, 2),
            nn.MaxPool2d(2, 2, ceil_mode=True),
        )
        self.inception5a, self.avgpool, self.fc = Mixed(16, 2), nn.AdaptiveAvgPool2d(1), nn.Linear(20, CLASSES)

    def forward(self, x):
        x = self.maxpool3(self.inception3a(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.inception5a(self.maxpool4(self.inception4b(self.inception4a(x))))
        return self.fc(self.avgpool(x).flatten(1))
