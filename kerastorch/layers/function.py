"""A torch function recorded in a graph: `torch.relu(x)`, `x[:, 0] + 1`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from kerastorch.graph import record_functions_with, snake_case
from kerastorch.graph.names import unique_name
from kerastorch.layers.base import Layer

__all__ = ["TorchFunction"]

_MODULES = {"torch": torch, "torch.nn.functional": nn.functional, "torch.Tensor": torch.Tensor, "operator": operator}
_OPERATORS = "add sub mul truediv floordiv mod pow matmul and_ or_ xor neg abs invert lt le gt ge eq ne getitem".split()
_HIDDEN = ("numpy", "tolist", "item", "__reduce_ex__", "__setstate__", "backward", "register_hook")


@functools.cache
def _functions() -> tuple[dict[Any, str], dict[str, Any]]:
    """The functions that a graph may hold, by object and by name: those that torch lets a tensor-like object override.

    None of them reads a file, imports or runs code, so that a name in a file can be trusted.
    """
    overridable = torch.overrides.get_overridable_functions()
    by_name: dict[str, Any] = {}
    for prefix, module in _MODULES.items():
        names: Any = (
            _OPERATORS
            if module is operator
            else (f.__name__ for f in overridable.get(module, ()) if hasattr(f, "__name__"))
        )
        for name in names:
            found = getattr(module, name, None)
            if callable(found) and name not in _HIDDEN:
                by_name[f"{prefix}.{name}"] = found
    return {f: name for name, f in reversed(by_name.items())}, by_name


class TorchFunction(Layer):
    """One torch function as a layer; what it was called with beside tensors stands in the node.

    function: a function or method of torch, or its name such as 'torch.relu' or 'torch.Tensor.__getitem__'.
    Raises ValueError for a name that is none of torch's tensor functions.
    """

    def __init__(self, function: Callable[..., Any] | str, **kwargs: Any) -> None:
        if isinstance(function, str):
            if function not in _functions()[1]:
                raise ValueError(f"TorchFunction: {function!r} is not the name of a torch function on tensors.")
            function = _functions()[1][function]
        if kwargs.get("name") is None:
            base = getattr(function, "__name__", "function").strip("_")
            kwargs["name"], named = unique_name(snake_case(base)), False
        else:
            named = True
        super().__init__(**kwargs)
        self._named_by_user = named
        self.function = function
        # A method is looked up on its tensor, so that it is one for torch.fx's proxies too.
        self._is_method = getattr(torch.Tensor, function.__name__, None) is function
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function of the arguments."""
        return self._method(args[0])(*args[1:], **kwargs) if self._is_method else self.function(*args, **kwargs)

    def _method(self, x: Any) -> Callable[..., Any]:
        return getattr(x, self.function.__name__)

    def _cast(self, structure: Any) -> Any:
        return structure

    def _infer(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, and the function's name; ValueError where it has none that could be found again."""
        name = _functions()[0].get(self.function)
        if name is None:
            raise ValueError(f"Layer '{self.name}': the function {self.function!r} cannot be written into a config.")
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype, "function": name}


def _record(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    # NumPy's scalars and arrays would, when it runs, ask torch.fx's proxies to be arrays.
    args, kwargs = pytree.tree_map(_without_numpy, (args, kwargs))
    layer = TorchFunction(function)
    for i, value in enumerate(x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, nn.Parameter)):
        layer.register_parameter(f"parameter_{i}", value)
    return layer(*args, **kwargs)


def _without_numpy(x: Any) -> Any:
    if isinstance(x, np.generic):
        return x.item()
    return torch.as_tensor(x) if isinstance(x, np.ndarray) else x


record_functions_with(_record)
