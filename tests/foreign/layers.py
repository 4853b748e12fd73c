"""What foreign networks have in common."""

from torch import nn

CLASSES = 5


def conv(inputs, outputs, stride=1, size=3, **options):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False, **options)


def conv_bn(inputs, outputs, stride=1, size=3, act=nn.ReLU, **options):
    return nn.Sequential(conv(inputs, outputs, stride, size, **options), nn.BatchNorm2d(outputs), act())


class Functional(nn.Module):
    """A forward pass that is a function of the module."""

    def mean(self, x):
        return x.mean((2, 3))
