"""Keras 3's operations as layers, as its files hold them: `keras.ops.add(x, 1)`, `x[:, 0]`, `keras.ops.one_hot(x, 5)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kerastorch.graph import snake_case
from kerastorch.graph.names import unique_name
from kerastorch.layers.function import FunctionLayer
from kerastorch.ops.keras3 import find_operation
from kerastorch.registry import get_registered_object

__all__ = ["KerasOp"]


class KerasOp(FunctionLayer):
    """One of Keras 3's operations; what it is called with stands in the node, args and kwargs apart.

    operation: Keras 3's module and class, such as 'numpy.Add' or 'nn.Softmax'. arguments: what Keras 3 makes it with, such
    as {'axis': -1}. implementation: a callable of the call's arguments and these that takes its place; by default the
    torch functions of kerastorch/ops/keras3.
    Raises ValueError for a name that these do not hold.
    Keras: keras.Operation and its subclasses (Keras 3).
    """

    def __init__(
        self,
        operation: str,
        arguments: Mapping[str, Any] | None = None,
        implementation: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        named = kwargs.get("name") is not None
        if not named:
            kwargs["name"] = unique_name(snake_case(operation.rpartition(".")[2]))
        super().__init__(**kwargs)
        self._named_by_user = named
        self.operation, self._arguments = operation, dict(arguments or {})
        self._given = implementation
        if self._implementation is None:
            raise ValueError(
                f"Layer '{self.name}': there is no torch counterpart of Keras 3's operation keras.ops.{operation} here. Give "
                f"one, as a function of torch tensors: custom_objects={{{operation!r}: function}} (or by the layer's name)."
            )

    @property
    def _implementation(self) -> Callable[..., Any] | None:
        return self._given or find_operation(self.operation)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the operation was made with."""
        return dict(self._arguments)

    @classmethod
    def missing_function(cls, config: Mapping[str, Any], custom_objects: Any = None) -> str | None:
        """The name of the operation of a layer's config if there is none for it, else None."""
        name = str(config.get("operation"))
        known = find_operation(name) is not None or _replacement(config, custom_objects) is not None
        return None if known else name

    @property
    def is_traceable(self) -> bool:
        """Whether lowering looks through: not where the user gave the function."""
        return self._given is None and super().is_traceable

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        assert self._implementation is not None
        given = {key: x for key, x in kwargs.items() if key != "name"}
        return self._implementation(*args, **given, **{k: v for k, v in self._arguments.items() if k not in given})

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, the operation's name, and what it was made with."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        return {**config, "operation": self.operation, "arguments": self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer, with the function that custom_objects hold under 'numpy.Foo' or the layer's name if any."""
        return cls(**config, implementation=_replacement(config))


def _replacement(config: Mapping[str, Any], custom_objects: Any = None) -> Any:
    for key in (config.get("name"), config.get("operation")):
        found = get_registered_object(key, custom_objects) if isinstance(key, str) else None
        if callable(found) and not isinstance(found, type):
            return found
    return None
