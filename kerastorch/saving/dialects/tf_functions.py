"""TensorFlow's functions as layers (TFOpLambda), in canonical form, as Keras 3's operations, where Keras 3 has the equal one; and
back those that Keras 3 computes masks by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["as_function", "as_operation"]

Call = tuple[str, dict[str, Any], list[Any]]
"""An operation of Keras 3, what it is made with, and what it is called with."""

_BINARY = {
    "__operators__.add": "Add", "math.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
    "math.truediv": "TrueDivide", "math.divide": "Divide", "math.floordiv": "FloorDivide", "floor_div": "FloorDivide",
    "math.floormod": "Mod", "math.pow": "Power", "math.less": "Less", "math.less_equal": "LessEqual",
    "math.greater": "Greater", "math.greater_equal": "GreaterEqual", "math.equal": "Equal", "math.not_equal": "NotEqual",
    "math.logical_and": "LogicalAnd", "math.logical_or": "LogicalOr", "math.logical_xor": "LogicalXor",
    "math.maximum": "Maximum", "math.minimum": "Minimum",
}  # fmt: skip
_UNARY = {
    **{f"math.{name.lower()}": f"numpy.{name}" for name in (
        "Abs Exp Log Sqrt Square Sin Cos Tan Floor Ceil Round Sign Log1p Expm1 Tanh Reciprocal Negative".split())},
    "math.logical_not": "numpy.LogicalNot", "math.rsqrt": "math.Rsqrt", "math.erf": "math.Erf", "math.sigmoid": "nn.Sigmoid",
    "nn.relu": "nn.Relu", "nn.relu6": "nn.Relu6", "nn.selu": "nn.Selu", "nn.elu": "nn.Elu", "nn.silu": "nn.Silu",
    "math.softplus": "nn.Softplus", "nn.softsign": "nn.Softsign", "math.log_sigmoid": "nn.LogSigmoid",
    "identity": "numpy.Copy", "stop_gradient": "core.StopGradient",
}  # fmt: skip
_REDUCTIONS = {
    **{f"math.reduce_{name.lower()}": f"numpy.{name}" for name in "Sum Mean Max Min Prod All Any".split()},
    "math.reduce_std": "numpy.Std", "math.reduce_variance": "numpy.Var", "math.reduce_logsumexp": "math.Logsumexp",
}  # fmt: skip
_WITH_AXIS = {
    "concat": "numpy.Concatenate", "stack": "numpy.Stack", "expand_dims": "numpy.ExpandDims", "squeeze": "numpy.Squeeze",
    "reverse": "numpy.Flip", "unstack": "core.Unstack", "math.cumsum": "numpy.Cumsum", "nn.softmax": "nn.Softmax",
    "nn.log_softmax": "nn.LogSoftmax",
}  # fmt: skip
_AXES = {"concat": 0, "stack": 0, "unstack": 0, "math.cumsum": 0, "nn.softmax": -1, "nn.log_softmax": -1}
_RENAMED = {
    "reshape": ("numpy.Reshape", {"shape": "newshape"}), "transpose": ("numpy.Transpose", {"perm": "axes"}),
    "tile": ("numpy.Tile", {"multiples": "repeats"}), "broadcast_to": ("numpy.BroadcastTo", {"shape": "shape"}),
    "cast": ("core.Cast", {"dtype": "dtype"}), "nn.leaky_relu": ("nn.LeakyRelu", {"alpha": "negative_slope"}),
    "nn.gelu": ("nn.Gelu", {"approximate": "approximate"}), "repeat": ("numpy.Repeat", {"repeats": "repeats", "axis": "axis"}),
    "clip_by_value": ("numpy.Clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
}  # fmt: skip

_DEFAULTS = {"nn.gelu": {"approximate": False}}
"""What TensorFlow takes where nothing is said, and Keras 3 does not."""


def as_operation(layer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The layer of a drawn model's config as a KerasOp of the same name, or None where Keras 3 has no equal operation."""
    if layer["class_name"] not in ("TFOpLambda", "SlicingOpLambda"):
        return None
    function = str(layer["config"]["function"]).removeprefix("compat.v1.")
    calls: list[Call] = []
    for node in layer["inbound_nodes"]:
        kwargs: dict[str, Any] = {}
        first = _argument(node, kwargs)
        found = _call(function, first, {k: x for k, x in kwargs.items() if k not in ("name", "conjugate")})
        if found is None or (calls and found[:2] != calls[0][:2]):
            return None
        calls.append(found)
    if not calls:
        return None
    operation, arguments, _ = calls[0]
    config = {
        **{k: layer["config"][k] for k in ("name", "trainable", "dtype")},
        "operation": operation,
        "arguments": arguments,
    }
    nodes = [[[*_tensor_in(args), {"kerastorch_call": [args, {}]}]] for _, _, args in calls]
    return {"class_name": "KerasOp", "config": config, "name": layer["name"], "inbound_nodes": nodes}


