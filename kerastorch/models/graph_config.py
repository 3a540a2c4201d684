"""A drawn graph as tf.keras 2's config, and back."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from kerastorch.config import standardize_dtype, torch_dtype
from kerastorch.graph import KerasTensor, Node, map_tensors, tensors_in
from kerastorch.layers.base import Layer
from kerastorch.layers.core import InputLayer
from kerastorch.layers.endpoints import AddLoss, AddMetric
from kerastorch.layers.function import FunctionLayer
from kerastorch.ops.values import Array
from kerastorch.registry import DESCRIPTION, custom_object_scope, deserialize, serialize

__all__ = ["graph_config", "graph_from_config"]


def graph_config(model: Any) -> dict[str, Any]:
    """`layers`, `input_layers` and `output_layers` of a Functional model."""
    indices: dict[int, tuple[str, int]] = {}
    nodes_of: dict[Any, list[Node]] = {layer: [] for layer in model.layers}
    in_model = set(model._graph.nodes)
    for layer in model.layers:
        # Nodes count within the model, in the order in which the layer was called.
        nodes_of[layer] = [node for node in layer.inbound_nodes if node in in_model]
        for i, node in enumerate(nodes_of[layer], 1 if hasattr(layer, "_graph") else 0):
            # Keras counts the drawing of a nested model as its first call.
            indices[id(node)] = (layer.name, i)

    def reference(x: KerasTensor) -> list[Any]:
        return [*indices[id(x.node)], x.index]

    layers = []
    with _outermost(_written) as written:
        for layer in model.layers:
            inbound = [_node_config(node, reference) for node in nodes_of[layer] if not node.is_input]
            described = {**serialize(layer), "name": layer.name, "inbound_nodes": inbound}
            if id(layer) in written:
                described["shared_object_id"] = written[id(layer)]
            written.setdefault(id(layer), len(written))
            layers.append(described)
    return {
        "layers": layers,
        "input_layers": _references(model.input, reference, model),
        "output_layers": _references(model.output, reference, model),
    }


_written: list[dict[int, int]] = []
_read: list[dict[tuple[str, str], tuple[Layer, bool]]] = []


@contextlib.contextmanager
def _outermost(stack: list[Any]) -> Iterator[Any]:
    """One dict for a model and all models within it: the layers that were met, so that those that several of them share
    are written with a `shared_object_id`, as tf.keras does, and made once when they are read."""
    if stack:
        yield stack[0]
        return
    stack.append({})
    try:
        yield stack[0]
    finally:
        stack.clear()


def _shared_or_new(described: Mapping[str, Any], known: dict[tuple[str, str], tuple[Layer, bool]]) -> Layer:
    """The layer that a config describes: one met before, if either of the two says that it is shared and all of their
    configs agree; else a new one."""
    key = (described["class_name"], json.dumps(described.get("config"), sort_keys=True, default=str))
    shared = described.get("shared_object_id") is not None
    if key in known and (shared or known[key][1]):
        return known[key][0]
    layer = deserialize("layer", {key: described[key] for key in DESCRIPTION if key in described})
    name = described.get("name")
    if isinstance(name, str) and isinstance(layer, Layer):
        # What a user's class leaves out of its config: by it weights are found, and it is not counted anew.
        layer._name = name
    known[key] = (layer, shared)
    return layer


def _references(structure: Any, reference: Any, model: Any) -> Any:
    if isinstance(structure, KerasTensor):
        return [reference(structure)]
    return map_tensors(reference, structure)


def _node_config(node: Node, reference: Any) -> Any:
    """`[['name', node, tensor, kwargs], ...]`: the tensors of the first argument, the other arguments beside the first."""
    if isinstance(node.layer, FunctionLayer) and node.layer.node_form != "layer":
        return (_call_node if node.layer.node_form == "call" else _tf_node)(node, reference)
    names = node.layer._call_parameters()
    if names[0] == "args":
        return _call_node(node, reference)
    kwargs = {**dict(zip(names[1:], node.args[1:], strict=False)), **node.kwargs}
    first = node.args[0] if node.args else kwargs.pop(next(iter(node.kwargs)))
    described = pytree.tree_map(lambda x: reference(x) if isinstance(x, KerasTensor) else _value(x), kwargs)

    def with_kwargs(x: Any) -> Any:
        return (
            [*reference(x), described] if isinstance(x, KerasTensor) else ["_CONSTANT_VALUE", -1, _value(x), described]
        )

    if isinstance(first, KerasTensor):
        return [with_kwargs(first)]
    return pytree.tree_map(with_kwargs, first)


def _call_node(node: Node, reference: Any) -> Any:
    """The arguments as they were given, tensors among them anywhere."""
    return [[*reference(node.inputs[0]), {"kerastorch_call": _call_config([list(node.args), node.kwargs], reference)}]]


def _tf_node(node: Node, reference: Any) -> Any:
    """As tf.keras writes the call of one of TensorFlow's functions: the structure of the first argument as it is, the
    others by name beside each of its tensors."""
    names = node.layer.argument_names()
    kwargs = {**dict(zip(names[1:], node.args[1:], strict=False)), **node.kwargs}
    first = node.args[0] if node.args else kwargs.pop(names[0])

    def value(x: Any) -> Any:
        if isinstance(x, KerasTensor):
            return reference(x)
        if isinstance(x, (list, tuple)):
            return [value(y) for y in x]
        if isinstance(x, slice):
            x = {"start": x.start, "stop": x.stop, "step": x.step}
        if isinstance(x, Mapping):
            return {key: value(y) for key, y in x.items()}
        return {"class_name": "__ellipsis__"} if x is Ellipsis else serialize(x)

    def described(x: Any) -> Any:
        if isinstance(x, (list, tuple)) and tensors_in(x):
            return [described(y) for y in x]
        return [*(reference(x) if isinstance(x, KerasTensor) else ("_CONSTANT_VALUE", -1, value(x))), value(kwargs)]

    return described(first)


def _call_config(x: Any, reference: Any) -> Any:
    """The arguments of a torch function; a tuple stays one, as an index must."""
    if isinstance(x, KerasTensor):
        return reference(x)
    if isinstance(x, tuple):
        return {"class_name": "tuple", "config": [_call_config(y, reference) for y in x]}
    if isinstance(x, Array):
        return {"class_name": "array", "config": {"value": x.values, "dtype": x.dtype}}
    if isinstance(x, list):
        return [_call_config(y, reference) for y in x]
    if isinstance(x, Mapping):
        return {key: _call_config(y, reference) for key, y in x.items()}
    if isinstance(x, torch.dtype):
        return {"class_name": "dtype", "config": standardize_dtype(x)}
    if isinstance(x, torch.Tensor):
        return {"class_name": "tensor", "config": {"value": x.tolist(), "dtype": standardize_dtype(x.dtype)}}
    return _value(x)


def _value(x: Any) -> Any:
    if isinstance(x, slice):
        return {"class_name": "slice", "config": [x.start, x.stop, x.step]}
    if x is Ellipsis:
        return {"class_name": "ellipsis", "config": None}
    return serialize(x)


def graph_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> tuple[Any, Any, list[KerasTensor]]:
    """The inputs and outputs of the graph that a config describes, and the tensors at which its losses and metrics end;
    layers are made and called.

    Raises ValueError for a config that refers to what it does not hold.
    """
    layers: dict[str, Layer] = {}
    calls: list[tuple[str, Any]] = []
    with custom_object_scope(custom_objects or {}), _outermost(_read) as known:
        for described in config["layers"]:
            name = described.get("name") or described["config"]["name"]
            layers[name] = _shared_or_new(described, known)
            calls.extend((name, node) for node in described.get("inbound_nodes", ()))
    made: dict[tuple[str, int], Any] = {
        (name, 0): layer.inbound_nodes[0].outputs for name, layer in layers.items() if isinstance(layer, InputLayer)
    }
    ends = [config["input_layers"], config["output_layers"]]
    used = {key for part in (ends, *(node for _, node in calls)) for key in _needs(part)}
    beside = [(name, 0) for name, layer in layers.items() if isinstance(layer, (AddLoss, AddMetric))]
    _call_layers(layers, calls, made, used | set(beside))

    def resolve(ends: Any) -> Any:
        if _is_reference(ends):
            return _tensor(ends, made)
        if isinstance(ends, Mapping):
            return {key: resolve(value) for key, value in ends.items()}
        found = [resolve(x) for x in ends]
        return found[0] if len(found) == 1 else found

    endpoints = [x for key in beside if key in made for x in tensors_in(made[key])]
    return resolve(config["input_layers"]), resolve(config["output_layers"]), endpoints


def _call_numbers(calls: list[tuple[str, Any]], used: set[tuple[str, int]]) -> dict[str, Iterator[int]]:
    """For each layer the numbers by which the config refers to its calls, in order.

    They begin at 0; for a model within a model at 1, as Keras counts the call that drew it; files whose graphs were drawn
    in parts have others. Where all calls are used, the numbers that are referred to are the calls'.
    """
    referred: dict[str, list[int]] = {}
    for name, number in sorted(used):
        referred.setdefault(name, []).append(number)
    numbers: dict[str, Iterator[int]] = {}
    for name, count in Counter(name for name, _ in calls).items():
        found = referred.get(name, [])
        first = 1 if found and found[-1] >= count else 0
        numbers[name] = iter(found if len(found) == count else range(first, first + count))
    return numbers


def _call_layers(
    layers: dict[str, Layer], calls: list[tuple[str, Any]], made: dict, used: set[tuple[str, int]]
) -> None:
    """Makes the calls that are used, each once its inputs are there: a layer's own in order, else as it comes."""
    numbers = _call_numbers(calls, used)
    pending: dict[str, list[Any]] = {}
    for name, node in calls:
        pending.setdefault(name, []).append(node)
    waiting: dict[tuple[str, int], list[str]] = {}
    ready = list(pending)
    while ready:
        name = ready.pop(0)
        while pending.get(name):
            needed = [key for key in _needs(pending[name][0]) if key not in made]
            if needed:
                waiting.setdefault(needed[0], []).append(name)
                break
            node = pending[name].pop(0)
            key = (name, next(numbers[name]))
            if key not in used:
                continue  # no part of the model: see saving/dialects/keras2.py
            made[key] = _call(layers[name], node, made)
            ready.extend(waiting.pop(key, ()))
    left = {name: _needs(nodes[0]) for name, nodes in pending.items() if nodes}
    if left:
        missing = "; ".join(
            f"'{name}' needs {[f'{n}[{i}]' for n, i in needs if (n, i) not in made]}" for name, needs in left.items()
        )
        raise ValueError(f"The config does not describe a graph: some layers' inputs are never made: {missing}.")


