"""Small networks as people write them."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from foreign.layers import CLASSES, Functional, conv, conv_bn
from foreign.tokens import Block
from foreign.torchvision_blocks import ResNet, residual


class SmallImages(Functional):
    """A stem that keeps the size, and ReLUs and a mean that are no modules."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 4), nn.BatchNorm2d(4)
        self.layer1, self.layer2, self.layer3 = residual(4, 4), residual(4, 6, 2), residual(6, 8, 2)
        self.linear = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.linear(self.mean(self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))))


class OneStageAChild(nn.Module):
    """Each stage pools at its end."""

    def __init__(self):
        super().__init__()
        widths = ((3, 4), (4, 6), (6, 8))
        self.stage1, self.stage2, self.stage3 = (nn.Sequential(conv_bn(*w), nn.MaxPool2d(2)) for w in widths)
        self.pool, self.flatten, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.flatten(self.pool(self.stage3(self.stage2(self.stage1(x))))))


class Nested(nn.Module):
    """Stages two deep inside what is called, by modules that do nothing else."""

    def __init__(self):
        super().__init__()
        body = OrderedDict(stem=conv_bn(3, 4), stages=nn.Sequential(residual(4, 4), residual(4, 6, 2),
                                                                    residual(6, 8, 2), residual(8, 10, 2)))  # fmt: skip
        self.backbone = nn.Sequential(OrderedDict(body=nn.Sequential(body), neck=conv_bn(10, 12, 1, 1)))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.Flatten(), nn.Linear(12, CLASSES))

    def forward(self, x):
        return self.head(self.pool(self.backbone(x)))


class Normalised(nn.Module):
    """The usual scaling in front of a network that is a child, whose last layer was replaced."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((3, 1, 1), 0.5))
        self.rescale = nn.Identity()
        self.model = ResNet()
        self.model.fc = nn.Identity()
        self.head = nn.Linear(10, CLASSES)

    def forward(self, x):
        return self.head(self.model(self.rescale((x - self.scale) / self.scale)))


class Everything(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1),
            nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, 1, 1), nn.ReLU(), nn.ZeroPad2d(1), nn.Conv2d(6, 8, 3, 2),
            nn.GELU(), nn.Dropout2d(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES),
        )  # fmt: skip


class Encoder(nn.Module):
    """The encoder of a U-Net: one pooling for all steps."""

    def __init__(self):
        super().__init__()
        self.inc, self.down1, self.down2 = conv_bn(3, 4), conv_bn(4, 6), conv_bn(6, 8)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.down2(self.pool(self.down1(self.pool(self.inc(x)))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(Encoder):
    """And back up again, before the classes are read off: the stages are still those of the encoder."""

    def __init__(self):
        super().__init__()
        self.up1, self.up2 = nn.ConvTranspose2d(8, 6, 2, 2), nn.ConvTranspose2d(6, 4, 2, 2)
        self.gap, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, CLASSES)

    def forward(self, x):
        one = self.inc(x)
        two = self.down1(self.pool(one))
        up = self.up1(self.down2(self.pool(two))) + two
        return self.head(self.gap(self.up2(up) + one).flatten(1))


class ScoresAveraged(nn.Module):
    """All convolutions: the last one gives a score for each place and class."""

    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU())
        self.block2 = nn.Sequential(nn.Conv2d(4, 6, 3, 1, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 2, 1), nn.ReLU())
        self.block3, self.scores = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU()), nn.Conv2d(8, CLASSES, 1)
        self.relu, self.pool = nn.ReLU(), nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.pool(self.relu(self.scores(self.block3(self.block2(self.block1(x)))))).flatten(1)


class LinearSqueeze(Functional):
    """Gates made of linear layers, after poolings that are not the last."""

    def __init__(self):
        super().__init__()
        self.stage1, self.stage2, self.stage3 = Gated(3, 4), Gated(4, 6), Gated(6, 8)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x):
        return F.log_softmax(self.out(self.mean(self.stage3(self.stage2(self.stage1(x))))), 1)


class Gated(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = conv_bn(inputs, outputs, 2)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(outputs, outputs)

    def forward(self, x):
        x = self.body(x)
        return x * torch.sigmoid(self.fc(self.pool(x).flatten(1)))[:, :, None, None]


class TokensInside(nn.Module):
    """Stages of maps, in which places are tokens that attend to each other."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8, 2)
        self.stages = nn.Sequential(conv_bn(8, 8, 2), Attending(8), conv_bn(8, 12, 2), Attending(12))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(12, CLASSES)

    def forward(self, x):
        return self.head(self.pool(self.stages(self.stem(x))).flatten(1))


class Attending(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.local, self.block = conv(dim, dim), Block(dim)

    def forward(self, x):
        y = self.block(self.local(x).flatten(2).transpose(1, 2))
        return x + y.transpose(1, 2).reshape(x.shape)


class Cell(nn.Module):
    """Takes the maps of the two cells before it and hands two on: as a pair, they have no address."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.left, self.right = conv_bn(inputs, outputs, 2), nn.Sequential(conv_bn(inputs, 2), conv_bn(2, outputs, 2))

    def forward(self, pair):
        now, before = pair
        out = self.left(now) + self.right(before)
        return out, F.relu(out)


class Cells(nn.Module):
    """The branches inside a cell are no stages; what is a single map is one."""

    def __init__(self):
        super().__init__()
        self.stem, self.cells = conv_bn(3, 4, 2), nn.Sequential(Cell(4, 8), Cell(8, 12))
        self.act, self.pool, self.fc = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        return self.fc(self.pool(self.act(self.cells((x, x))[0])).flatten(1))


class Unpadded(nn.Module):
    """Convolutions that cut the edges: within a stage each map is a little smaller than the one before."""

    def __init__(self):
        super().__init__()
        self.stage1, self.stage2 = Cut(3, 4), Cut(4, 6)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.fc(self.pool(self.stage2(self.stage1(x))).flatten(1))


class Cut(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 2), nn.ReLU(), nn.Conv2d(outputs, outputs, 1), nn.ReLU(),
                         nn.MaxPool2d(2, 2, ceil_mode=True))  # fmt: skip
