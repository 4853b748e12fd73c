"""Who may import whom: the order below is the architecture."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tutelage

ORDER = [
    *["machine", "printable", "plurals", "progress", "stopped", "quiet", "profiling", "ranks", "group"],
    *["plain_json", "files", "tensors", "copies", "modes", "checksums"],
    *["checkpoint", "renewal", "weights", "trust", "calls", "keys", "shapes", "limits", "outputs", "taps"],
    *["results", "losses", "models", "data", "own_data", "foreign", "measures", "compress"],
    *["statistics", "objective", "matching", "combine", "watched"],
    *["teachers", "optimizers", "parts", "learner", "idle", "arguments", "checks", "loop", "scenes", "rehearsal"],
    *["sharing", "learn"],
    *["tasks", "methods", "delivery", "deployment", "stages"],
    *["folders", "run", "schemes", "study", "report", "integrity", "recipes", "api", "cli"],
]
WITHIN = {
    "study": ["", "diagnosis", "own", "planning", "experiments"],
    "compress": ["structure", ""],
}
"""Packages with rooms of their own, in their order: "" for the modules that are in none."""
ROOT = Path(tutelage.__file__).parent
DOORS = {"__init__", "__main__"}  # they open on the whole house


def imported(source: str) -> Iterator[str]:
    """The parts of the package that ``source`` imports, wherever in it and in whatever form."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "tutelage":
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from _inside(node.module or "")
        elif isinstance(node, ast.Import):
            for name in node.names:
                yield from _inside(name.name)


def _inside(module: str) -> list[str]:
    return module.split(".")[1:2] if module.startswith("tutelage.") else []


def upward(me: str, source: str) -> list[str]:
    return [other for other in imported(source) if me != other and ORDER.index(other) > ORDER.index(me)]


def parts() -> list[tuple[Path, str]]:
    files = [(file, file.relative_to(ROOT).with_suffix("").parts[0]) for file in sorted(ROOT.rglob("*.py"))]
    return [(file, part) for file, part in files if part not in DOORS]


def test_imports_point_downwards():
    for file, part in parts():
        assert not (wrong := upward(part, file.read_text())), f"{file.relative_to(ROOT)} must not import {wrong}"


def test_every_part_has_its_place_in_the_order():
    assert {part for _, part in parts()} <= set(ORDER)


@pytest.mark.parametrize(
    "line",
    [
        "from tutelage.learn import train",
        "import tutelage.learn",
        "from tutelage import run",
        "def f():\n import tutelage.run",
    ],
)
def test_an_import_that_points_upwards_is_found(line):
    assert upward("losses", line)


def room(package: str, module: str) -> str:
    """The room of ``package`` that ``module``, a dotted path, is in: "" for none."""
    first = module.removeprefix(f"tutelage.{package}").lstrip(".").split(".")[0]
    return first if first in WITHIN[package] else ""


def modules(source: str) -> Iterator[str]:
    """Every module that ``source`` imports from, and what it imports from there as if that were one, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def upstairs(package: str, me: str, source: str) -> list[str]:
    order = WITHIN[package]
    inside = [module for module in modules(source) if module.startswith(f"tutelage.{package}.")]
    return [module for module in inside if order.index(room(package, module)) > order.index(me)]


@pytest.mark.parametrize("package", WITHIN)
def test_rooms_of_a_package_import_downwards(package):
    for file in (ROOT / package).rglob("*.py"):
        me = room(package, ".".join(["tutelage", *file.relative_to(ROOT).with_suffix("").parts]))
        assert not (wrong := upstairs(package, me, file.read_text())), f"{file.relative_to(ROOT)}: {wrong}"
        assert me or file.parent == ROOT / package, f"{file.parent.name} has no place in the order of {package}"


def test_an_import_that_points_upstairs_is_found():
    assert upstairs("study", "", "from tutelage.study import own")
    assert upstairs("study", "own", "from tutelage.study.planning.pilot import Pilot")
    assert not upstairs("study", "planning", "from tutelage.study.own.sets import own_sets")


def test_the_losses_import_torch_shapes_and_limits_alone():
    for file in (ROOT / "losses").rglob("*.py"):
        assert set(imported(file.read_text())) <= {"shapes", "limits", "losses"}, file.name
