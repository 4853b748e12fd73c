"""A small network as the transformers library writes it: keywords in, dataclasses out, lists of modules."""

from dataclasses import dataclass

import torch
from torch import nn

from foreign.layers import CLASSES, conv_bn
from foreign.torchvision_blocks import residual


@dataclass
class Output:
    last_hidden_state: torch.Tensor
    hidden_states: tuple | None = None


@dataclass
class ClassifierOutput:
    logits: torch.Tensor


class StageEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([residual(4, 4), residual(4, 6, 2), residual(6, 8, 2), residual(8, 10, 2)])

    def forward(self, hidden_state):
        states = ()
        for stage in self.stages:
            states += (hidden_state,)
            hidden_state = stage(hidden_state)
        return Output(hidden_state, states)


class StagedModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedder, self.encoder, self.pooler = conv_bn(3, 4, 2), StageEncoder(), nn.AdaptiveAvgPool2d(1)

    def forward(self, pixel_values):
        return Output(self.pooler(self.encoder(hidden_state=self.embedder(pixel_values)).last_hidden_state))


class HuggingFaceResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.resnet = StagedModel()
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(10, CLASSES))

    def forward(self, pixel_values):
        return ClassifierOutput(self.classifier(self.resnet(pixel_values=pixel_values).last_hidden_state))
