"""What a person says about data, beside where they lie: the rest is found out, or asked for by the flag's name."""

from dataclasses import dataclass
from typing import Literal

from tutelage.own_data.source import TaskName


@dataclass(frozen=True)
class Wanted:
    """The task, and the columns or arrays that hold inputs and labels; empty where they are to be found out.

    With ``strict``, what would be left out is refused.
    """

    task: TaskName | Literal["auto"] = "auto"
    path_column: str = ""
    label_columns: tuple[str, ...] = ()
    strict: bool = False
