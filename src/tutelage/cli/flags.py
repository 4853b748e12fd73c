"""A recipe's keyword arguments are its flags: read from the signature, explained by the docstring, parsed by tyro."""

import contextlib
import inspect
import io
import re
import shutil
import textwrap
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from functools import partial
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import tyro

from tutelage.cli.failures import Usage, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Flag:
    """One keyword argument. ``default`` is ``MISSING`` where the caller has to choose."""

    name: str
    kind: Any
    default: Any
    help: str

    @property
    def spelled(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def spellings(self) -> list[str]:
        return [self.spelled, self.spelled.replace("--", "--no-", 1)] if self.kind is bool else [self.spelled]

    @property
    def takes_several(self) -> bool:
        """Whether one value of it is several words.

        >>> Flag("widths", tuple[int, ...], (), "").takes_several, Flag("seed", int, 0, "").takes_several
        (True, False)
        """
        return any(get_origin(kind) in (tuple, list) for kind in (self.kind, *get_args(self.kind)))

    def words(self, value: Any) -> list[str]:
        """``value`` as one would type it.

        >>> Flag("temperature", float, 4.0, "").words(2.5), Flag("jitter", bool, True, "").words(False)
        (['--temperature', '2.5'], ['--no-jitter'])
        """
        if self.kind is bool and isinstance(value, bool):
            return [self.spellings[0 if value else 1]]
        if isinstance(value, (list, tuple)):
            return [self.spelled, *map(str, value)]
        return [f"{self.spelled}={value}"] if str(value).startswith("-") else [self.spelled, str(value)]


def flags_of(function: Callable[..., Any]) -> list[Flag]:
    """The keyword arguments of a recipe, or of a partial of one, whose values are then the defaults."""
    written = root(function)
    meanings = meanings_in(inspect.getdoc(written) or "")
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return [
        Flag(p.name, _kind(p, written), MISSING if p.default is p.empty else p.default, meanings.get(p.name, ""))
        for p in parameters
    ]


def meanings_in(docstring: str) -> dict[str, str]:
    """What the ``Args:`` list of a docstring says about each argument.

    >>> meanings_in("Distil.\\n\\nArgs:\\n    temperature: softness of\\n        the targets\\n    seed: of all")
    {'temperature': 'softness of the targets', 'seed': 'of all'}
    """
    listed = re.split(r"^Args:\n", docstring, maxsplit=1, flags=re.MULTILINE)[1:]
    entries = re.findall(r"^    (\w+): *(.*(?:\n {5,}.*)*)", listed[0] if listed else "", flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def prose_of(function: Callable[..., Any]) -> str:
    """The docstring without its ``Args:`` list."""
    return re.split(r"^Args:\n", docstring(function), maxsplit=1, flags=re.MULTILINE)[0].strip()


def root(function: Any) -> Any:
    """The function itself, of however many partials: one that was given a docstring is not flattened."""
    while isinstance(function, partial):
        function = function.func
    return function


def docstring(function: Any) -> str:
    """That of the function; of a partial, its own if it was given one."""
    while isinstance(function, partial) and function.__doc__ == partial.__doc__:
        function = function.func
    return inspect.getdoc(function) or ""


def parse(
    flags: Sequence[Flag], common: type[Any], words: Sequence[str], *, prog: str, description: str
) -> tuple[dict[str, Any], Any]:
    """The recipe's arguments and the bundle of ``common`` flags. ``Usage`` in one sentence; ``--help`` exits with 0."""
    refuse_unknown(words, [*flags, *flags_of_bundle(common)], prog)
    recipe = make_dataclass("recipe", [_field(flag) for flag in flags], kw_only=True)
    both: type[Any] = make_dataclass("both", [("recipe", recipe), ("common", common)])
    parsed = typed(both, words, prog=prog, description=description)
    return {flag.name: getattr(parsed.recipe, flag.name) for flag in flags}, parsed.common


def typed(bundle: type[T], words: Sequence[str], *, prog: str, description: str) -> T:
    """A dataclass made from words. ``Usage`` in one sentence; ``--help`` prints it and exits with 0."""
    spoken = io.StringIO()
    try:
        with contextlib.redirect_stderr(spoken):
            return tyro.cli(
                bundle,
                args=list(words),
                prog=prog,
                description=indented(description),
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise Usage(f"{_first_sentence(spoken.getvalue())} `{prog} --help` explains every flag.") from None


def indented(text: str) -> str:
    """Paragraphs as wide as the terminal, indented: tyro joins lines that begin with a letter, and never wraps them.

    There is no empty line between them, because tyro would make it two.
    """
    width = min(shutil.get_terminal_size().columns, 100)
    paragraphs = [part.splitlines() for part in text.split("\n\n")]
    wrapped = [
        part if any(line[:1] in " >-*" for line in part) else textwrap.wrap(" ".join(part), width - 2)
        for part in paragraphs
    ]
    return "\n".join(f"  {line}" for part in wrapped for line in part)


def flags_of_bundle(bundle: type[Any]) -> list[Flag]:
    """The fields of a dataclass whose annotations carry ``tyro.conf.arg``."""
    hints = get_type_hints(bundle, include_extras=True)
    return [Flag(_name(f.name, hints[f.name]), _bare(hints[f.name]), f.default, "") for f in fields(bundle)]


def rebound(flags: Sequence[Flag], values: Mapping[str, Any]) -> list[Flag]:
    """The same flags with other defaults."""
    return [Flag(f.name, f.kind, values.get(f.name, f.default), f.help) for f in flags]


def _name(name: str, hint: Any) -> str:
    settings = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((str(x.name) for x in settings if getattr(x, "name", None)), name)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _field(flag: Flag) -> tuple[str, Any, Any]:
    kind = Annotated[flag.kind, tyro.conf.arg(help=flag.help)]  # type: ignore[name-defined]  # a type made while running
    return flag.name, kind, field() if flag.default is MISSING else field(default_factory=lambda: flag.default)


def _kind(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    """Its annotation; alone, because ``run: Run`` names what only a type checker has imported."""
    if parameter.annotation is parameter.empty:
        return type(parameter.default)
    alone = types.SimpleNamespace(__annotations__={"kind": parameter.annotation})
    return get_type_hints(alone, globalns=getattr(function, "__globals__", {}), include_extras=True)["kind"]


def refuse_unknown(words: Sequence[str], flags: Sequence[Flag], prog: str) -> None:
    """Raise ``Usage`` with the nearest name for a flag that is none, and for two flags of one name."""
    if twice := sorted({flag.name for flag in flags if [f.name for f in flags].count(flag.name) > 1}):
        raise Usage(f"{prog.split()[-1]} has flags {twice}, which every run has already; give them other names.")
    known = [spelling for flag in flags for spelling in flag.spellings]
    for word in words:
        flag = word.partition("=")[0].replace("_", "-")
        if flag.startswith("--") and flag not in (*known, "--help"):
            hint = did_you_mean(flag, known) or "."
            raise Usage(f"{prog.removeprefix('tutelage ')} has no flag {flag}{hint} `{prog} --help` lists all.")


def _first_sentence(box: str) -> str:
    """The message out of the frame that tyro draws around it."""
    lines = [line.strip("│ ") for line in box.splitlines() if line.startswith("│")]
    rule = next((i for i, line in enumerate(lines) if line.startswith("─")), len(lines))
    said = " ".join(lines[:rule]) or " ".join(box.split())
    return said[:1].upper() + said[1:].rstrip(".") + "."
