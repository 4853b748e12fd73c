"""A call as a flag spells it: ``resnet8``, ``wide_resnet(16, 2)``, ``timm.create_model('resnet18')``."""

import ast
from typing import Any, NamedTuple


class Call(NamedTuple):
    """The dotted path of what is called, and with what."""

    path: str
    arguments: list[Any]
    options: dict[str, Any]


def call(text: str) -> Call:
    """What ``text`` calls: a name alone, or one with plain values as arguments. Nothing is looked up or run.

    Raises ``ValueError`` for any other text.

    >>> call("wide_resnet(16, widen=2)")
    Call(path='wide_resnet', arguments=[16], options={'widen': 2})
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        made = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        arguments = [ast.literal_eval(x) for x in made.args]
        return Call(_path(made.func), arguments, {_word(x): ast.literal_eval(x.value) for x in made.keywords})
    except (SyntaxError, ValueError, TypeError):
        raise ValueError(f"Neither a name nor a call with plain values as arguments: {text!r}.") from None


def _path(name: ast.expr) -> str:
    if isinstance(name, ast.Attribute):
        return f"{_path(name.value)}.{name.attr}"
    if isinstance(name, ast.Name):
        return name.id
    raise ValueError(name)


def _word(given: ast.keyword) -> str:
    if given.arg is None:  # **options
        raise ValueError(given)
    return given.arg
