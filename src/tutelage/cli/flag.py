"""One flag of a command: how it is spelled, and what its values are."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from tutelage.study.dotted import dotted_name


@dataclass(frozen=True)
class Flag:
    """One keyword argument, or one field of it. ``default`` is ``MISSING`` where the caller has to choose."""

    name: str
    kind: Any
    default: Any
    help: str

    @property
    def spelled(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def spellings(self) -> list[str]:
        """More than one for a switch.

        >>> Flag("student.jitter", bool, True, "").spellings
        ['--student.jitter', '--student.no-jitter']
        """
        before, _, last = self.spelled.removeprefix("--").rpartition(".")
        return (
            [self.spelled, f"--{dotted_name(before, f'no-{last}').strip('.')}"]
            if bare(self.kind) is bool
            else [self.spelled]
        )

    @property
    def takes_several(self) -> bool:
        """Whether one value of it is several words.

        >>> Flag("widths", tuple[int, ...], (), "").takes_several, Flag("seed", int, 0, "").takes_several
        (True, False)
        """
        return any(get_origin(kind) in (tuple, list) for kind in self.kinds)

    @property
    def kinds(self) -> list[Any]:
        """Its type, or the types that are possible: ``[Path, NoneType]``."""
        kind = bare(self.kind)
        return [kind, *map(bare, get_args(kind))]

    @property
    def choices(self) -> list[str]:
        """The values of a ``Literal``."""
        return [str(value) for kind in self.kinds if get_origin(kind) is Literal for value in get_args(kind)]

    def words(self, value: Any) -> list[str]:
        """``value`` as one would type it.

        >>> Flag("temperature", float, 4.0, "").words(2.5), Flag("jitter", bool, True, "").words(False)
        (['--temperature', '2.5'], ['--no-jitter'])
        """
        if bare(self.kind) is bool and isinstance(value, bool):
            return [self.spellings[0 if value else 1]]
        if isinstance(value, (list, tuple)):
            return [self.spelled, *map(str, value)]
        return [f"{self.spelled}={value}"] if str(value).startswith("-") else [self.spelled, str(value)]


def bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint
