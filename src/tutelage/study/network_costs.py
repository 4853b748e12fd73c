"""What an answer of a network costs, counted; of one that only answers, as far as its file says."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from tutelage.checkpoint import bytes_of_weights
from tutelage.foreign.exported import ExportedProgram
from tutelage.foreign.onnx_file import OnnxNetwork
from tutelage.foreign.table_answers import TableOfAnswers
from tutelage.measures.cost import macs, parameters


def costs_of(network: nn.Module, sample: Tensor) -> dict[str, Callable[[], int]]:
    """What counts the ``parameters``, the ``macs`` of ``sample`` and the ``bytes`` of a file, each when it is called.

    Of a network that is a file of its own these are that file's; ``macs`` raises ``ValueError`` where they are not
    seen from here.
    """
    kept = next((x for x in network.modules() if isinstance(x, ExportedProgram | OnnxNetwork)), None)
    counts: dict[str, Callable[[], int]] = {
        "parameters": partial(parameters, network),
        "macs": partial(macs, network, sample),
        "bytes": partial(bytes_of_weights, network),
    }
    if kept is not None:
        counts |= {"parameters": lambda: kept.num_weights, "bytes": lambda: kept.get_buffer("content").numel()}
    if not sees_inside(network):
        counts["macs"] = nothing_seen
    return counts


def sees_inside(network: nn.Module) -> bool:
    """Whether torch does what ``network`` does: another runtime, and a table, cannot be watched."""
    return not any(isinstance(x, OnnxNetwork | TableOfAnswers) for x in network.modules())


def takes_time(network: nn.Module) -> bool:
    """Whether the time of an answer says anything: a table's answers were given by something else, at other costs."""
    return not isinstance(network, TableOfAnswers)


def nothing_seen() -> int:
    """Raises ``ValueError``: for what cannot be measured."""
    raise ValueError("what it does inside is not seen from here")
