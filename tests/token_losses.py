"""The losses of language models, for tests that hold of each of them."""

from functools import partial

import torch

from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.kd import soft_targets
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.losses.skewed import skewed_kl, skewed_reverse_kl
from tutelage.losses.top_targets import top_targets
from tutelage.losses.total_variation import total_variation
from tutelage.losses.universal_logits import universal_logits

DIVERGENCES = [soft_targets, reverse_kl, jensen_shannon, skewed_kl, skewed_reverse_kl, total_variation, top_targets]
SETTINGS = [partial(jensen_shannon, beta=0.0), partial(jensen_shannon, beta=1.0), partial(skewed_kl, skew=0.0)]
ALL = [*DIVERGENCES, *SETTINGS, universal_logits]


def drawn(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, requires_grad=True), torch.randn(*shape, dtype=dtype)
