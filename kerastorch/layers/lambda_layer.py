"""Lambda: a function of the user's as a layer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from kerastorch.graph import KerasTensor
from kerastorch.layers.base import Layer
from kerastorch.layers.marshalled import function_from, in_parts, is_marshalled
from kerastorch.layers.structures import shape_map, shape_of
from kerastorch.registry import custom_names, find, serialize
from kerastorch.untrusted import code_may_run

__all__ = ["Lambda"]


class Lambda(Layer):
    """A function as a layer. Its output's shape is found by running it on tensors without values, or given.

    function: of one tensor or structure of tensors, with torch functions in it; may take `mask` and `training`.
    output_shape: a shape without the batch axis, or a function from input shape to output shape.
    Keras: tf.keras.layers.Lambda.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda '{self.name}': the function must be callable, got {function!r}.")
        self.function = function
        self.__dict__["arguments"] = dict(arguments or {})  # which, empty, is none that waits for layers
        self._output_shape, self.mask = output_shape, mask
        self.supports_masking = mask is not None
        self._as_read: dict[str, Any] | None = None

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The function of the inputs and `arguments`."""
        arguments = dict(self.arguments)
        names = _parameter_names(self.function)
        if "mask" in names:
            arguments["mask"] = mask
        if "training" in names:
            arguments["training"] = training
        return self.function(inputs, **arguments)

    @property
    def is_traceable(self) -> bool:
        """A user's function may do what cannot be traced, so it runs as it is."""
        return False

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """`mask` as given: a mask, or a function of inputs and mask."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """By `output_shape` where given, else by running the function."""
        if self._output_shape is None:
            return super().compute_output_spec(*args, **kwargs)
        first = args[0] if args else next(iter(kwargs.values()))
        input_shape = shape_of(first)
        if callable(self._output_shape):
            return shape_map(lambda s: KerasTensor(s, self.compute_dtype), self._output_shape(input_shape))
        batch = input_shape[0] if not isinstance(input_shape, list) else input_shape[0][0]
        return shape_map(lambda s: KerasTensor((batch, *s), self.compute_dtype), self._output_shape)

    def get_config(self) -> dict[str, Any]:
        """As tf.keras has it, with the function's name. Code is never made; what a file held of it is written back."""
        config = super().get_config()
        config.pop("mask", None)
        config["function"] = getattr(self.function, "__name__", type(self.function).__name__)
        config["function_type"], config["module"] = "function", None
        config["output_shape"] = self._output_shape if not callable(self._output_shape) else None
        config["output_shape_type"], config["output_shape_module"] = "raw", None
        config["arguments"] = serialize(self.arguments)
        return {**config, **(self._as_read or {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Lambda:
        """The layer with the function that custom_objects hold under the layer's name, or under the function's own.

        Raises ValueError where they hold none: code that stands in a config is not run, except within
        `load_model(..., safe_mode=False)`.
        """
        name, written = config.get("name"), config.get("function")
        known = [find("function", key) for key in (name, written) if isinstance(key, str)]
        function = next((f for f in known if f is not None), None)
        if function is None:
            function = _marshalled(name, config)
        shape = config.get("output_shape")
        of_sizes = isinstance(shape, (list, tuple)) and not is_marshalled(shape)
        layer = cls(
            function,
            output_shape=tuple(shape) if of_sizes else None,
            arguments=config.get("arguments"),
            **{key: config[key] for key in ("name", "trainable", "dtype", "batch_input_shape") if key in config},
        )
        if is_marshalled(written):
            layer._as_read = {"function": in_parts(written), "function_type": "lambda", "module": config.get("module")}
            if is_marshalled(shape):
                shape_module = config.get("output_shape_module")
                code = {
                    "output_shape": in_parts(shape),
                    "output_shape_type": "lambda",
                    "output_shape_module": shape_module,
                }
                layer._as_read.update(code)
        elif isinstance(written, str):
            layer._as_read = {"function": written}
        return layer


def _marshalled(name: Any, config: dict[str, Any]) -> Callable[..., Any]:
    """The function whose code stands in a Lambda's config; ValueError unless code may run, and where it cannot."""
    instead = f"Pass the function by the layer's name: custom_objects={{{name!r}: function}}."
    written = config.get("function")
    if not is_marshalled(written):
        raise ValueError(f"Lambda '{name}': the file only names its function. {instead}")
    if not code_may_run():
        raise ValueError(
            f"Lambda '{name}': the code of its function is not taken from a config, as it could do anything. {instead} Or, "
            "for a file that you trust as you trust a program: load_model(..., safe_mode=False)."
        )
    module = sys.modules.get(str(config.get("module")))
    try:
        return function_from(written, {**(vars(module) if module else {}), **custom_names()})
    except ValueError as error:
        raise ValueError(f"Lambda '{name}': {error}. {instead}") from error


def _parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    import inspect

    try:
        return tuple(inspect.signature(function).parameters)
    except ValueError:  # some builtins tell nothing of theirs
        return ()
