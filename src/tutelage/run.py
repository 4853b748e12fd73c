"""A run's folder: what was asked, on which machine, every stage, what came out. Started again, it goes on."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import nn

from tutelage import machine
from tutelage.checkpoint import load_weights, read_json, save_weights, sweep, write_json
from tutelage.keys import STAGE_KEY, called, described, key_of
from tutelage.progress import Progress, Silence
from tutelage.stages import Build, Finished, Fit, Record, Stage, finished, locked

_MADE_BY = "_tutelage_made_by"


class Run:
    """One experiment in one folder. ``with Run(…) as run: recipe(run, **arguments)``; the command does just that.

    The folder's name follows from recipe, preset and arguments, so the same command finds its own earlier work; a
    ``folder`` given by hand must have been made with the same arguments. Trained networks are kept in
    ``root/stages/<key>`` and shared by all runs that need the same one.

    Entering raises ``BlockingIOError`` while another process runs in the folder, ``ValueError`` for a folder that was
    made with other arguments, ``PermissionError`` for one that cannot be written to.
    """

    def __init__(
        self,
        recipe: str,
        preset: str = "",
        arguments: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        *,
        command: str = "",
        root: Path = Path("runs"),
        folder: Path | None = None,
        data: Path | None = None,
        exact: bool = False,
        device: str | None = None,
        save_every: float = 60.0,
        progress: Progress | None = None,
    ) -> None:
        self.recipe, self.preset, self.command = recipe, preset, command
        self.arguments, self.defaults = _plain(arguments or {}), _plain(defaults or {})
        self.root, self.data, self.exact, self.save_every = root, data, exact, save_every
        self.device = torch.device(device or machine.best_device())
        self.precision = torch.float32 if exact or not machine.gains_from_bfloat16(self.device) else torch.bfloat16
        self.folder = folder or root / recipe.replace(":", "-").replace("/", "-") / self._name()
        self.progress = progress or Silence()
        self._results: dict[str, Any] = {"claims": [], "networks": [], "examples": [], "tables": [], "methods": []}
        self._stages: list[dict[str, Any]] = []
        self._held = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._held.enter_context(locked(self.folder / "lock", self._refuse_second))
        except (NotADirectoryError, FileNotFoundError, FileExistsError, PermissionError) as error:
            raise PermissionError(f"{self.folder} cannot be used as a run folder ({error.strerror}); "
                                  "choose another one with --folder or --runs.") from error  # fmt: skip
        try:
            self._open()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                write_json(self.folder / "results.json", self._results)
        finally:
            self._held.close()

    def stage(self, name: str, build: Build, fit: Fit, *, seed: int = 0, version: int = 1) -> Finished:
        """The network that ``build`` makes and ``fit`` trains: loaded if it exists, otherwise trained or trained on.

        ``build`` and ``fit`` are functions of a module or partials of them; with the arguments, the data and the stages
        they were given, ``seed``, precision and ``version`` they make up the stage's key. Raise ``version`` by hand
        when the code behind a stage changes what it computes. Both run from ``torch.manual_seed(seed)``.
        """
        description = {
            "build": described(build),
            "fit": described(fit),
            "seed": seed,
            "version": version,
            "precision": str(self.precision),
            "exact": self.exact,
            "device": self.device.type,
        }
        key = key_of(description)
        folder = self.root / "stages" / key
        with locked(folder / "lock", lambda pid: self.progress.note(f"{name}: process {pid} is at it; waiting")):
            if not (folder / "stage.json").exists():
                self._train(name, folder, build, fit, seed, description)
                self.progress.finished(name)
            else:
                self.progress.note(f"{name}: loaded from {folder}")
                for record in read_json(folder / "stage.json")["records"]:
                    self._write({**record, "stage": name})
            done = finished(folder, name, lambda: self.laid_out(build()))
        for model in {done.last, done.best}:
            setattr(model, STAGE_KEY, key if model is done.last else f"{key}/best")
            setattr(model, _MADE_BY, described(build))
        self._note_stage(done, description)
        return done

    def claim(
        self,
        name: str,
        *,
        published: float,
        measured: float,
        unit: str,
        source: str,
        low: float | None = None,
        high: float | None = None,
        scale: str | None = None,
        note: str = "",
        paired: bool = False,
    ) -> None:
        """Put a published figure beside ours. The claim holds if ours lies in ``[low, high]``; ``None`` is open.

        ``scale`` says which preset would decide, where this one is too small to: a miss is then no refutation. What is
        ``paired`` is a difference between two trainings of this seed: several seeds decide, by a paired t test.
        """
        if low is None and high is None:
            raise ValueError(f"Claim {name!r} could not fail: give low, high or both.")
        claim = {"name": name, "published": published, "measured": measured, "unit": unit, "low": low, "high": high}
        self._results["claims"].append(
            _plain({**claim, "source": source, "scale": scale, "note": note, "paired": paired})
        )

    def publish(self, **results: Any) -> None:
        """Put what was found into ``results.json``: ``headline``, ``classes``; lists such as ``networks`` grow."""
        for what, found in _plain(results).items():
            if isinstance(found, list) and what != "classes":
                self._results.setdefault(what, []).extend(found)
            else:
                self._results[what] = found

    def deliver(self, student: nn.Module, **facts: Any) -> None:
        """Keep ``student`` as what this run was for: ``tutelage.load(folder)`` gives it back. ``facts`` ride along."""
        made = getattr(student, _MADE_BY, None)
        if made is None:
            raise ValueError("A run delivers a network that one of its stages made; this one comes from elsewhere.")
        save_weights(self.folder / "student.safetensors", student)
        write_json(self.folder / "student.json", {"build": made, **_plain(facts)})

    def _name(self) -> str:
        changed = [f"{k}={v}" for k, v in self.arguments.items() if k in self.defaults and self.defaults[k] != v]
        words = "-".join([self.preset or "run", *changed])
        plain = "".join(c if c.isalnum() or c in "=.,-_" else "_" for c in words)[:80]
        return f"{plain}-{key_of([self.recipe, self.arguments, self.exact, self.device.type])[:8]}"

    def _open(self) -> None:
        asked: dict[str, Any] = {"recipe": self.recipe, "preset": self.preset, "command": self.command}
        asked |= {"arguments": self.arguments, "defaults": self.defaults, "exact": self.exact}
        path = self.folder / "arguments.json"
        sweep(self.folder)
        if path.exists():
            _refuse_other(read_json(path), asked, self.folder)
        else:
            write_json(
                self.folder / "environment.json", {**machine.environment(), "precision": str(self.precision)[6:]}
            )
            write_json(path, asked)  # last: once it is there, the rest is too
        (self.folder / "results.json").unlink(missing_ok=True)
        (self.folder / "log.jsonl").write_text("")

    def _refuse_second(self, pid: str) -> None:
        raise BlockingIOError(f"Run folder {self.folder} is in use by process {pid}; wait for it to end, or choose "
                              "another folder with --folder.")  # fmt: skip

    def _train(self, name: str, folder: Path, build: Build, fit: Fit, seed: int, description: Any) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = self.laid_out(build())
            stage = Stage(name, folder, self.progress, self._write, self.precision, self.save_every, self.exact)
            fit(stage, model)
        if not stage.records:
            raise ValueError(f"Stage {name!r} trained nothing: its fit has to call stage.train.")
        stage.finish(model, description)

    def laid_out(self, model: nn.Module) -> nn.Module:
        """``model`` on the run's device, and in the layout that convolutions are fastest in unless the run is exact."""
        convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
        if convolutional and not self.exact:
            return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
        return model.to(self.device)

    def _write(self, record: Record) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def _note_stage(self, done: Finished, description: Any) -> None:
        text = json.dumps(description)
        uses = [stage["name"] for stage in self._stages if f'"stage": "{stage["key"]}' in text]
        seconds = round(done.seconds, 1)
        self._stages.append({"name": done.name, "key": done.key, "epochs": len(done.records), "seconds": seconds,
                             "best_epoch": done.best_epoch, "uses": uses})  # fmt: skip
        write_json(self.folder / "stages.json", self._stages)


