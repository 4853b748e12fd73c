"""Networks of other people's code: channels are taken out exactly, or the layer is refused with a reason."""

from copy import deepcopy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from channel_networks import assert_removed_exactly, found, gated, some, trained
from tutelage.compress.empty import architecture_of_filled, filled
from tutelage.compress.importance import activity, filters, loudness, taylor
from tutelage.compress.masks import prune_
from tutelage.compress.ranked import least_important
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.plain import Blank, Select, Zero
from tutelage.compress.structure.removal import without
from tutelage.compress.structure.widths import unread, widths
from tutelage.models.watch import tensors_in

pytestmark = pytest.mark.slow


class Functional(nn.Module):
    """Functional rectification in place, functional pooling, a flattening by ``view``."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1)
        self.hidden, self.head = nn.Linear(12 * 16, 20), nn.Linear(20, 5)

    def flat(self, x):
        return x.view(x.size(0), -1)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)), inplace=True)
        x = F.max_pool2d(F.relu6(self.conv2(x)), 2)
        return self.head(F.relu(self.hidden(self.flat(x))))


class FlatByNumber(Functional):
    def flat(self, x):
        return x.view(-1, 192)


class Concatenated(nn.Module):
    """Branches of several sizes side by side, and a transposed convolution; a dictionary of answers."""

    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 3, padding=1)
        self.pool, self.read = nn.MaxPool2d(3, 1, 1), nn.Conv2d(10, 8, 3)
        self.up, self.out = nn.ConvTranspose2d(8, 6, 2, 2), nn.Conv2d(6, 2, 1)

    def forward(self, x):
        x = self.pool(F.relu(torch.cat([self.one(x), self.three(x)], 1)))
        return {"map": self.out(F.relu(self.up(F.relu(self.read(x)))))}


class SqueezeExcite(nn.Module):
    """A branch whose channels are weighted by what two linear layers make of their means."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm, self.squeeze, self.excite = nn.BatchNorm2d(8), nn.Linear(8, 4), nn.Linear(4, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = self.norm(self.conv(x))
        b, c, _, _ = y.size()
        weight = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1).view(b, c))))
        x = F.relu(x + y * torch.sigmoid(weight).view(b, c, 1, 1).expand_as(y))
        return self.head(x.mean((2, 3)))


class Chunked(nn.Module):
    """Half of the channels pass, half are convolved."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(4, 4, 1), nn.Linear(8, 5)

    def forward(self, x):
        left, right = F.relu(self.stem(x)).chunk(2, 1)
        return self.head(torch.cat([left, F.relu(self.conv(right))], 1).mean((2, 3)))


class Padded(nn.Module):
    """The shortcut of He et al.: every second place, and zeros for the new channels; added in place."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv1 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)
        self.conv2, self.head = nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        y += F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))
        return self.head(F.relu(y).mean((2, 3)))


class Shared(nn.Module):
    """One layer runs twice."""

    def __init__(self):
        super().__init__()
        self.first, self.twice, self.then, self.head = (nn.Linear(*n) for n in ((12, 8), (8, 8), (8, 8), (8, 5)))

    def forward(self, x):
        x = F.relu(self.twice(F.relu(self.twice(F.relu(self.first(x))))))
        return self.head(F.relu(self.then(x)))


class Transformer(nn.Module):
    """Attention as torch has it; between the norms, layers whose inner channels are their own."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Linear(12, 16), nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.widen, self.narrow, self.head = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.attention(self.norm(x), self.norm(x), self.norm(x), need_weights=False)[0]
        x = x + self.narrow(F.gelu(self.widen(self.norm(x))))
        return self.head(x.mean(1))


class Encoder(nn.Module):
    """Torch's own encoder layer, which passes by its layers where it can."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(12, 16), nn.Linear(16, 5)
        self.encode = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, x):
        return self.head(self.encode(self.embed(x)).mean(1))


