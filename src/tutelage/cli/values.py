"""How tyro shows and reads the values of flags, where its own way says too little in a help."""

from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, Union, get_args

from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    UnsupportedTypeAnnotationError,
)


def readable() -> ConstructorRegistry:
    """Rules for a command: an empty tuple is shown as ``none``, and what may be left out by what it may be."""
    registry, asked = ConstructorRegistry(), []

    def usual(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | UnsupportedTypeAnnotationError:
        asked.append(info)
        try:
            return ConstructorRegistry.get_primitive_spec(info)
        finally:
            asked.pop()

    @registry.primitive_rule
    def rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | UnsupportedTypeAnnotationError | None:
        several = info.type_origin in (tuple, list)
        optional = info.type_origin in (Union, UnionType) and NoneType in get_args(info.type)
        if not (several or optional) or any(info is other for other in asked):
            return None
        spec = usual(info)
        if isinstance(spec, UnsupportedTypeAnnotationError):
            return spec
        if optional:
            return replace(spec, metavar=spec.metavar.removeprefix("{None}|"))
        shown = spec.str_from_instance
        return replace(spec, str_from_instance=lambda value: shown(value) or ["none"])

    return registry
