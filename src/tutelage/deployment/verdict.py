"""What came of a quantisation in words: what it lost, saved and gained, on the processor on which it was measured."""

from collections.abc import Mapping

from tutelage import machine
from tutelage.plurals import counted
from tutelage.results import Latency, Metric, Network

FILE, FLOAT32, TORCH = "this file", "float32, ONNX Runtime", "float32, PyTorch"
"""What is measured side by side."""


def points_lost(metric: Metric, file: Network, network: Network) -> float:
    """By how much the file is worse: points of a percentage, per cent of any other figure. Infinite for no figure.

    >>> from tutelage.results import Score
    >>> file, network = (Network(x, "other", "", 40, {"error": Score(y)}) for x, y in (("file", 11.0), ("net", 10.0)))
    >>> points_lost(Metric("error", "%"), file, network), points_lost(Metric("error"), file, network)
    (1.0, 10.0)
    """
    scores = [one.scores.get(metric.name) for one in (file, network)]
    if scores[0] is None or scores[1] is None:
        return float("inf")
    own, other = (score.value for score in scores if score is not None)
    return points(metric, own, other)


def points(metric: Metric, own: float, other: float) -> float:
    """By how much the figure ``own`` is worse than the ``other``: in points of a percentage, in per cent of any other.

    >>> points(Metric("accuracy", "%", "higher"), 88.5, 90.0), points(Metric("error"), 11.0, 10.0)
    (1.5, 10.0)
    """
    worse = -metric.gain(own, other)
    if metric.unit == "%" or not worse:
        return worse
    return 100 * worse / abs(other) if other else float("inf")


def verdict(precision: str, metric: Metric, networks: Mapping[str, Network]) -> str:
    """What came out, for the card and the terminal: size, speed and the figure ``metric``, each beside float32's.

    "Smaller but slower here" where it is: what a processor has no instruction for is emulated. Neither is said where
    the quartiles of the milliseconds overlap.
    """
    file, float32, network = (networks[name] for name in (FILE, FLOAT32, TORCH))
    assert file.bytes and float32.bytes
    speeds = [
        f"at batch {batch} {_compared(own, float32, batch)} ({own.median:.3g} ms) and "
        f"{_compared(own, network, batch, 'PyTorch')}"
        for batch, own in (file.latency_ms or {}).items()
    ]
    is_slower = any("slower" in _compared(own, float32, batch) for batch, own in (file.latency_ms or {}).items())
    size = _sized(file.bytes, float32.bytes)
    but = "smaller but slower here: " if is_slower and "smaller" in size else ""
    own, its = (one.scores[metric.name].value for one in (file, network))
    unit = f" {metric.unit}" if metric.unit else ""
    same = "" if file.agreement is None else f"; {100 * file.agreement:.1f} % of the answers are the same"
    count = counted(file.count, "test sample")
    return (
        f"{precision} is {but}{size} float32 in ONNX Runtime, "
        f"{', '.join(speeds)}. Its {metric.name} is {own:.4g}{unit}, the network's {its:.4g}{unit}, on {count}{same}. "
        f"Measured on {processor()}."
    )


def processor() -> str:
    """This processor, with its instructions for int8, which decide how fast these are."""
    units = " and ".join(machine.int8_units())
    return f"{machine.processor() or 'this processor'} with {units or 'no instruction for products of int8'}"


def _sized(own: int, its: int) -> str:
    """
    >>> _sized(50, 100), _sized(100, 50), _sized(100, 102)
    ('2.0 × smaller than', '2.0 × larger than', 'about as large as')
    """
    times = max(own, its) / min(own, its)
    return "about as large as" if times < 1.05 else f"{times:.1f} × {'smaller' if own < its else 'larger'} than"


def _compared(own: Latency, other: Network, batch: str, than: str = "") -> str:
    its = (other.latency_ms or {})[batch]
    if own.q1 <= its.q3 and its.q1 <= own.q3:
        return "about as fast" + f" as {than}" * bool(than)
    fast = own.median < its.median
    times = its.median / own.median if fast else own.median / its.median
    return f"{times:.2g} × {'faster' if fast else 'slower'}" + f" than {than}" * bool(than)
