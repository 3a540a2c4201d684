"""TensorFlow's functions as layers, as tf.keras's files hold them: TFOpLambda and its kin, and TensorFlowOpLayer.

What a file names is looked up in the tables of kerastorch/ops/tensorflow, or given by the user through custom_objects;
nothing is imported or evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kerastorch.graph import KerasTensor
from kerastorch.graph.names import unique_name
from kerastorch.layers.function import FunctionLayer
from kerastorch.ops.sizes import function_of_numbers
from kerastorch.ops.table import parameters, required_parameters
from kerastorch.ops.tensorflow import find_function, raw_function, with_own_names
from kerastorch.ops.tensorflow.node_def import NodeDef
from kerastorch.ops.values import has_tensors
from kerastorch.registry import get_registered_object

__all__ = [
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
    "SlicingOpLambda",
    "TFOpLambda",
    "TensorFlowOpLayer",
]

_PROPERTIES: dict[str, Callable[..., Any]] = {"shape": lambda x: tuple(x.shape)}
_METHODS: dict[str, Callable[..., Any]] = {
    "get_shape": lambda x: tuple(x.shape),
    "set_shape": lambda x, shape: x,
}


class TFOpLambda(FunctionLayer):
    """One of TensorFlow's functions, with its arguments and defaults; what it is called with stands in the node.

    function: its public name without 'tf.', such as 'math.multiply' or 'nn.relu'. implementation: a callable that takes
    its place; by default the torch functions of kerastorch/ops/tensorflow.
    Raises ValueError for a name that these do not hold.
    Keras: tf.keras's TFOpLambda, which it makes of `tf.nn.relu(x)` and `x + 1`.
    """

    node_form = "tf"

    def __init__(self, function: str, implementation: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        named = kwargs.get("name") is not None
        if not named:
            kwargs["name"] = unique_name(f"tf.{function}")
        super().__init__(**kwargs)
        self._named_by_user = named
        self.function = function
        self._given = implementation
        if self._implementation is None:
            raise ValueError(_advice(self.name, f"tf.{function}"))

    @property
    def _implementation(self) -> Callable[..., Any] | None:
        return self._given or find_function(self.function)

    @classmethod
    def missing_function(cls, config: Mapping[str, Any], custom_objects: Any = None) -> str | None:
        """The name of the function of a layer's config if there is none for it, else None."""
        name = str(config.get("function"))
        if find_function(name) is not None or _replacement(name, config.get("name"), custom_objects) is not None:
            return None
        return f"tf.{name}"

    @property
    def is_traceable(self) -> bool:
        """Whether lowering looks through: not where the user gave the function."""
        return self._given is None and super().is_traceable

    def argument_names(self) -> tuple[str, ...]:
        """The names of the function's arguments, in order."""
        return parameters(self._implementation) if self._implementation is not None else ()

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the shape and dtype that the call would return, found by running it on fake tensors."""
        self._check_whole(args, with_own_names(self._implementation, kwargs) if self._implementation else kwargs)
        try:
            return super().compute_output_spec(*args, **kwargs)
        except ValueError:
            # What stands for open sizes need not fit together, as in `reshape(y, [n, 4, 2])` of y: (4 * n, 2).
            x, shape = _by_name(("tensor", "shape"), args, kwargs)
            if self.function != "reshape" or not isinstance(shape, (list, tuple)) or not isinstance(x, KerasTensor):
                raise
            sizes = tuple(n if isinstance(n, int) and n >= 0 else None for n in shape)
            return KerasTensor(sizes, x.dtype)

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        assert self._implementation is not None
        if self._given is not None:
            return self._implementation(*args, **{key: x for key, x in kwargs.items() if key != "name"})
        kwargs = with_own_names(self._implementation, kwargs)
        on_numbers = function_of_numbers(self.function.removeprefix("compat.v1."), args, kwargs)
        return (on_numbers or self._implementation)(*args, **kwargs)

    def _check_whole(self, args: tuple, kwargs: dict[str, Any]) -> None:
        """ValueError where tf.keras has not written all arguments: of those given by position it keeps the first alone."""
        names = required_parameters(self._implementation) if self._given is None else ()
        if len(args) + sum(name in kwargs for name in names[len(args) :]) < len(names):
            raise ValueError(
                f"Layer '{self.name}': the file lacks arguments of tf.{self.function}{names}; tf.keras lost them, and cannot "
                f"read the file either. Pass the function of what is there: custom_objects={{{self.name!r}: lambda x: ...}}."
            )

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, and the function's name."""
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype, "function": self.function}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer, with the function that custom_objects hold under 'tf.nn.foo', 'nn.foo' or the layer's name if any."""
        return cls(**config, implementation=_replacement(str(config["function"]), config.get("name")))


