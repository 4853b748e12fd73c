"""A run folder as typed values: the only door through which a run enters its report."""

from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from tutelage import plain_json
from tutelage.checksums import MANIFEST, Sums, cure, listed, read_listed
from tutelage.files import is_file
from tutelage.printable import printable_in
from tutelage.renewal import current
from tutelage.report.agreement import refuse_disagreement
from tutelage.report.decode import decode
from tutelage.report.older import renewed
from tutelage.results import Arguments, EpochRecord, Results, StageRecord

PARTS = ("arguments", "environment", "log", "stages", "results")  # the files of a run, in reading order


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, and ``parts``, the JSON that it was read from, in today's form."""

    request: Arguments
    environment: dict[str, Any]
    log: tuple[EpochRecord, ...]
    stages: tuple[StageRecord, ...]
    results: Results
    parts: dict[str, Any] = field(repr=False)
    folder: Path | None = None  # what it was read from, if that was its own folder

    @property
    def seed(self) -> Any:
        """The run's seed, 0 for a recipe that has none."""
        return self.request.arguments.get("seed", 0)

    @property
    def synthetic(self) -> bool:
        """Whether it ran on made-up samples, about which nothing is claimed."""
        return any(name.startswith("synthetic") for name in self.results.data)

    @property
    def test_samples(self) -> tuple[str, ...]:
        """Which samples the networks were measured on: checksums of the test sets, or else how many samples."""
        data = self.results.data
        checksums = [checksum for name, checksum in data.items() if "test" in name] or list(data.values())[-1:]
        return tuple(sorted(checksums or {str(network.count) for network in self.results.networks}))


def read_run(folder: Path | str) -> FinishedRun:
    """The run in ``folder``.

    Raises ``FileNotFoundError`` where the folder is no run or has no results yet, ``ValueError`` where one of its files
    is damaged; the sentence names the file, and the line where that is known.
    """
    folder = Path(folder)
    request = folder / "arguments.json"
    if not is_file(request, cure(request)):
        raise FileNotFoundError(
            f"{folder} is not a run folder: it has no arguments.json. Give the folder of one run; if it was one, "
            f"restore {request} from a copy, or move {folder} away and start the run's command again."
        )
    if not is_file(folder / "results.json", cure(folder / "results.json")):
        raise FileNotFoundError(
            f"{folder} has no results yet (no results.json): start the same command again to finish the run."
        )
    log, sums = current(folder, "log.jsonl"), listed(current(folder, MANIFEST).parent)
    parts = {name: _load(current(folder, f"{name}.json"), sums) for name in PARTS if name != "log"}
    parts["log"] = _lines(log, sums) if is_file(log, cure(log)) or sums is not None else []
    return replace(run_from_parts(parts, f"{folder}/"), folder=folder)


def is_unverified(source: Path) -> bool:
    """Whether it has no checksums and is read as it is: a run of an earlier version, or a collected result."""
    return not source.is_dir() or listed(current(source, MANIFEST).parent) is None


def run_from_parts(parts: dict[str, Any], where: str = "") -> FinishedRun:
    """The run whose files' contents are ``parts``, of any version; ``where`` precedes the file's name in errors.

    Its texts are somebody's: what no page, table or terminal should be given is taken out of them here.
    """
    parts = renewed(printable_in({**parts, "log": [_finite(line) for line in parts["log"]]}))
    results = decode(Results, parts["results"], f"{where}results.json")
    refuse_disagreement(results, f"{where}results.json")
    return FinishedRun(
        decode(Arguments, parts["arguments"], f"{where}arguments.json"),
        decode(dict[str, Any], parts["environment"], f"{where}environment.json"),
        tuple(decode(EpochRecord, line, f"{where}log.jsonl: line {n}") for n, line in enumerate(parts["log"], 1)),
        decode(tuple[StageRecord, ...], parts["stages"], f"{where}stages.json: "),
        results,
        parts,
    )


def _finite(value: Any) -> Any:
    """A line of the log without the numbers that are none: what diverged is not drawn."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items() if not isinstance(item, float) or isfinite(item)}
    return value


def _load(file: Path, sums: Sums | None) -> Any:
    return _parsed(_content(file, sums), file, 1)


def _lines(file: Path, sums: Sums | None) -> list[Any]:
    lines = enumerate(_content(file, sums).splitlines(), 1)
    return [_parsed(line, file, number) for number, line in lines if line.strip()]


def _content(file: Path, sums: Sums | None) -> bytes:
    if not is_file(file, cure(file)):
        raise FileNotFoundError(f"{file} is missing from the run: {cure(file)}.")
    return read_listed(file, sums, cure(file))


def _parsed(content: bytes, file: Path, line: int) -> Any:
    try:
        return plain_json.parsed(content, line)
    except ValueError as error:
        raise ValueError(f"{file} is damaged {error}; {cure(file)}.") from None