class Attending(nn.Module):
    """Attention by hand: heads by ``view``, products of activations."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(12, 16) for _ in range(3))
        self.out, self.head = nn.Linear(16, 12), nn.Linear(12, 5)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (layer(x).view(b, t, 4, 4).transpose(1, 2) for layer in (self.query, self.key, self.value))
        y = (torch.softmax(q @ k.transpose(-1, -2), -1) @ v).transpose(1, 2).reshape(b, t, 16)
        return self.head((x + self.out(y)).mean(1))


class Heads(nn.Module):
    """Heads of four channels each, however many there are, between norms; and code that looks at a layer's weight."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Linear(12, 16), nn.LayerNorm(16)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.out, self.head = nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.embed(x.to(self.query.weight.dtype))
        q, k, v = (
            layer(self.norm(x)).unflatten(-1, (-1, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return self.head((x + self.out(y)).mean(1))


class InGroups(nn.Module):
    """A convolution in two groups, and a scale for each channel that is no layer's."""

    def __init__(self):
        super().__init__()
        self.stem, self.grouped = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.read, self.head, self.scale = nn.Conv2d(8, 6, 1), nn.Linear(6, 5), nn.Parameter(torch.rand(6, 1, 1))

    def forward(self, x):
        return self.head((F.relu(self.read(F.relu(self.grouped(F.relu(self.stem(x)))))) * self.scale).amax((2, 3)))


class Shuffled(nn.Module):
    """Groups whose channels are shuffled by views, where a norm can lose channels that its convolution keeps."""

    def __init__(self):
        super().__init__()
        self.stem, self.grouped = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 1, groups=3)
        self.norm, self.mix = nn.BatchNorm2d(12), nn.Conv2d(12, 6, 3, groups=2)
        self.read, self.head = nn.Conv2d(6, 8, 1), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.grouped(F.relu(self.stem(x)))))
        b, c, h, w = x.shape
        x = x.view(b, 3, c // 3, h, w).transpose(1, 2).reshape(b, c, h, w)
        return self.head(F.relu(self.read(F.relu(self.mix(x)))).mean((2, 3)))


class Numbered(nn.Module):
    """What a norm makes is taken by its number, and its convolution's channels go together for other reasons."""

    def __init__(self):
        super().__init__()
        self.stem, self.grouped = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1, groups=2)
        self.norm, self.read, self.head = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.grouped(F.relu(self.stem(x)))))
        first, second = x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]
        return self.head(F.relu(self.read(torch.cat([second, first], 1))).mean((2, 3)))


class SpatialAttention(nn.Module):
    """One map weighs all channels."""

    def __init__(self):
        super().__init__()
        self.stem, self.weigh = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 1, 1)
        self.read, self.head = nn.Conv2d(8, 6, 1), nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        return self.head(F.relu(self.read(x * torch.sigmoid(self.weigh(x)))).amax((2, 3)))


class Written(nn.Module):
    """Channels are written into a tensor of zeros."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Linear(8, 5)

    def forward(self, x):
        y = x.new_zeros(len(x), 8, *x.shape[2:])
        y[:, :4] = self.one(x)
        y[:, 4:] += self.other(x)
        return self.head(F.relu(y).mean((2, 3)))


class Tied(nn.Module):
    """A layer's weight is used by the network itself, too."""

    def __init__(self):
        super().__init__()
        self.first, self.idle, self.then, self.head = (nn.Linear(*n) for n in ((12, 8), (3, 4), (12, 7), (7, 5)))

    def forward(self, x):
        return self.head(F.relu(self.then(F.relu(F.linear(F.relu(self.first(x)), self.first.weight.t())))))


class Auxiliary(nn.Module):
    """A second head in the middle, which learns too and answers in train mode alone."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1, self.conv2 = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3)
        self.conv3, self.aux, self.head = nn.Conv2d(6, 8, 1), nn.Linear(8, 5), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        answer = self.head(F.relu(self.conv3(F.relu(self.conv2(x)))).mean((2, 3)))
        return answer + F.dropout(self.aux(x.mean((2, 3)))) if self.training else answer


class RowByRow(nn.Module):
    """Samples one after the other, as vectors."""

    def __init__(self):
        super().__init__()
        self.each, self.then, self.head = nn.Linear(12, 8), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(F.relu(self.then(torch.stack([F.relu(self.each(row)) for row in x]))))


class Looking(nn.Module):
    """The code looks at values, and makes tensors of its own."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3), nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        if bool(x.isnan().any()):
            raise ValueError("not a number")
        x = torch.cat([F.relu(self.conv2(x)), torch.zeros(len(x), 0, *[n - 2 for n in x.shape[2:]])], 1)
        return self.head(x.mean((2, 3)) + torch.zeros(1))


