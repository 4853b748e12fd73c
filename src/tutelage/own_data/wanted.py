"""What a person says about data, beside where they lie: the rest is found out, or asked for by the flag's name."""

from dataclasses import dataclass
from typing import Literal

from tutelage.own_data.source import TaskName


@dataclass(frozen=True)
class Wanted:
    """The task, and the columns or arrays that hold inputs and labels; empty where they are to be found out.

    ``text`` is whatever the labels of texts speak of. With ``strict``, what would be left out is refused.
    """

    task: TaskName | Literal["auto", "text"] = "auto"
    path_column: str = ""
    label_columns: tuple[str, ...] = ()
    strict: bool = False
    text_columns: tuple[str, ...] = ()

    @property
    def learnt(self) -> TaskName | None:
        """What is learnt, where that is said."""
        return None if self.task == "auto" or self.task == "text" else self.task

    @property
    def is_of_texts(self) -> bool:
        """Whether inputs have to be texts."""
        return bool(self.text_columns) or self.task in ("text", "embeddings", "spans")
