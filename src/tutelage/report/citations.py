"""BibTeX of the methods that ran, read from the methods' own files without importing them (no torch is needed)."""

import ast
import re
import sys
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path

NAME = "CITATIONS"  # a module's constant: name of a method -> BibTeX, possibly by way of other constants


def bibtex(methods: Iterable[str]) -> tuple[str, ...]:
    """The BibTeX entries of ``methods`` (``tutelage.losses.kd:soft_targets``), each once, in order of first use.

    A method whose file cannot be found, or which has no entry in its file's ``CITATIONS``, adds nothing.
    """
    entries: dict[str, str] = {}
    for method in methods:
        module, _, name = method.partition(":")
        for entry in re.split(r"\n(?=@)", _citations(module).get(name, "").strip()):
            if entry:
                entries.setdefault(entry.partition(",")[0], entry.strip())
    return tuple(entries.values())


@cache
def _citations(module: str) -> dict[str, str]:
    file = _file(module)
    known: dict[str, str] = {}
    citations: dict[str, str] = {}
    for node in _statements(file) if file else []:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        names = _targets(node)
        if isinstance(value, ast.Dict) and NAME in names:
            pairs = zip(value.keys, value.values, strict=True)
            citations = {str(key.value): _text(item, known) for key, item in pairs if isinstance(key, ast.Constant)}
        elif value is not None:
            known.update(dict.fromkeys(names, _text(value, known)))
    return citations


def _statements(file: Path) -> list[ast.stmt]:
    """What a file says; nothing where that is no Python of today. A stranger's results may name any module."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _targets(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(node: ast.expr, known: dict[str, str]) -> str:
    """The text that an expression of texts, names, sums and lists stands for; nothing for any other."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, known) + _text(node.right, known)
    if isinstance(node, ast.Tuple | ast.List):
        return "\n".join(_text(item, known).strip() for item in node.elts)
    return ""


def _file(module: str) -> Path | None:
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for root in (str(Path(__file__).parents[2]), *sys.path):
        for file in (Path(root, *parts).with_suffix(".py"), Path(root, *parts, "__init__.py")):
            if file.is_file():
                return file
    return None