class Coordinates(nn.Module):
    """Two maps of constants beside the channels, as in CoordConv."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(5, 8, 3), nn.Conv2d(10, 6, 3), nn.Linear(6, 5)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            rows = torch.linspace(-1, 1, x.shape[2], dtype=x.dtype).view(1, 1, -1, 1).expand(len(x), 1, *x.shape[2:])
            x = F.relu(conv(torch.cat([x, rows, rows.mT], 1)))
        return self.head(x.mean((2, 3)))


class Frames(nn.Module):
    """Frames are samples until the last layers."""

    def __init__(self):
        super().__init__()
        self.each, self.then, self.head = nn.Linear(12, 8), nn.Linear(8, 6), nn.Linear(6, 5)

    def forward(self, x):
        y = F.relu(self.each(input=x.flatten(0, 1))).unflatten(0, x.shape[:2]).mean(1)
        return self.head(F.relu(self.then(y)))


class NormFirst(nn.Module):
    """What comes in is normalised by a batch norm, and read a second time further on, as tables are."""

    def __init__(self):
        super().__init__()
        self.norm, self.widen, self.mix = nn.BatchNorm1d(12), nn.Linear(12, 8), nn.Linear(20, 8)
        self.gate, self.head = nn.Linear(12, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(x)
        return self.head(F.relu(self.mix(torch.cat([x, F.relu(self.widen(x))], 1))) * self.gate(x).sigmoid())


class ByItsSize(nn.Module):
    """One width is divided by its root."""

    def __init__(self):
        super().__init__()
        self.first, self.scaled, self.then, self.head = (nn.Linear(*n) for n in ((12, 8), (8, 9), (9, 7), (7, 5)))

    def forward(self, x):
        x = self.scaled(F.relu(self.first(x)))
        return self.head(F.relu(self.then(x / x.shape[1] ** 0.5)))


class Skipping(nn.Module):
    """A layer is left out for some values, another one runs for these alone."""

    def __init__(self):
        super().__init__()
        self.first, self.most, self.few = nn.Linear(12, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.then, self.head = nn.Linear(8, 6), nn.Linear(6, 5)

    def forward(self, x):
        y = F.relu(self.first(x))
        y = y + self.few(y) if bool(x.abs().amax() > 0) else self.most(y)
        return self.head(F.relu(self.then(y)))


class Embedded(nn.Module):
    """Words in, their classes out; convolutions over time."""

    def __init__(self):
        super().__init__()
        self.words, self.conv1 = nn.Embedding(11, 6), nn.Conv1d(6, 8, 3, padding="same")
        self.norm, self.conv2, self.head = nn.BatchNorm1d(8), nn.Conv1d(8, 4, 3, 2), nn.Linear(4, 5)

    def forward(self, x):
        x = self.words(x).transpose(1, 2)
        x = F.leaky_relu(self.norm(self.conv1(x)))
        return self.head(F.silu(self.conv2(x)).transpose(1, 2)).mean(1)


class NonLocal(nn.Module):
    """Attention between places, whose queries and keys may all go; two products of activations."""

    def __init__(self):
        super().__init__()
        self.stem, self.query, self.key, self.value = (nn.Conv2d(*n, 1) for n in ((3, 8), (8, 4), (8, 4), (8, 4)))
        self.out, self.head = nn.Conv2d(4, 8, 1), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        q, k, v = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        y = v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)
        return self.head((x + self.out(y.unflatten(2, x.shape[2:]))).mean((2, 3)))


class ChannelsLast(nn.Module):
    """Linear layers over maps whose channels stand last, as many as there are rows."""

    def __init__(self):
        super().__init__()
        self.embed, self.widen, self.narrow, self.head = (nn.Linear(*n) for n in ((3, 8), (8, 12), (12, 8), (8, 5)))

    def forward(self, x):
        x = self.embed(x.permute(0, 2, 3, 1))
        x = x + self.narrow(F.relu(self.widen(x)))
        return self.head(F.relu(x).mean((1, 2)))


IMAGE, VECTOR, SEQUENCE = (3, 8, 8), (12,), (6, 12)
CASES = {
    Functional: (IMAGE, {}, {"head"}),
    FlatByNumber: (IMAGE, {}, {"conv2", "head"}),
    Concatenated: (IMAGE, {}, {"out"}),
    SqueezeExcite: (IMAGE, {}, {"head"}),
    Chunked: (IMAGE, {}, {"head"}),
    Padded: (IMAGE, {}, {"norm2", "head"}),
    Shared: (VECTOR, {"twice": "it runs more than once"}, {"first", "head"}),
    Transformer: (SEQUENCE, {"attention": "a MultiheadAttention is no linear layer"}, {"embed", "narrow", "head"}),
    Encoder: (SEQUENCE, {"encode.self_attn": "no linear layer"}, {"embed", "encode.linear2", "head"}),
    Attending: (SEQUENCE, {}, {"query", "key", "value", "out", "head"}),
    Heads: (SEQUENCE, {}, {"embed", "out", "head"}),
    InGroups: (IMAGE, {}, {"read", "head"}),
    Shuffled: (IMAGE, {}, {"head"}),
    Numbered: (IMAGE, {}, {"norm", "head"}),
    SpatialAttention: (IMAGE, {}, {"weigh", "head"}),
    Written: (IMAGE, {}, {"one", "other", "head"}),
    Tied: (VECTOR, {"first": "its weights are used outside of it, too", "idle": "it does not run"}, {"head"}),
    Auxiliary: (IMAGE, {"aux": "it does not run"}, {"norm1", "head"}),
    RowByRow: (VECTOR, {"each": "it runs more than once"}, {"head"}),
    Looking: (IMAGE, {}, {"conv1", "head"}),
    Coordinates: (IMAGE, {}, {"head"}),
    Frames: (SEQUENCE, {}, {"head"}),
    NormFirst: (VECTOR, {}, {"head"}),
    ByItsSize: (VECTOR, {}, {"scaled", "head"}),
    NonLocal: (IMAGE, {}, {"head"}),
    ChannelsLast: (IMAGE, {}, {"head"}),
    Skipping: (VECTOR, {"few": "it does not run"}, {"first", "most", "head"}),
}


@pytest.fixture(scope="module", params=CASES, ids=lambda kind: kind.__name__)
def case(request):
    torch.manual_seed(0)
    sample, refused, stays = CASES[request.param]
    model = trained(request.param())
    return model, sample, found(model, sample), refused, stays


def test_what_cannot_be_gated_and_what_stays_is_said(case):
    _, _, channels, refused, stays = case
    for name, why in refused.items():
        assert why in channels.refused[name]
        assert name not in channels.readers
    pooled = {name for name, why in channels.fixed.items() if why == "pooling wants a channel"}
    assert set(channels.fixed) - pooled == stays - pooled


def test_whole_groups_are_taken_out_by_importance(case):
    model, sample, channels, _, _ = case
    price = partial(cost, channels, macs)
    if not widths(channels):
        with pytest.raises(ValueError, match="No channel of this network can be taken out"):
            least_important(channels, filters(model, channels), price, 1)
        return
    least = price(unread(channels, [group for width in widths(channels) for group in width.groups[1:]]))
    closed = least_important(channels, filters(model, channels), price, (least + price()) / 2)
    smaller = assert_removed_exactly(model, sample, channels, closed)
    assert not any(isinstance(x, Select | Blank | Zero) for x in smaller.modules())


@pytest.mark.parametrize(("share", "branches"), [(0.2, 0.5), (0.5, 0.0), (0.8, 0.5), (1.0, 0.0), (0.0, 1.0)])
def test_what_is_removed_counts_as_zero(case, share, branches):
    model, sample, channels, _, _ = case
    closed = some(channels, share, branches, seed=int(10 * share))
    assert_removed_exactly(model, sample, channels, closed)


def test_every_importance_looks_at_frozen_layers_too_and_leaves_all_as_it_was(case):
    model, sample, channels, _, _ = case
    for p in model.parameters():
        p.requires_grad_(False)

    def shown(model):
        for seed in (1, 2):
            x = torch.randn((3, *sample), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            yield sum(y.square().sum() for y in tensors_in(model(x)))

    made = [channel for layer in channels.layers.values() if layer.mixing for channel in layer.makes]
    read = [channel for layer in channels.layers.values() if layer.mixing for channel in layer.gates]
    assert bool((taylor(model, channels, shown=shown)[made] >= 0).all())
    assert not any(p.requires_grad for p in model.parameters())
    shares = activity(model, channels, shown=shown)[read]
    assert bool(((shares >= 0) & (shares <= 1)).all())
    assert bool((loudness(model, channels, shown=shown)[read] >= 0).all())


def test_what_zeros_leave_empty_goes_whatever_kind_of_layer_reads_it(case):
    model, sample, _, _, _ = case
    model = prune_(deepcopy(model), 0.95)
    x = torch.randn((4, *sample), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    smaller = filled(deepcopy(model), architecture=architecture_of_filled(model, x[:1]))
    with torch.no_grad():
        for own, left in zip(tensors_in(model.eval()(x)), tensors_in(smaller(x)), strict=True):
            torch.testing.assert_close(left, own, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_weights_that_a_norm_of_the_older_kind_computes_stay_and_others_go():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.utils.weight_norm(nn.Linear(12, 8)), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5)
    )
    trained(model)(torch.ones(1, 12, dtype=torch.float64)).sum().backward()
    channels = found(model, VECTOR)
    assert channels.refused.keys() == {"0"}
    assert assert_removed_exactly(model, VECTOR, channels, Closed({"4": torch.arange(6) < 4}))[2].out_features == 2


def test_a_reader_has_samples_of_its_own():
    model = trained(Frames())
    channels = found(model, SEQUENCE)
    nn.init.ones_(model.each.bias)
    nn.init.zeros_(model.each.weight)

    def shown(model):
        yield model(torch.ones(3, *SEQUENCE, dtype=torch.float64)).sum()

    assert bool((activity(model, channels, shown=shown)[list(channels.layers["then"].gates)] == 1).all())


def test_what_is_read_in_train_mode_alone_is_left_for_training():
    torch.manual_seed(0)
    model = trained(Auxiliary())
    generator = torch.get_rng_state()
    channels = found(model, IMAGE)
    assert torch.equal(torch.get_rng_state(), generator)
    assert channels.fixed["norm1"] == "aux reads it in train mode"
    smaller = without(model, channels, some(channels, 0.5, 0.5, seed=0))
    assert smaller.train()(torch.randn(4, *IMAGE, dtype=torch.float64)).shape == (4, 5)


def test_a_head_that_nobody_reads_goes_with_its_queries_keys_and_values():
    torch.manual_seed(0)
    model = trained(Heads())
    channels = found(model, SEQUENCE)
    shut = torch.tensor([True] * 4 + [False] * 11 + [True])
    smaller = assert_removed_exactly(model, SEQUENCE, channels, Closed({"out": shut}))
    assert [layer.out_features for layer in (smaller.query, smaller.key, smaller.value)] == [12, 12, 12]
    assert smaller.out.in_features == 11


def test_a_network_of_words_works_too():
    torch.manual_seed(0)
    model, words = trained(Embedded()).eval(), torch.randint(11, (4, 9))
    channels = channels_of(model, words[:1])
    assert {name: reader.gates for name, reader in channels.readers.items()} == {"conv1": 6, "conv2": 8, "head": 4}
    closed = some(channels, 0.4)
    torch.testing.assert_close(without(model, channels, closed)(words), gated(model, channels, closed)(words))


def test_a_network_that_runs_in_no_double_precision_is_held_against_what_it_answers():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(torch.relu(self.first(x @ torch.eye(4))))

    torch.manual_seed(0)
    model = Single()
    channels = channels_of(model, torch.zeros(1, 4))
    shut = torch.tensor([True, False, True, False, False, False])
    assert without(model, channels, Closed({"head": shut})).first.out_features == 4
