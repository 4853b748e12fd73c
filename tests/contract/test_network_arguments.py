"""Whatever a network of ours is asked to be made of: it is made, or one sentence names the argument and what came."""

import inspect
from functools import partial
from math import inf, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tutelage.cli.failures import raised_in
from tutelage.models.mlp import mlp
from tutelage.models.named import known

pytestmark = pytest.mark.slow

NETWORKS = {**known(), "mlp": mlp}
NUMBERS = st.sampled_from(
    [
        *[*range(-2, 12), 14, 16, 20, 2003, 10**6, 10**9, 10**30, -(10**30)],
        *[-0.0, 0.25, 0.5, 0.99, 1.0, 1.5, 2.0, 1e-320, 1e308, -1e308, nan, inf, -inf],
    ]
)
ANYTHING = NUMBERS | st.sampled_from([None, True, "", "8", "a", b"8", (), (1, 2), [784, 10], (8, 0), ("a", "b"), {}])
CALLS = st.fixed_dictionaries({}, optional=dict.fromkeys(
    ["depth", "width", "growth", "num_classes", "num_channels", "compression", "dropout", "input_dropout", "widths"],
    ANYTHING,
))  # fmt: skip


def answers_or_makes(name: str, arguments: dict[str, object]) -> None:
    """Fails unless the network is made or a sentence of ours names an argument."""
    takes = {p.name for p in inspect.signature(NETWORKS[name]).parameters.values()}
    mine = {argument: value for argument, value in arguments.items() if argument in takes}
    try:
        with torch.device("meta"):  # nothing takes memory there
            network = NETWORKS[name](**mine)
    except ValueError as refusal:
        assert raised_in(refusal.__traceback__).startswith("tutelage.models."), (name, mine)
        said = str(refusal)
        assert any(argument.replace("_", " ").removesuffix("s") in said.replace("_", " ") for argument in mine), said
        assert "; got " in said and "\n" not in said, said
    else:
        assert isinstance(network, nn.Module)
        assert all(p.numel() for p in network.parameters()), (name, mine)


@pytest.mark.parametrize("name", sorted(name for name in NETWORKS if not isinstance(NETWORKS[name], partial)))
@given(arguments=CALLS)
@settings(max_examples=12)
def test_a_network_is_made_or_the_argument_is_named(name, arguments):
    answers_or_makes(name, arguments)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_class_and_too_many_are_refused_by_every_network(name):
    word = "widths" if name == "mlp" else "num_classes"
    for count in (0, -1, 10**30, None, 2.5, nan):
        with pytest.raises(ValueError, match=f"{word.removesuffix('s')}.*; got {count}"):
            NETWORKS[name](**{word: (784, count) if name == "mlp" else count})
