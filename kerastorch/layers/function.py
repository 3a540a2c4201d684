"""A function as a layer: the base of such layers, and one torch function recorded in a graph."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from kerastorch.graph import snake_case
from kerastorch.graph.names import unique_name
from kerastorch.layers.base import Layer
from kerastorch.layers.symbolic import Numbers, infer_outputs
from kerastorch.ops.values import anchored, describe, is_tensor, keeping

__all__ = ["FunctionLayer", "TorchFunction"]

_MODULES = {"torch": torch, "torch.nn.functional": nn.functional, "torch.Tensor": torch.Tensor, "operator": operator}
_OPERATORS = "add sub mul truediv floordiv mod pow matmul and_ or_ xor neg abs invert lt le gt ge eq ne getitem".split()
_UNFIT = re.compile(
    r"_[^_]|(numpy|tolist|item|__reduce_ex__|__setstate__|__deepcopy__|__array|__dlpack|backward|register_|autocast"
    r"|apply_|map2?_|set_|resize|data_ptr|const_data_ptr|storage|untyped_storage|share_memory|pin_memory|record_stream"
    r"|module_load|fbgemm_|quantized_|miopen_|batch_norm_|native_)"
)
"""Names of what is no function on values: what reaches below tensors, and kernels that trust their arguments."""


class FunctionLayer(Layer):
    """The base of layers that are one function: what it was called with beside tensors stands in the node.

    A subclass writes `_evaluate(args, kwargs)`. It returns a tensor; a list of tensors; or, for sizes, a number or a tuple
    of numbers, which other functions take as they are and all else as a tensor.
    """

    node_form = "call"
    """How models/graph_config.py writes a call: 'call' keeps args and kwargs apart, 'tf' is tf.keras's, 'layer' any layer's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._constants: dict[Any, str] = {}
        self.built = True

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function of the arguments."""
        return self._run(args, kwargs)

    def _run(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        leaves = pytree.tree_leaves((args, kwargs))
        if any(isinstance(x, fx.Proxy) for x in leaves):
            args, kwargs = self._with_kept_constants(args, kwargs)
            leaves = pytree.tree_leaves((args, kwargs))
        first = next((x for x in leaves if is_tensor(x)), None)
        with keeping(self._keep):
            if first is None:
                outputs = self._evaluate(args, kwargs)
            else:
                with anchored(first):
                    outputs = self._evaluate(args, kwargs)
        if isinstance(outputs, tuple) and any(isinstance(x, torch.Tensor) for x in outputs):
            return list(outputs)
        return outputs

    def _keep(self, values: Any, dtype: torch.dtype) -> Any:
        """A constant as a buffer, which goes where the layer goes."""
        array = np.asarray(values)
        key = (array.shape, array.tobytes(), str(array.dtype), dtype)
        if key not in self._constants:
            with torch.inference_mode(False), _disable_current_modes():
                tensor = torch.tensor(array, dtype=dtype, device=self._device())
            self._constants[key] = f"constant_{len(self._constants)}"
            self.register_buffer(self._constants[key], tensor, persistent=False)
        kept = getattr(self, self._constants[key])
        if isinstance(kept, fx.Proxy):
            describe(kept, array.shape, dtype)
        return kept

    def _with_kept_constants(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        from torch._subclasses.fake_tensor import FakeTensor

        def kept(x: Any) -> Any:
            if not isinstance(x, torch.Tensor) or isinstance(x, (nn.Parameter, FakeTensor, fx.Proxy)):
                return x
            return self._keep(x.tolist(), x.dtype)

        return pytree.tree_map(kept, (args, kwargs))

    def _cast(self, structure: Any) -> Any:
        return structure

    def _infer(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = self._with_kept_constants(args, kwargs)
        outputs = self.call(*args, **kwargs)
        if isinstance(outputs, list):
            return [x if isinstance(x, torch.Tensor) else Numbers(x) for x in outputs]
        return outputs if isinstance(outputs, (torch.Tensor, dict)) else Numbers(outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the shape and dtype that the call would return, found by running it on fake tensors."""
        return infer_outputs(self._infer, args, kwargs, self.name, self, numbers=True)


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
            if callable(found) and not _UNFIT.match(name):
                by_name[f"{prefix}.{name}"] = found
    return {f: name for name, f in reversed(by_name.items())}, by_name


class TorchFunction(FunctionLayer):
    """One torch function as a layer; what it was called with beside tensors stands in the node.

    function: a function or method of torch, or its name such as 'torch.relu' or 'torch.Tensor.__getitem__'.
    Raises ValueError for a name that is none of torch's tensor functions.
    """

    def __init__(self, function: Callable[..., Any] | str, **kwargs: Any) -> None:
        if isinstance(function, str):
            if function not in _functions()[1]:
                raise ValueError(f"TorchFunction: {function!r} is not the name of a torch function on tensors.")
            function = _functions()[1][function]
        named = kwargs.get("name") is not None
        if not named:
            base = getattr(function, "__name__", "function").strip("_")
            kwargs["name"] = unique_name(snake_case(base))
        super().__init__(**kwargs)
        self._named_by_user = named
        self.function = function
        # A method is looked up on its tensor, so that it is one for torch.fx's proxies too.
        self._is_method = getattr(torch.Tensor, function.__name__, None) is function

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function of the arguments."""
        if any(isinstance(x, fx.Proxy) for x in pytree.tree_leaves((args, kwargs))):
            args, kwargs = self._with_kept_constants(args, kwargs)
        if self._is_method:
            return getattr(args[0], self.function.__name__)(*args[1:], **kwargs)
        return self.function(*args, **kwargs)

    def _infer(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = self._with_kept_constants(args, kwargs)
        return self.call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the shape and dtype that the call would return, found by running it on fake tensors."""
        return infer_outputs(self._infer, args, kwargs, self.name, self)

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, and the function's name; ValueError where it has none that could be found again."""
        name = _functions()[0].get(self.function)
        if name is None:
            raise ValueError(f"Layer '{self.name}': the function {self.function!r} cannot be written into a config.")
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype, "function": name}
