"""Small networks that work on tokens (samples, tokens, features)."""

import torch
from torch import nn
from torch.nn import functional as F

from foreign.layers import CLASSES, conv_bn
from foreign.torchvision_blocks import Permute


class Attention(nn.Module):
    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attn_drop = nn.Dropout(0.0)  # answers (samples, heads, tokens, tokens): no map, though it looks like one

    def forward(self, x):
        n, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attention = self.attn_drop((q @ k.transpose(-2, -1)).softmax(-1))
        return self.proj((attention @ v).transpose(1, 2).reshape(n, tokens, dim))


def mlp(dim, inside):
    return nn.Sequential(nn.Linear(dim, inside), nn.GELU(), nn.Linear(inside, dim))


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = nn.LayerNorm(dim), Attention(dim), nn.LayerNorm(dim), mlp(dim, 16)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim, patch=8):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed, self.cls_token = PatchEmbed(8), nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks, self.norm, self.head = nn.Sequential(Block(8), Block(8)), nn.LayerNorm(8), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.patch_embed(x)
        return self.head(self.norm(self.blocks(torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)))[:, 0])


class TorchViT(nn.Module):
    """PyTorch's own encoder, and a stem of several convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 4, 2), conv_bn(4, 8, 2))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder, self.fc = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.fc(self.encoder(self.stem(x).flatten(2).transpose(1, 2)).mean(1))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = PatchEmbed(8), nn.Linear(8, CLASSES)
        self.blocks = nn.Sequential(MixerBlock(8), MixerBlock(8))

    def forward(self, x):
        return self.head(self.blocks(F.adaptive_avg_pool1d(self.stem(x).transpose(1, 2), 4).transpose(1, 2)).mean(1))


class MixerBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm1, self.mlp_tokens, self.norm2, self.mlp_channels = (
            nn.LayerNorm(dim), mlp(4, 8), nn.LayerNorm(dim), mlp(dim, 16)
        )  # fmt: skip

    def forward(self, x):
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class SwinBlock(nn.Module):
    """(samples, H, W, features), the last dimension features."""

    def __init__(self, dim):
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = nn.LayerNorm(dim), Attention(dim), nn.LayerNorm(dim), mlp(dim, 16)

    def forward(self, x):
        x = x + self.attn(self.norm1(x).flatten(1, 2)).reshape(x.shape)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction, self.norm = nn.Linear(4 * dim, 2 * dim), nn.LayerNorm(4 * dim)

    def forward(self, x):
        x = torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)
        return self.reduction(self.norm(x))


class Swin(nn.Module):
    def __init__(self):
        super().__init__()
        first = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Permute(0, 2, 3, 1), nn.LayerNorm(8))
        self.features = nn.Sequential(first, nn.Sequential(SwinBlock(8)), PatchMerging(8), nn.Sequential(SwinBlock(16)))
        self.norm, self.permute = nn.LayerNorm(16), Permute(0, 3, 1, 2)
        self.avgpool, self.flatten, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(16, CLASSES)

    def forward(self, x):
        return self.head(self.flatten(self.avgpool(self.permute(self.norm(self.features(x))))))


class Text(nn.Module):
    """A transformer of words: its samples are numbers of words."""

    def __init__(self):
        super().__init__()
        self.embed, self.blocks = nn.Embedding(20, 8), nn.ModuleList([Block(8), Block(8)])
        self.pooler, self.classifier = nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, CLASSES)

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return {"logits": self.classifier(self.pooler(x[:, 0]))}
