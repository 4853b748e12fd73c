"""What a call from Python gives back: the small network, the figures of all, and where its files lie."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from torch import nn

from tutelage.printable import printable
from tutelage.results import Network


@dataclass(frozen=True, repr=False)
class Distilled:
    """What ``distill`` or ``compressed`` made: the small ``model`` in eval mode, all figures, the folder of the run.

    ``metrics["student"]["accuracy"]`` is on the test samples; ``"teacher"`` and ``"baseline"`` stand beside it.
    ``sentence`` says in words what came out, and so does the object on a line of its own; in a notebook it is a table.
    """

    model: nn.Module
    metrics: dict[str, dict[str, float]]
    folder: Path
    sentence: str

    def __repr__(self) -> str:
        return f"Distilled({self.sentence!r}, folder={str(self.folder)!r})"

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for figures in self.metrics.values() for name in figures))
        heads = "".join(f"<th>{escape(name)}</th>" for name in ("network", *names))
        rows = "".join(
            f"<tr><td>{escape(network)}</td>{''.join(f'<td>{_shown(figures.get(name))}</td>' for name in names)}</tr>"
            for network, figures in self.metrics.items()
        )
        where = escape(printable(str(self.folder)))
        return f"<p>{escape(self.sentence)}</p><table><tr>{heads}</tr>{rows}</table><p><code>{where}</code></p>"


def figures_of(network: Network) -> dict[str, float]:
    """Its metrics on the test samples, sizes and milliseconds, by name."""
    figures = {name: score.value for name, score in network.scores.items()}
    sizes = {"parameters": network.parameters, "MACs": network.macs, "bytes": network.bytes}
    figures |= {name: float(value) for name, value in sizes.items() if value is not None}
    one = (network.latency_ms or {}).get("1")
    return figures if one is None else {**figures, "ms a sample": one.median}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