def _is_reference(x: Any) -> bool:
    return (
        isinstance(x, (list, tuple))
        and len(x) in (3, 4)
        and isinstance(x[0], str)
        and isinstance(x[1], int)
        and not isinstance(x[1], bool)
        and (x[0] == "_CONSTANT_VALUE" or isinstance(x[2], int))
    )


def _needs(node: Any) -> list[tuple[str, int]]:
    if _is_reference(node):
        own = [(node[0], node[1])] if node[0] != "_CONSTANT_VALUE" else []
        return own + (_needs(node[3]) if len(node) > 3 else [])
    if isinstance(node, Mapping):
        return [key for value in node.values() for key in _needs(value)]
    if isinstance(node, (list, tuple)):
        return [key for x in node for key in _needs(x)]
    return []


def _tensor(reference: Any, made: dict) -> KerasTensor:
    name, node, index = reference[:3]
    if (name, node) not in made:
        raise ValueError(
            f"The config refers to output {index} of call {node} of layer '{name}', which it does not hold."
        )
    tensors = tensors_in(made[name, node])
    if index >= len(tensors):
        raise ValueError(f"The config refers to output {index} of layer '{name}', which returns {len(tensors)}.")
    return tensors[index]


def _call(layer: Layer, node: Any, made: dict) -> Any:
    kwargs: dict[str, Any] = {}

    def constant(x: Any) -> Any:
        return np.asarray(x.values, x.dtype) if isinstance(x, Array) and not isinstance(layer, FunctionLayer) else x

    def argument(x: Any) -> Any:
        if _is_reference(x):
            if len(x) > 3 and isinstance(x[3], Mapping):
                kwargs.update(x[3])
            if x[0] != "_CONSTANT_VALUE":
                return _tensor(x, made)
            value = _plain(x[2])
            return value if isinstance(layer, FunctionLayer) or not isinstance(value, list) else np.asarray(value)
        if isinstance(x, Mapping):
            return constant(_plain(x)) if "class_name" in x else {key: argument(value) for key, value in x.items()}
        return [argument(value) for value in x] if isinstance(x, (list, tuple)) else x

    first = argument(node)
    as_given = isinstance(layer, FunctionLayer) and layer.node_form == "tf"
    if as_given and not tensors_in((first, [_keyword(value, made) for value in kwargs.values()])):
        raise ValueError(
            f"The config does not say on which tensors '{layer.name}' was called, as in tf.einsum('ij,jk', a, b): tf.keras lost "
            "them, and cannot read the file either. Draw the model in code, and load_weights from the file."
        )
    if not as_given and isinstance(node, (list, tuple)) and len(node) == 1 and _is_reference(node[0]):
        first = first[0]
    if "kerastorch_call" in kwargs:
        args, keywords = _keyword(kwargs["kerastorch_call"], made)
        return layer(*args, **keywords)
    more = [_keyword(value, made) for value in kwargs.pop("kerastorch_arguments", ())]
    named = {key: _keyword(value, made) for key, value in kwargs.items()}
    if not isinstance(layer, FunctionLayer):  # a constant such as an attention_mask
        named = {key: pytree.tree_map(constant, np.asarray(x) if _is_array(x) else x) for key, x in named.items()}
    return layer(first, *more, **named)


