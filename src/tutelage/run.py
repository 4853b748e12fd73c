"""A run's folder: what was asked, on which machine, every stage, what came out. Started again, it goes on."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType, TracebackType
from typing import Any, Self

import torch
from torch import nn

from tutelage import delivery, folders, group, machine, results
from tutelage.checkpoint import write_json
from tutelage.files import append
from tutelage.keys import Build, described, key_of
from tutelage.progress import Progress, Silence
from tutelage.renewal import PLAN, STAGES
from tutelage.stages.code import code_of
from tutelage.stages.obtain import Source, derived, given, obtain, summary, trained
from tutelage.stages.stage import Fit, JointFit, Stage, fit_one
from tutelage.stages.storage import ONLY, Finished, Record


class Run:
    """One experiment in one folder. ``with Run(…) as run: recipe(run, **arguments)``; the command does just that.

    The folder's name follows from recipe, preset and arguments, so the same command finds its own earlier work; a
    ``folder`` given by hand must have been made with the same arguments. Trained networks are kept in
    ``root/stages/<key>`` and shared by all runs that need the same one. Under ``torchrun`` rank 0 alone writes, logs
    and tells of progress; the others train alongside, and read what it wrote.

    Entering raises ``BlockingIOError`` while another process runs in the folder, ``ValueError`` for a folder that was
    made with other arguments or is no run's, ``PermissionError`` for one that cannot be written to. A recipe that
    raises ``ValueError``, ``OSError`` or ``ImportError`` before anything is trained, or loaded that was, leaves no new
    folder. A finished run's files stay as they are until another start has made all of them anew.
    """

    save_every = 60.0  # seconds from one checkpoint of a training to the next

    def __init__(
        self,
        recipe: str | results.Arguments,
        preset: str = "",
        *,
        root: Path | str = "runs",
        folder: Path | str | None = None,
        data: Path | str | None = None,
        exact: bool = False,
        device: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        if preset and not isinstance(recipe, str):
            raise ValueError(f"The arguments name a preset already, {recipe.preset!r}; leave out preset={preset!r}.")
        request = results.Arguments(recipe, preset, "", {}, {}) if isinstance(recipe, str) else recipe
        self._request = request = results.Arguments(**folders.jsonable(asdict(request)))
        self.recipe, self.preset, self.command = request.recipe, request.preset, request.command
        self.arguments, self.defaults = request.arguments, request.defaults
        self.root, self.exact = Path(root), exact
        self.device = machine.device_named(device)
        self.precision = torch.float32 if exact or not machine.gains_from_bfloat16(self.device) else torch.bfloat16
        key = key_of([self.recipe, self.arguments, exact, self.device.type])
        self.folder = Path(folder) if folder else self.root / folders.folder_name(request, key)
        self.data_was_read = False
        self.begun = perf_counter()  # when somebody asked for it: the command sets it to its own start
        self.plan = ""  # in words, of a run that was to make one and no more
        self._data = None if data is None else Path(data)
        self._progress = progress or Silence()
        self._results = results.Results()
        self._stages: list[results.StageRecord] = []
        self._is_idle = True  # nothing was trained, nor loaded that once was
        self._files = folders.RunFolder(self.folder, self.root / "stages")
        self._held = ExitStack()

    @property
    def leads(self) -> bool:
        """Whether this process writes; of several that ``torchrun`` started, only rank 0 does."""
        return group.rank() == 0

    @property
    def place(self) -> Path:
        """Where this run puts its files until they are whole: its folder, or beside what it left there before."""
        return self._files.place

    @property
    def log(self) -> Path:
        """The log that this run writes, a line an epoch: beside that of before until it ends, if there is one."""
        return self._files.log

    @property
    def request(self) -> results.Arguments:
        """What was asked for."""
        return self._request

    @property
    def published(self) -> results.Results:
        """What was claimed and published so far."""
        return self._results

    @property
    def progress(self) -> Progress:
        return self._progress if self.leads else Silence()

    @progress.setter
    def progress(self, progress: Progress) -> None:
        self._progress = progress

    @property
    def data(self) -> Path | None:
        """Where data sets lie; ``data_was_read`` remembers that somebody wanted to know."""
        self.data_was_read = True
        return self._data

    def __enter__(self) -> Self:
        try:
            self._held.enter_context(group.joined(self.device))
            group.decided(self._open)
        except BaseException:
            self._held.close()
            raise
        if self.precision != torch.float32:
            self.progress.note(
                f"training in {str(self.precision)[6:]}, which is faster on this processor; --exact uses float32"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.plan:
                group.decided(self._files.withdraw)
            elif kind is None:
                group.decided(partial(self._files.finish, folders.jsonable(asdict(self._results))))
            elif issubclass(kind, ValueError | OSError | ImportError) and self._is_idle and self.leads:
                self._files.withdraw()
        finally:
            self._held.close()

    def stage(self, name: str, build: Build, fit: Fit, *, seed: int = 0, version: int = 1) -> Finished:
        """The network that ``build`` makes and ``fit`` trains: loaded if it exists, otherwise trained or trained on.

        ``build`` and ``fit`` are functions of a module or partials of them; with the arguments, the data and the stages
        they were given, ``seed``, precision and ``version`` they make up the stage's key. So does the code of functions
        of your own, as far as ``tutelage.stages.code`` follows it; beyond that, raise ``version`` by hand when the code
        behind a stage changes what it computes. Both run from ``torch.manual_seed(seed)``.
        """
        description = {"build": described(build), "fit": described(fit), **self._conditions(seed, version, build, fit)}
        return self._trained(name, description, {ONLY: build}, partial(fit_one, fit), seed)[ONLY]

    def peers(
        self, name: str, builds: Mapping[str, Build], fit: JointFit, *, seed: int = 0, version: int = 1
    ) -> dict[str, Finished]:
        """The networks that ``builds`` make in turn and ``fit`` trains together, by their names; else as ``stage``.

        Each has its last and its best epoch, and its own lines of the log. Raises ``ValueError`` for names that are no
        identifiers: learners and folders are called so too.
        """
        if not builds or not all(peer.isidentifier() for peer in builds):
            raise ValueError(f"Peers have names such as 'a', and there is one or more; {name!r} has {list(builds)}.")
        conditions = self._conditions(seed, version, builds, fit)
        description = {"builds": described(builds), "fit": described(fit), **conditions}
        return self._trained(name, description, dict(builds), fit, seed)

    def derive(
        self,
        name: str,
        function: Callable[..., nn.Module],
        /,
        *,
        of: Finished,
        version: int = 1,
        built_by: Build | None = None,
        **arguments: Any,
    ) -> Finished:
        """The network that ``function(network, **arguments)`` makes of the last one of ``of``, without training.

        ``function``, of a module and annotated to return an ``nn.Module``, gets a copy in eval mode that it may change.
        Whenever the network is loaded the function makes it anew, and it gets the weights that it had: its layers must
        follow from the network and the arguments. Where ``built_by()`` makes a network of the same architecture, the
        function is called once: what it made is loaded and delivered by that alone.
        """
        step = partial(function, **arguments) if arguments else function
        source = derived(name, step, of, version, self.root / "stages", self.laid_out, built_by)
        return self._obtain(source)[ONLY]

    def given(self, name: str, build: Build, weights: Path | str | None = None) -> Finished:
        """The network that ``build`` makes with the ``weights`` of a file from elsewhere; nothing is trained.

        Without ``weights`` it is taken with those that ``build`` gives it. Its key follows from ``build`` and from what
        the file, or the network, holds, not from where it lies; a copy is kept beside the other stages. Raises as
        ``tutelage.weights.foreign.load_foreign`` does.
        """
        return self._obtain(given(name, build, None if weights is None else Path(weights), self.laid_out))[ONLY]

    def claim(self, claim: results.Claim) -> None:
        """Put a published figure beside ours."""
        self._results = replace(self._results, claims=(*self._results.claims, claim))

    def publish(
        self,
        *,
        headline: str = "",
        metrics: Sequence[results.Metric] = (),
        networks: Sequence[results.Network] = (),
        classes: Sequence[str] = (),
        examples: Sequence[results.Example] = (),
        tables: Sequence[results.Table] = (),
        methods: Sequence[str] = (),
        data: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Put what was measured into ``results.json``. Called again, lists grow; headline and classes are replaced."""
        before = self._results
        self._results = replace(
            before,
            headline=headline or before.headline,
            metrics=tuple(dict.fromkeys((*before.metrics, *metrics))),
            networks=(*before.networks, *networks),
            classes=tuple(classes) or before.classes,
            examples=(*before.examples, *examples),
            tables=(*before.tables, *tables),
            methods=tuple(dict.fromkeys((*before.methods, *methods))),
            data={**before.data, **data},
        )

    def deliver(self, student: nn.Module, **facts: Any) -> None:
        """Keep ``student`` as what this run was for: ``tutelage.load(folder)`` gives it back. ``facts`` ride along.

        Raises ``ValueError`` for a network that no stage of a run made, or that cannot be made again from the folder.
        """
        if self.leads:
            delivery.deliver(self._files.place, student, folders.jsonable(facts))

    def keep_plan(self, plan: Mapping[str, Any]) -> None:
        """Write down what is going to be done, before it is: ``plan.json``."""
        if self.leads:
            write_json(self._files.place / PLAN, folders.jsonable(plan))

    def end_with_the_plan(self, words: str) -> None:
        """Nothing more is done: the run ends without results, and leaves no folder. ``words`` are the plan.

        Raises ``ValueError`` for a run that has trained something.
        """
        if not self._is_idle:
            raise ValueError("A run that ends with its plan trains nothing; this one has.")
        self.plan = words

    def laid_out(self, model: nn.Module) -> nn.Module:
        """``model`` on the run's device, and in the layout that convolutions are fastest in unless the run is exact."""
        convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
        if convolutional and not self.exact:
            return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
        return model.to(self.device)

    def _open(self) -> None:
        request = {**asdict(self._request), "exact": self.exact}
        environment = partial(machine.environment, str(self.precision)[6:])
        self._held.enter_context(self._files.held(request, environment))

    def _conditions(self, seed: int, version: int, *functions: Any) -> dict[str, Any]:
        conditions = {"seed": seed, "version": version, "precision": str(self.precision), "exact": self.exact}
        ranks = {"ranks": group.size()} if group.size() > 1 else {}  # each then sees batches of its own
        return {**conditions, "device": self.device.type, **ranks, **code_of(*functions)}

    def _trained(
        self, name: str, description: Mapping[str, Any], builds: Mapping[str, Build], fit: JointFit, seed: int
    ) -> dict[str, Finished]:
        def stage_in(folder: Path) -> Stage:
            settings = self.progress, self._write, self.precision, self.save_every, self.exact
            return Stage(name, folder, *settings, tuple(builds))

        return self._obtain(trained(name, description, builds, fit, seed, stage_in, self.laid_out))

    def _obtain(self, source: Source) -> dict[str, Finished]:
        networks = obtain(source, self.root / "stages", self.progress, self._write)
        self._is_idle &= source.kind != "trained"
        self._stages.append(summary(source, list(networks.values()), self._stages))
        if self.leads:
            write_json(self._files.place / STAGES, [asdict(stage) for stage in self._stages])
        return networks

    def _write(self, record: Record) -> None:
        self._is_idle = False
        if self.leads:
            append(self.log, json.dumps(record, ensure_ascii=False) + "\n")
