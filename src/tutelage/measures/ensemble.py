"""What several networks answer together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.losses.kd import Average
from tutelage.measures.errors import errors
from tutelage.measures.predict import predict


def ensemble_answers(members: Sequence[nn.Module], data: Labelled, average: Average) -> Tensor:
    """The log of the ``average`` of the members' probabilities (at temperature 1) for every sample of ``data``: (N, C).

    Raises ``ValueError`` for no members.
    """
    if not members:
        raise ValueError("An ensemble has at least 1 member; got none.")
    return average(torch.stack([predict(member, data).log_softmax(-1) for member in members]), None)


def ensemble_errors(members: Sequence[nn.Module], data: Labelled, average: Average) -> int:
    """Errors of the ``average`` of the members' probabilities (at temperature 1) on ``data``."""
    return errors(ensemble_answers(members, data, average), data.targets)
