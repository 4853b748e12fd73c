"""A recipe's keyword arguments are its flags: read from the signature, explained by the docstring, parsed by tyro.

An argument that is a dataclass has a flag for each of its fields: ``--student.epochs``.
"""

import contextlib
import inspect
import io
import shutil
import textwrap
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import tyro

from tutelage.cli.docstrings import field_meanings, meanings_in
from tutelage.cli.failures import Usage, did_you_mean, refuse_no_text
from tutelage.cli.flag import Flag, bare
from tutelage.cli.output import NARROWEST
from tutelage.cli.refusals import refusal, values_of
from tutelage.cli.values import readable
from tutelage.study.dotted import dotted_name, fields_of, hints_of, root
from tutelage.study.spread import SPREAD

T = TypeVar("T")
_NO_FLAGS = {tyro.conf.Positional, tyro.conf.Fixed}


def flags_of(function: Callable[..., Any]) -> list[Flag]:
    """The keyword arguments of a recipe, or of a partial of one, whose values are then the defaults.

    Raises ``ValueError`` for one that has neither a type nor a default, or a type that cannot be read.
    """
    written, hints = root(function), hints_of(function)
    meanings = meanings_in(inspect.getdoc(written) or "")
    for settings in getattr(written, SPREAD, ()):
        meanings = {**field_meanings(settings), **meanings}
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    defaults = {p.name: MISSING if p.default is p.empty else p.default for p in parameters}
    if untyped := [name for name, default in defaults.items() if default is MISSING and name not in hints]:
        where = f"{written.__module__}:{written.__qualname__}"
        raise ValueError(f"The flag {untyped[0]} of {where} needs a type or a default, as in {untyped[0]}: int = 0.")
    return [
        Flag(name, hints.get(name, type(default)), default, meanings.get(name, ""))
        for name, default in defaults.items()
    ]


def leaves(flags: Sequence[Flag]) -> list[Flag]:
    """What is typed: the flags themselves, and for each whose value is a dataclass, those of its fields."""
    return [leaf for flag in flags for leaf in (leaves(_fields_as_flags(flag)) if settings_of(flag) else [flag])]


def settings_of(flag: Flag) -> Any:
    """The dataclass that its value is of, if any: the default's, which may have more fields than the annotation's."""
    kind = bare(flag.kind) if flag.default is MISSING else type(flag.default)
    return kind if is_dataclass(kind) else None


def flags_of_settings(settings: Any, default: Any = MISSING, name: str = "") -> list[Flag]:
    """The fields of a settings dataclass, those of ``name``, at what they are in ``default``, or usually."""
    meanings = field_meanings(settings)
    return [
        Flag(dotted_name(name, within).removeprefix("."), hint, _default(field, default), meanings.get(field.name, ""))
        for within, field, hint in fields_of(settings)
    ]


def _fields_as_flags(flag: Flag) -> list[Flag]:
    return flags_of_settings(settings_of(flag), flag.default, flag.name)


def _default(field: "Field[Any]", settings: Any) -> Any:
    if settings is not MISSING:
        return getattr(settings, field.name)
    factory: Any = field.default_factory
    return field.default if factory is MISSING else factory()


def parse(
    flags: Sequence[Flag], common: type[Any], words: Sequence[str], *, prog: str, description: str
) -> tuple[dict[str, Any], Any]:
    """The recipe's arguments and the bundle of ``common`` flags. ``Usage`` in one sentence; ``--help`` exits with 0."""
    refuse_no_text(words)
    refuse_unknown(words, [*flags, *flags_of_bundle(common)], prog)
    recipe = make_dataclass("recipe", [_field(flag) for flag in flags], kw_only=True)
    unboxed = Annotated[recipe, tyro.conf.arg(name="")]  # type: ignore[valid-type]  # a type made while running
    boxed = tyro.conf.OmitArgPrefixes[common]  # type: ignore[valid-type]
    both: type[Any] = make_dataclass("both", [("recipe", unboxed), ("common", boxed)])
    known = [*leaves(flags), *flags_of_bundle(common)]
    refuse_no_path(words, known)
    parsed = typed(both, words, prog=prog, description=description, flags=known)
    return {flag.name: getattr(parsed.recipe, flag.name) for flag in flags}, parsed.common