class SlicingOpLambda(TFOpLambda):
    """A part of a tensor: `x[:, 1:3]`, as tf.keras's files hold it. Keras: tf.keras's SlicingOpLambda."""

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the part's shape and dtype; slices of an open axis are open, as it may be shorter than they are."""
        made = super().compute_output_spec(*args, **kwargs)
        x, parts = _by_name(("tensor", "slice_spec"), args, kwargs)
        parts = parts if isinstance(parts, (list, tuple)) else [parts]
        places = any(isinstance(part, list) or getattr(part, "shape", ()) for part in parts)  # `x[[0, 2]]`
        if places or not isinstance(x, KerasTensor) or not isinstance(made, KerasTensor) or None not in x.shape:
            return made
        rest = len(x.shape) - sum(part is not None and part is not Ellipsis for part in parts)
        axis, at, shape = 0, 0, list(made.shape)
        for part in parts:
            is_slice = isinstance(part, (slice, Mapping))
            if is_slice and x.shape[axis] is None:
                shape[at] = None
            axis += rest if part is Ellipsis else part is not None
            at += rest if part is Ellipsis else part is None or is_slice
        return KerasTensor(tuple(shape), made.dtype)


class InstanceProperty(FunctionLayer):
    """A property of a tensor: its `shape`. Raises ValueError for those of ragged and sparse tensors.

    Keras: tf.keras's InstanceProperty.
    """

    node_form = "tf"
    _table = _PROPERTIES

    def __init__(self, attr_name: str, implementation: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        named = kwargs.get("name") is not None
        if not named:
            kwargs["name"] = unique_name(f"input.{attr_name}")
        super().__init__(**kwargs)
        self._named_by_user = named
        self.attr_name = attr_name
        self._given = implementation
        if self._implementation is None:
            raise ValueError(_advice(self.name, attr_name))

    @property
    def _implementation(self) -> Callable[..., Any] | None:
        return self._given or self._table.get(self.attr_name)

    @classmethod
    def missing_function(cls, config: Mapping[str, Any], custom_objects: Any = None) -> str | None:
        """The name of the attribute of a layer's config if tensors have none such, else None."""
        name = str(config.get("attr_name"))
        known = name in cls._table or _replacement(name, config.get("name"), custom_objects) is not None
        return None if known else name

    @property
    def is_traceable(self) -> bool:
        """Whether lowering looks through: not where the user gave the function."""
        return self._given is None and super().is_traceable

    def argument_names(self) -> tuple[str, ...]:
        """The names of the arguments of tf.keras's layer."""
        return ("obj",)

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        assert self._implementation is not None
        return self._implementation(args[0])

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, and the attribute's name."""
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype, "attr_name": self.attr_name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer, with the function that custom_objects hold under the attribute's or the layer's name if any."""
        return cls(**config, implementation=_replacement(str(config["attr_name"]), config.get("name")))


class InstanceMethod(InstanceProperty):
    """A method of a tensor: `get_shape`, `set_shape`. Raises ValueError for those of ragged and sparse tensors.

    Keras: tf.keras's InstanceMethod.
    """

    _table = _METHODS

    def argument_names(self) -> tuple[str, ...]:
        """The names of the arguments of tf.keras's layer."""
        return ("obj", "args", "kwargs")

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        assert self._implementation is not None
        x, more, named = _by_name(self.argument_names(), args, kwargs)
        return self._implementation(x, *(more or ()), **(named or {}))


class ClassMethod(FunctionLayer):
    """A class's method. Those that tf.keras can record make ragged tensors, which torch lacks: `implementation` is needed.

    cls_symbol: the class's public name without 'tf.'. method_name: the method's.
    Raises ValueError where no implementation is given.
    Keras: tf.keras's ClassMethod.
    """

    node_form = "tf"

    def __init__(
        self, cls_symbol: str, method_name: str, implementation: Callable[..., Any] | None = None, **kwargs: Any
    ) -> None:
        named = kwargs.get("name") is not None
        if not named:
            kwargs["name"] = unique_name(f"tf.{cls_symbol}.{method_name}")
        super().__init__(**kwargs)
        self._named_by_user = named
        self.cls_symbol, self.method_name, self._implementation = cls_symbol, method_name, implementation
        if implementation is None:
            raise ValueError(_advice(self.name, f"tf.{cls_symbol}.{method_name}"))

    is_traceable = False

    @classmethod
    def missing_function(cls, config: Mapping[str, Any], custom_objects: Any = None) -> str | None:
        """The name of the method of a layer's config if the user gave none for it, else None."""
        name = f"{config.get('cls_symbol')}.{config.get('method_name')}"
        return None if _replacement(name, config.get("name"), custom_objects) is not None else f"tf.{name}"

    def argument_names(self) -> tuple[str, ...]:
        """The names of the arguments of tf.keras's layer."""
        return ("args", "kwargs")

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        assert self._implementation is not None
        more, named = _by_name(self.argument_names(), args, kwargs)
        return self._implementation(*(more or ()), **(named or {}))

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, and the names of class and method."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        return {**config, "cls_symbol": self.cls_symbol, "method_name": self.method_name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer, with the function that custom_objects hold under 'tf.Class.method' or the layer's name."""
        name = f"{config['cls_symbol']}.{config['method_name']}"
        return cls(**config, implementation=_replacement(name, config.get("name")))


class TensorFlowOpLayer(FunctionLayer):
    """One operation of TensorFlow's graph, as tf.keras before 2.4 wrote functions.

    node_def: the operation, its attributes and inputs, as a dict, as JSON text, or as protobuf's bytes or text.
    constants: the inputs that are no tensors of the graph, by position. name: without 'tf_op_layer_'.
    Raises ValueError for an operation that kerastorch/ops/tensorflow lacks and for a node_def that cannot be read.
    Keras: tf.keras's TensorFlowOpLayer.
    """

    node_form = "layer"

    def __init__(
        self,
        node_def: Any,
        name: str,
        constants: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        implementation: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(name=_OP_LAYER + name.removeprefix(_OP_LAYER), trainable=trainable, dtype=dtype)
        self.node_def = NodeDef.parse(node_def)
        self.constants = {int(index): value for index, value in (constants or {}).items()}
        self._given = implementation
        if self._implementation is None:
            raise ValueError(_advice(self.name, f"tf.raw_ops.{self.node_def.op}"))

    @property
    def _implementation(self) -> Callable[..., Any] | None:
        return self._given or raw_function(self.node_def)

    @classmethod
    def missing_function(cls, config: Mapping[str, Any], custom_objects: Any = None) -> str | None:
        """The name of the operation of a layer's config if there is none for it, else None."""
        node = NodeDef.parse(config.get("node_def"))
        given = _replacement(f"raw_ops.{node.op}", _OP_LAYER + str(config.get("name")), custom_objects)
        return None if raw_function(node) is not None or given is not None else f"tf.raw_ops.{node.op}"

    @property
    def is_traceable(self) -> bool:
        """Whether lowering looks through: not where the user gave the function."""
        return self._given is None and super().is_traceable

    def call(self, inputs: Any) -> Any:
        """The operation on the inputs, the constants in their places among them."""
        return self._run((inputs,), {})

    def _evaluate(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        assert self._implementation is not None
        inputs = list(args[0]) if isinstance(args[0], (list, tuple)) and has_tensors(args[0]) else [args[0]]
        for index, value in sorted(self.constants.items()):
            inputs.insert(index, value)
        return self._implementation(*inputs)

    def get_config(self) -> dict[str, Any]:
        """name (without 'tf_op_layer_'), trainable, dtype, node_def as a dict, constants."""
        config: dict[str, Any] = {"name": self.name.removeprefix(_OP_LAYER), "trainable": self.trainable}
        written = self.node_def.to_dict()
        return {**config, "dtype": self.dtype, "node_def": written, "constants": dict(self.constants)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer, with the function that custom_objects hold under 'tf.raw_ops.Foo' or the layer's name if any."""
        op = NodeDef.parse(config["node_def"]).op
        given = _replacement(f"raw_ops.{op}", _OP_LAYER + str(config.get("name")))
        return cls(**{key: value for key, value in config.items() if value is not None}, implementation=given)


_OP_LAYER = "tf_op_layer_"


def _replacement(function: str, layer: Any, custom_objects: Any = None) -> Any:
    """What the user gave for a function: by 'tf.nn.foo', by 'nn.foo', or by the layer's name."""
    for key in (layer, f"tf.{function}", function):
        found = get_registered_object(key, custom_objects) if isinstance(key, str) else None
        if callable(found):
            return found
    return None


def _advice(layer: str, function: str) -> str:
    return (
        f"Layer '{layer}': there is no torch counterpart of {function} here. Give one, as a function of torch tensors with "
        f"{function}'s arguments: custom_objects={{{function!r}: function}} (or by the layer's name, {layer!r})."
    )


def _by_name(names: tuple[str, ...], args: tuple, kwargs: dict[str, Any]) -> tuple[Any, ...]:
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return tuple(given.get(name) for name in names)
