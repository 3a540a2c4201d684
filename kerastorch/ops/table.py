"""A table of functions by the names that files know them by."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from kerastorch.ops.values import as_tensor

__all__ = ["Table", "parameters", "required_parameters", "unary"]

Function = Callable[..., Any]


class Table(dict[str, Function]):
    """Functions by name; `@table.named("math.add", "add")` enters one."""

    def named(self, *names: str) -> Callable[[Function], Function]:
        """A decorator that enters a function under the given names."""

        def enter(function: Function) -> Function:
            for name in names:
                if name in self:
                    raise ValueError(f"The table has {name!r} already.")
                self[name] = function
            return function

        return enter


def unary(function: Function, parameter: str = "x") -> Function:
    """A torch function of one tensor as one that takes numbers too."""

    def computed(x: Any) -> Any:
        return function(as_tensor(x))

    computed.__name__ = getattr(function, "__name__", "function")
    computed.__signature__ = inspect.Signature([inspect.Parameter(parameter, inspect.Parameter.POSITIONAL_OR_KEYWORD)])  # type: ignore[attr-defined]
    return computed


@functools.cache
def required_parameters(function: Function) -> tuple[str, ...]:
    """The names of those without which a function cannot be called, of those that may be given by position."""
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        return ()
    return tuple(p.name for p in found if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty)


@functools.cache
def parameters(function: Function) -> tuple[str, ...]:
    """The names of a function's parameters, in order, `*args` and `**kwargs` left out."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        return tuple(p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds)
    except ValueError:  # some builtins tell nothing of theirs
        return ()
