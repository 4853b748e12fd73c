"""What several networks answer together."""

from collections.abc import Sequence

import torch
from torch import nn

from tutelage.data.labelled import Labelled
from tutelage.losses.kd import Average
from tutelage.measure.errors import errors
from tutelage.measure.predict import predict


def ensemble_errors(members: Sequence[nn.Module], data: Labelled, average: Average) -> int:
    """Errors of the ``average`` of the members' probabilities (at temperature 1) on ``data``."""
    opinions = torch.stack([predict(member, data).log_softmax(-1) for member in members])
    return errors(average(opinions, None), data.targets)
