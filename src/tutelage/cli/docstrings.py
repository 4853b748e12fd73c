"""What docstrings say about recipes, their arguments and the fields of settings: the text of ``--help``."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any


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


def docstring(function: Any) -> str:
    """That of the function; of a partial, its own if it was given one."""
    while isinstance(function, partial) and function.__doc__ == partial.__doc__:
        function = function.func
    return inspect.getdoc(function) or ""


@cache
def field_meanings(settings: Any) -> dict[str, str]:
    """Field -> the string that follows it in the source of the dataclass, or of one that it extends."""
    meanings = {}
    for kind in reversed([kind for kind in settings.__mro__ if "__dataclass_fields__" in vars(kind)]):
        try:
            source = inspect.getsource(kind)
        except OSError:  # made while running
            continue
        body = ast.parse(textwrap.dedent(source)).body[0]
        assert isinstance(body, ast.ClassDef)
        for node, after in pairwise(body.body):
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(node, ast.AnnAssign) and isinstance(text, ast.Constant):
                meanings[ast.unparse(node.target)] = " ".join(str(text.value).split())
    return meanings
