"""Finds the members of a family: what a package defines, never a list that somebody must keep."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, get_type_hints

import pytest


def modules(package: ModuleType) -> list[ModuleType]:
    """Every module inside the package, however deep."""
    return [import_module(info.name) for info in walk_packages(package.__path__, f"{package.__name__}.")]


def own(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions and classes that the module defines itself."""
    for name, member in vars(module).items():
        written_here = getattr(member, "__module__", None) == module.__name__ and not name.startswith("_")
        if written_here and (inspect.isfunction(member) or inspect.isclass(member)):
            yield name, member


def returned(member: Any) -> Any:
    """What a function, or the ``forward`` of a module class, promises to return, with its annotations."""
    call = getattr(member, "forward", None) if inspect.isclass(member) else member
    return get_type_hints(call, include_extras=True).get("return") if call else None


def members(package: ModuleType, *promises: Any) -> list[Any]:
    """One test case for every public member that promises to return one of these types; an empty family is an error."""
    found = [
        pytest.param(member, id=f"{module.__name__.removeprefix(package.__name__ + '.')}.{name}")
        for module in modules(package)
        for name, member in own(module)
        if returned(member) in promises
    ]
    assert found, f"nothing in {package.__name__} returns one of {promises}"
    return found
