"""Keras 3's operations as layers, in the canonical form and back.

Keras 3 writes an operation under its class's name, made with what stands in its config, called with args and kwargs:

    {"module": "keras.src.ops.numpy", "class_name": "Clip", "config": {"name": "clip", "x_min": 0, "x_max": 1},
     "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}

The canonical form is one layer class for all of them, and a node that keeps args and kwargs apart:

    {"class_name": "KerasOp", "config": {"name": "clip", "trainable": True, "dtype": "float32", "operation": "numpy.Clip",
     "arguments": {"x_min": 0, "x_max": 1}},
     "inbound_nodes": [[["x", 0, 0, {"kerastorch_call": [[["x", 0, 0]], {}]}]]]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kerastorch.ops.keras3 import operation_of_class

__all__ = ["is_operation", "read_operation", "written_call", "written_operation"]

_MODULES = ("numpy", "nn", "core", "math", "linalg", "image")


def is_operation(config: Mapping[str, Any]) -> bool:
    """Whether this describes an operation of Keras 3: by its module, or, where the file names none (h5), by a config
    without what every layer's has."""
    name, inner, module = config.get("class_name"), config.get("config"), config.get("module")
    if not isinstance(inner, Mapping) or not isinstance(name, str):
        return False
    if module or "registered_name" in config:  # neither stands in h5; a user's class has no module
        return str(module).startswith(("keras.src.ops.", "keras.ops."))
    nodes = config.get("inbound_nodes")
    by_keras3 = bool(nodes) and all(isinstance(node, Mapping) for node in nodes or ())
    of_layers = "trainable" in inner or "layers" in inner
    return by_keras3 and not of_layers and operation_of_class(name) is not None


def read_operation(config: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical form of an operation as Keras 3 wrote it."""
    inner = dict(config["config"])
    name = inner.pop("name", None) or config["name"]  # in an archive some stand without
    module = str(config.get("module") or "").rpartition(".")[2]
    known = operation_of_class(config["class_name"])
    operation = f"{module}.{config['class_name']}" if module in _MODULES and not known else known
    result: dict[str, Any] = {
        "class_name": "KerasOp",
        "config": {
            "name": name,
            "trainable": True,
            "dtype": "float32",
            "operation": operation or config["class_name"],
            "arguments": {key: _plain(value) for key, value in inner.items()},
        },
    }
    if "inbound_nodes" in config:
        result["name"] = config.get("name", name)
        result["inbound_nodes"] = [_read_call(node) for node in config["inbound_nodes"]]
    return result


def _read_call(node: Mapping[str, Any]) -> list[Any]:
    call = [[_value(x) for x in node["args"]], {key: _value(x) for key, x in node.get("kwargs", {}).items()}]
    first = next(iter(_references(node)), None)
    if first is None:
        raise ValueError("The config of an operation of Keras 3 has a call without tensors.")
    return [[*first, {"kerastorch_call": call}]]


def _references(x: Any) -> list[list[Any]]:
    if isinstance(x, Mapping):
        if x.get("class_name") == "__keras_tensor__":
            return [list(x["config"]["keras_history"])]
        return [found for value in x.values() for found in _references(value)]
    return [found for value in x for found in _references(value)] if isinstance(x, (list, tuple)) else []


def _value(x: Any) -> Any:
    """An argument as models/graph_config.py keeps it."""
    if isinstance(x, (list, tuple)):
        return [_value(y) for y in x]
    if not isinstance(x, Mapping):
        return x
    name: Any = x.get("class_name")
    inner: Any = x.get("config")
    if name == "__keras_tensor__":
        return list(inner["keras_history"])
    if name == "__tuple__":
        return {"class_name": "tuple", "config": [_value(y) for y in x.get("items", (inner or {}).get("items", ()))]}
    if name == "__slice__":
        return {"class_name": "slice", "config": [_value(inner[key]) for key in ("start", "stop", "step")]}
    if name == "__ellipsis__":
        return {"class_name": "ellipsis", "config": None}
    if name in ("__tensor__", "__numpy__"):
        return {"class_name": "array", "config": {key: inner[key] for key in ("value", "dtype")}}
    if name in ("DTypePolicy", "Policy"):
        return inner["name"]
    return {key: _value(value) for key, value in x.items()}


def _plain(x: Any) -> Any:
    """What an operation was made with, as plain values."""
    x = _value(x)

    def plain(y: Any) -> Any:
        if isinstance(y, Mapping):
            if y.get("class_name") == "array":
                return y["config"]["value"]
            return (
                [plain(z) for z in y["config"]]
                if y.get("class_name") == "tuple"
                else {k: plain(v) for k, v in y.items()}
            )
        return [plain(z) for z in y] if isinstance(y, list) else y

    return plain(x)


def written_operation(config: Mapping[str, Any]) -> dict[str, Any]:
    """module, class_name, config and registered_name with which Keras 3 writes what a KerasOp's config describes."""
    module, _, class_name = str(config["operation"]).rpartition(".")
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": class_name,
        "config": {"name": config["name"], **config["arguments"]},
        "registered_name": class_name,
    }


def written_call(call: Any, tensor: Callable[[list[Any]], Any]) -> dict[str, Any]:
    """The args and kwargs with which Keras 3 writes a node's `kerastorch_call`.

    tensor: makes Keras 3's form of a reference such as ['x', 0, 0].
    """

    def value(x: Any) -> Any:
        if isinstance(x, list):
            reference = len(x) == 3 and isinstance(x[0], str) and all(type(n) is int for n in x[1:])
            return tensor(x) if reference else [value(y) for y in x]
        if not isinstance(x, Mapping):
            return x
        name: Any = x.get("class_name")
        inner: Any = x.get("config")
        if name == "tuple":
            return [value(y) for y in inner]
        if name == "slice":
            ends = {key: value(y) for key, y in zip(("start", "stop", "step"), inner, strict=True)}
            return {"class_name": "__slice__", "config": ends}
        if name == "ellipsis":
            return {"class_name": "__ellipsis__", "config": {}}
        if name in ("tensor", "array"):
            return {"class_name": "__tensor__" if name == "tensor" else "__numpy__", "config": dict(inner)}
        if name == "dtype":
            return inner
        return {key: value(y) for key, y in x.items()}

    args, kwargs = call
    return {"args": [value(x) for x in args], "kwargs": {key: value(x) for key, x in kwargs.items()}}
