"""What a command line asks for: a recipe, its preset, every argument, and the words that ask for it again."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from itertools import pairwise
from typing import Any

from tutelage.cli.common import Common, with_presets, without
from tutelage.cli.docstrings import prose_of
from tutelage.cli.failures import Usage
from tutelage.cli.find import find
from tutelage.cli.flag import Flag
from tutelage.cli.flags import flags_of, flags_of_bundle, leaves, parse, rebound
from tutelage.cli.recipe import Experiment, Recipe
from tutelage.cli.saved import packages_in, saved
from tutelage.study.bounds import refuse_fields, refuse_nonsense
from tutelage.study.dotted import flattened
from tutelage.trust import OURS, refuse_package

_OF_THE_CALL = ("preset", "from_", "quiet", "verbose", "traceback")  # they change nothing in the run folder
_PLACES = ("runs", "folder", "data")
_LOOKS = ("profile", "trace")  # they change nothing that is trained


@dataclass(frozen=True)
class Request:
    """A run before it begins. ``defaults`` are those of the preset, ``arguments`` what the recipe is called with.

    ``called`` is how the commands that ask for it again begin, with the recipe in its place.
    """

    recipe: Recipe
    preset: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    common: Common
    called: str = "tutelage run {}"

    @property
    def experiment(self) -> Experiment:
        return self.recipe.function

    @property
    def words(self) -> list[str]:
        """The shortest command that asks for the same in the same place: how to go on, and what a sweep starts."""
        return [*self._asked, *_changed(self.common, _OF_THE_CALL)]

    @property
    def changed(self) -> list[str]:
        """The flags that are not at the preset's default."""
        usual = flattened(self.defaults)
        flags = leaves(rebound(flags_of(self.experiment), self.arguments))
        return [
            word for flag in flags if flag.default != usual.get(flag.name, MISSING) for word in flag.words(flag.default)
        ]

    @property
    def command(self) -> str:
        return shlex.join(self.words)

    @property
    def elsewhere(self) -> str:
        """The command for somebody else: without the folders of this machine. ``arguments.json`` quotes it."""
        return shlex.join([*self._asked, *_changed(self.common, (*_OF_THE_CALL, *_PLACES, *_LOOKS))])

    @property
    def _asked(self) -> list[str]:
        preset = ["--preset", self.preset] if self.preset != self.recipe.own_preset else []
        return [*self.called.format(self.recipe.name).split(), *preset, *self.changed]


def understood(
    path: str, words: Sequence[str], *, bundle: type[Common] = Common, called: str = "tutelage run {}"
) -> Request:
    """The request behind ``tutelage run PATH WORDS…``; ``Usage`` or ``ValueError`` where it makes no sense.

    ``called`` is what the help says was typed, with the recipe in its place. Later wins: signature, preset, ``--from``,
    explicit flags. What a file names is restricted as ``--allow`` would.
    """
    recipe, named = find(path)
    source = _value_of("--from", words)
    file = saved(source, recipe.name) if source is not None else None
    preset = _value_of("--preset", words)
    if preset is None:
        preset = named if named != recipe.own_preset or file is None else file.preset or named
    flags = own = flags_of(recipe.with_preset(preset))
    bundle = without(tuple(flag.name for flag in own), bundle)  # type: ignore[arg-type]  # a class is hashable
    bundle = with_presets(tuple(recipe.listed), bundle)  # type: ignore[arg-type]  # likewise
    prog, text = called.format(recipe.name), prose_of(recipe.function)
    defaults = {flag.name: flag.default for flag in flags if flag.default is not MISSING}
    if file is not None:
        typed = file.words(leaves(flags))
        whole = [flag for flag in flags if flag.name in {name.partition(".")[0] for name in file.arguments}]
        flags = rebound(flags, parse(whole, bundle, typed, prog=prog, description=text)[0])
    arguments, common = parse(flags, bundle, words, prog=prog, description=text)
    refuse_nonsense(recipe.function, arguments)
    refuse_fields(common)
    if not common.allow and _value_of("--allow", words) is not None:
        raise Usage(f"--allow takes one package or more; --allow {OURS} is this one alone.")
    if file is not None or common.allow:
        asked = {name: flattened(arguments)[name] for name in _typed(words, leaves(own))}
        common = replace(common, allow=_packages(common, recipe, leaves(own), asked))
    if common.data is not None:
        _refuse_synthetic(rebound(flags, arguments))
    return Request(recipe, preset, arguments, defaults, common)


def _value_of(flag: str, words: Sequence[str]) -> str | None:
    """The last value of a flag that decides what the other flags are."""
    given = [after if word == flag else word.removeprefix(f"{flag}=")
             for word, after in pairwise([*words, ""]) if word == flag or word.startswith(f"{flag}=")]  # fmt: skip
    return given[-1] if given else None


def _packages(common: Common, recipe: Recipe, flags: Sequence[Flag], asked: Mapping[str, Any]) -> tuple[str, ...]:
    """Where names may lead: where --allow says; with --from, to what was typed and to the recipe's own. Never empty."""
    own = [] if recipe.is_shipped else [recipe.name]
    values = [*(flag.default for flag in flags), *asked.values()]
    for name in common.allow:
        refuse_package(name)
    return tuple(dict.fromkeys([OURS, *(common.allow or packages_in(*own, *values))]))


def _typed(words: Sequence[str], flags: Sequence[Flag]) -> list[str]:
    """The names of the flags that the words set."""
    spelled = {word.partition("=")[0].replace("_", "-") for word in words}
    return [flag.name for flag in flags if not spelled.isdisjoint(flag.spellings)]


def _refuse_synthetic(flags: Sequence[Flag]) -> None:
    for flag in leaves(flags):
        if flag.default == "synthetic" and "synthetic" in flag.choices:
            raise Usage(
                f"--data is where data sets lie, but {flag.spelled} is synthetic, which reads none; give one of both."
            )


def _changed(common: Common, left_out: Collection[str]) -> list[str]:
    spelled = {field.name: flag for field, flag in zip(fields(Common), flags_of_bundle(Common), strict=True)}
    usual = Common()
    values = {name: getattr(common, name) for name in spelled if name not in left_out}
    changed = [(name, value) for name, value in values.items() if value != getattr(usual, name)]
    return [word for name, value in changed for word in spelled[name].words(value)]