def typed(bundle: type[T], words: Sequence[str], *, prog: str, description: str, flags: Sequence[Flag] = ()) -> T:
    """A dataclass made from words. ``Usage`` in one sentence, about ``flags``; ``--help`` prints and exits with 0."""
    spoken = io.StringIO()
    try:
        with contextlib.redirect_stderr(spoken), readable():
            return tyro.cli(
                bundle,
                args=list(words),
                prog=prog,
                description=indented(description),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise Usage(f"{refusal(spoken.getvalue(), words, flags)} `{prog} --help` explains every flag.") from None


def indented(text: str) -> str:
    """Paragraphs as wide as the terminal, indented: tyro joins lines that begin with a letter, and never wraps them.

    There is no empty line between them, because tyro would make it two.
    """
    width = max(NARROWEST, min(shutil.get_terminal_size().columns, 100))
    paragraphs = [part.splitlines() for part in text.split("\n\n")]
    wrapped = [
        part if any(line[:1] in " >-*" for line in part) else textwrap.wrap(" ".join(part), width - 2)
        for part in paragraphs
    ]
    return "\n".join(f"  {line}" for part in wrapped for line in part)


def flags_of_bundle(bundle: type[Any]) -> list[Flag]:
    """The fields of a dataclass whose annotations carry ``tyro.conf.arg``, without those that are no flags."""
    hints = {f: get_type_hints(bundle, include_extras=True)[f.name] for f in fields(bundle)}
    flags = {f: hint for f, hint in hints.items() if _NO_FLAGS.isdisjoint(_settings_in(hint))}
    return [Flag(_name(f.name, hint), bare(hint), f.default, "") for f, hint in flags.items()]


def rebound(flags: Sequence[Flag], values: Mapping[str, Any]) -> list[Flag]:
    """The same flags with other defaults."""
    return [Flag(f.name, f.kind, values.get(f.name, f.default), f.help) for f in flags]


def _name(name: str, hint: Any) -> str:
    settings = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((str(x.name) for x in settings if getattr(x, "name", None)), name)


def _settings_in(hint: Any) -> list[Any]:
    """What an annotation says beside the type, as far as it can be looked up in a set."""
    return [x for x in get_args(hint) if isinstance(x, Hashable)]


def _field(flag: Flag) -> tuple[str, Any, Any]:
    kind = Annotated[flag.kind, tyro.conf.arg(help=flag.help)]  # type: ignore[name-defined]  # a type made while running
    return flag.name, kind, field() if flag.default is MISSING else field(default_factory=lambda: flag.default)


def refuse_no_path(words: Sequence[str], flags: Sequence[Flag]) -> None:
    """Raise ``Usage`` for an empty path: a variable that is not set would be the current directory."""
    for flag in flags:
        if Path in flag.kinds and "" in values_of(flag.spelled, words):
            raise Usage(f"{flag.spelled} takes a path; got ''. The current directory is '.'.")


def refuse_unknown(words: Sequence[str], flags: Sequence[Flag], prog: str) -> None:
    """Raise ``Usage`` with the nearest name for a flag that is none, and for two flags of one name."""
    if twice := sorted({flag.spelled for flag in flags if [f.name for f in flags].count(flag.name) > 1}):
        raise Usage(f"{prog.split()[-1]} has {', '.join(twice)}, which every run has already; choose other names.")
    known = [spelling for flag in leaves(flags) for spelling in flag.spellings]
    for word in words:
        flag = word.partition("=")[0].replace("_", "-")
        if flag.startswith("--") and flag not in (*known, "--help"):
            alike = [x for x in known if x.endswith(f".{flag[2:]}")] or [x for x in known if x.startswith(f"{flag}.")][
                :1
            ]
            hint = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else did_you_mean(flag, known) or "."
            raise Usage(f"{prog.removeprefix('tutelage ')} has no flag {flag}{hint} `{prog} --help` lists all.")