def _is_reference(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and len(x) in (3, 4) and isinstance(x[0], str) and type(x[1]) is int


def _argument(x: Any, kwargs: dict[str, Any]) -> Any:
    """The first argument of a call: references without the keywords beside them, constants as they are."""
    if _is_reference(x):
        kwargs.update(x[3] if len(x) > 3 else {})
        return x[2] if x[0] == "_CONSTANT_VALUE" else list(x[:3])
    return [_argument(y, kwargs) for y in x]


def _tensor_in(x: Any) -> list[Any]:
    if _is_reference(x):
        return list(x)
    parts = x.values() if isinstance(x, Mapping) else x if isinstance(x, (list, tuple)) else ()
    return next((found for part in parts if (found := _tensor_in(part))), [])


def _holds_tensors(x: Any) -> bool:
    return bool(_tensor_in(x))


def _call(function: str, first: Any, kwargs: dict[str, Any]) -> Call | None:
    if function in _BINARY and set(kwargs) == {"y"}:
        return f"numpy.{_BINARY[function]}", {}, [_operand(first), _operand(kwargs["y"])]
    if function == "linalg.matmul" and set(kwargs) == {"b"}:
        return "numpy.Matmul", {}, [first, kwargs["b"]]
    if function == "where" and set(kwargs) == {"x", "y"}:
        return "numpy.Where", {}, [first, kwargs["x"], kwargs["y"]]
    if function == "__operators__.getitem":
        return "numpy.GetItem", {}, [first, _key(kwargs["slice_spec"])]
    if _holds_tensors(kwargs):
        return None
    if function in _UNARY and not kwargs:
        return _UNARY[function], {}, [first]
    if function in _REDUCTIONS and set(kwargs) <= {"axis", "keepdims"}:
        return _REDUCTIONS[function], {"axis": kwargs.get("axis"), "keepdims": bool(kwargs.get("keepdims"))}, [first]
    if function in _WITH_AXIS and set(kwargs) <= {"axis"}:
        return _WITH_AXIS[function], {"axis": kwargs.get("axis", _AXES.get(function))}, [first]
    if function in _RENAMED:
        operation, names = _RENAMED[function]
        kwargs = {**_DEFAULTS.get(function, {}), **kwargs}
        if set(kwargs) <= set(names):
            return operation, {names[key]: x for key, x in kwargs.items()}, [first]
    other = _OTHERS.get(function)
    return None if other is None else other(first, kwargs)


def _operand(x: Any) -> Any:
    """A tensor or a number as it is; a list of numbers as the tensor that Keras 3 wants there."""
    if not isinstance(x, list) or _is_reference(x):
        return x
    return {"class_name": "tensor", "config": {"value": x, "dtype": "float32"}}


def _key(spec: Any) -> Any:
    def part(x: Any) -> Any:
        if isinstance(x, Mapping) and "start" in x:
            return {"class_name": "slice", "config": [x["start"], x["stop"], x["step"]]}
        return {"class_name": "ellipsis", "config": None} if isinstance(x, Mapping) else x

    if isinstance(spec, list) and not _is_reference(spec):
        return {"class_name": "tuple", "config": [part(x) for x in spec]}
    return part(spec)


def _split(first: Any, kwargs: dict[str, Any]) -> Call:
    sizes = kwargs["num_or_size_splits"]
    if isinstance(sizes, list):
        sizes = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return "numpy.Split", {"indices_or_sections": sizes, "axis": kwargs.get("axis", 0)}, [first]


def _pad(first: Any, kwargs: dict[str, Any]) -> Call:
    mode = str(kwargs.get("mode", "CONSTANT")).lower()
    value = [kwargs.get("constant_values", 0)] if mode == "constant" else []
    return "numpy.Pad", {"pad_width": kwargs["paddings"], "mode": mode}, [first, *value]


def _one_hot(first: Any, kwargs: dict[str, Any]) -> Call | None:
    if kwargs.get("on_value") is not None or kwargs.get("off_value") is not None:
        return None
    axis = kwargs.get("axis")
    made = {
        "num_classes": kwargs["depth"],
        "axis": -1 if axis is None else axis,
        "dtype": kwargs.get("dtype") or "float32",
    }
    return "nn.OneHot", {**made, "sparse": False}, [first]


def _gather(first: Any, kwargs: dict[str, Any]) -> Call | None:
    if kwargs.get("batch_dims"):
        return None
    return "numpy.Take", {"axis": kwargs.get("axis") or 0}, [first, kwargs["indices"]]


_OTHERS: dict[str, Callable[[Any, dict[str, Any]], Call | None]] = {
    "split": _split, "pad": _pad, "one_hot": _one_hot, "gather": _gather,
}  # fmt: skip


_OF_MASKS = "Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalXor".split()
_COMPARISONS = {f"numpy.{name}": function for function, name in _BINARY.items() if name in _OF_MASKS}
_ANY_OR_ALL = {"numpy.Any": "math.reduce_any", "numpy.All": "math.reduce_all"}


def as_function(layer: Mapping[str, Any]) -> dict[str, Any] | None:
    """A KerasOp of a drawn model's config that compares, or asks for any or all, as the TFOpLambda of the same name: by these
    Keras 3 writes the masks of a model that it draws. None for another."""
    operation, arguments = layer["config"]["operation"], layer["config"]["arguments"]
    function = _COMPARISONS.get(operation) or _ANY_OR_ALL.get(operation)
    calls = [node[0][3]["kerastorch_call"] for node in layer["inbound_nodes"]]
    wanted = 2 if operation in _COMPARISONS else 1
    if function is None or any(len(args) != wanted or named or not _is_reference(args[0]) for args, named in calls):
        return None
    if any(isinstance(x, (Mapping, list)) and not _is_reference(x) for args, _ in calls for x in args):
        return None
    nodes = [[*args[0], {"y": args[1]} if wanted == 2 else dict(arguments)] for args, _ in calls]
    config = {**{key: layer["config"][key] for key in ("name", "trainable", "dtype")}, "function": function}
    return {"class_name": "TFOpLambda", "config": config, "name": layer["name"], "inbound_nodes": nodes}