def _is_array(x: Any) -> bool:
    """Whether this is what JSON has for an array of two axes or more."""
    rows = isinstance(x, list) and x and all(isinstance(row, list) and row for row in x)
    return bool(rows) and all(isinstance(y, (bool, int, float)) for y in pytree.tree_leaves(x))


def _keyword(x: Any, made: dict) -> Any:
    if _is_reference(x) and x[0] != "_CONSTANT_VALUE" and (x[0], x[1]) in made:
        return _tensor(x, made)
    if isinstance(x, Mapping) and "class_name" not in x:
        return {key: _keyword(value, made) for key, value in x.items()}
    if isinstance(x, Mapping) and x["class_name"] == "tuple":
        return tuple(_keyword(value, made) for value in x["config"])
    if isinstance(x, (list, tuple)):
        return [_keyword(value, made) for value in x]
    return _plain(x)


def _plain(x: Any) -> Any:
    if isinstance(x, Mapping) and x.get("class_name") == "dtype":
        return torch_dtype(x["config"])
    if isinstance(x, Mapping) and x.get("class_name") == "tensor":
        return torch.tensor(x["config"]["value"], dtype=torch_dtype(x["config"]["dtype"]))
    if isinstance(x, Mapping) and x.get("class_name") == "array":
        return Array(x["config"]["value"], x["config"]["dtype"])
    if isinstance(x, Mapping) and x.get("class_name") == "slice":
        return slice(*x["config"])
    if isinstance(x, Mapping) and x.get("class_name") in ("ellipsis", "__ellipsis__"):
        return Ellipsis
    return x