def load(folder: Path | str) -> nn.Module:
    """The finished student of a run, in eval mode, ready for inference.

    Raises ``FileNotFoundError`` for a folder without one, ``ValueError`` for files that are damaged, hold another
    architecture or are pickles. No code is loaded from the folder: the network is built by the installed function
    that ``student.json`` names.
    """
    folder = Path(folder)
    if not (folder / "student.json").exists():
        raise FileNotFoundError(f"{folder} holds no finished student; a run leaves one there when it ends.")
    model = called(read_json(folder / "student.json")["build"])
    return load_weights(folder / "student.safetensors", model).eval()


def _refuse_other(there: Mapping[str, Any], here: Mapping[str, Any], folder: Path) -> None:
    if there.get("recipe") != here["recipe"]:
        raise ValueError(f"{folder} holds a run of {there.get('recipe')}, not of {here['recipe']}; choose another.")
    old, new = there.get("arguments", {}), here["arguments"]
    if differing := sorted(name for name in {*old, *new} if old.get(name) != new.get(name)):
        changes = ", ".join(f"{name} = {old.get(name)} there and {new.get(name)} here" for name in differing)
        raise ValueError(
            f"{folder} was made with other arguments: {changes}. Choose another folder, or the same values."
        )
    if there.get("exact", here["exact"]) != here["exact"]:
        raise ValueError(f"{folder} was made {'with' if there['exact'] else 'without'} --exact; choose another folder.")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    return value.tolist() if hasattr(value, "tolist") else str(value)
