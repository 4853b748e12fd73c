"""What several networks answer together."""

from collections.abc import Sequence

import torch
from torch import nn

from tutelage.data.labelled import Labelled
from tutelage.losses.kd import Average
from tutelage.measure.predict import predict


def errors(members: Sequence[nn.Module], data: Labelled, average: Average) -> int:
    """Errors of the ``average`` of the members' probabilities (at temperature 1) on ``data``."""
    opinions = torch.stack([predict(member, data).log_softmax(-1) for member in members])
    return int((average(opinions, None).argmax(-1) != data.targets).sum())
