"""What the parts of a run's results have to agree in; where they do not, somebody or something changed them."""

from base64 import b64decode
from binascii import Error
from math import prod

from tutelage.plurals import counted
from tutelage.results import Calibration, Example, Results, Table


def refuse_disagreement(results: Results, file: str) -> None:
    """Raises ``ValueError`` that names the place in ``file`` where lengths or names do not fit together."""
    if any(network.scores for network in results.networks) and not results.metrics:
        raise ValueError(f"{file}: networks have scores, but there are no metrics that say what they are.")
    for number, table in enumerate(results.tables):
        _refuse_table(table, f"{file}: tables[{number}]")
    for number, network in enumerate(results.networks):
        if network.calibration is not None:
            _refuse_bins(network.calibration, f"{file}: networks[{number}].calibration")
    for number, example in enumerate(results.examples):
        _refuse_picture(example, f"{file}: examples[{number}]")


def _refuse_table(table: Table, place: str) -> None:
    for number, row in enumerate(table.rows):
        if len(row) != len(table.columns):
            raise ValueError(
                f"{place}.rows[{number}] has {len(row)} cells, but there are {counted(len(table.columns), 'column')}."
            )


def _refuse_bins(calibration: Calibration, place: str) -> None:
    each = {name: len(getattr(calibration, name)) for name in ("confidence", "accuracy", "share")}
    if len(set(each.values())) > 1:
        raise ValueError(f"{place} should have as many bins of each kind, but has {each}.")


def _refuse_picture(example: Example, place: str) -> None:
    shape = example.shape
    if not (2 <= len(shape) <= 3 and min(shape) > 0 and shape[2:] in ((), (1,), (3,))):
        raise ValueError(f"{place}.shape should be height, width and 1 or 3 channels, but is {list(shape)}.")
    try:
        size = len(b64decode(example.pixels, validate=True))
    except (Error, ValueError) as error:
        raise ValueError(f"{place}.pixels is no base64: {error}.") from None
    if size != prod(shape):
        raise ValueError(f"{place}.pixels has {size} bytes, but its shape {list(shape)} needs {prod(shape)}.")
