"""tf.keras 2's form of a config in Keras 3's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastorch.registry import known_names
from kerastorch.saving.dialects import keras2
from kerastorch.saving.dialects.arguments import HARD_SIGMOID
from kerastorch.saving.dialects.keras3 import MASKING, RECURRENT
from kerastorch.saving.dialects.keras3_limits import tell_limits
from kerastorch.saving.dialects.operations import written_call, written_operation
from kerastorch.saving.dialects.tf_functions import as_operation

__all__ = ["needs_keras3", "written"]

_MODULES = {"initializer": "keras.initializers", "regularizer": "keras.regularizers", "constraint": "keras.constraints"}
_DROPPED = {
    **dict.fromkeys(("StringLookup", "IntegerLookup", "TextVectorization"), ("counts_idf",)),
    **dict.fromkeys((*MASKING, *RECURRENT), ("keras3_masking",)),
    "TimeDistributed": ("keras3_masking", "by_step"),
    "Embedding": ("input_length", "sparse"),
    "Pipeline": ("dtype", "trainable"),
    "Softmax": ("keras3_masking", "robust_masking"),
    "MultiHeadAttention": (
        "query_shape",
        "key_shape",
        "value_shape",
        "softmax_robust_masking",
        "keras3_masking",
    ),
    "BatchNormalization": ("renorm", "renorm_clipping", "renorm_momentum", "virtual_batch_size", "adjustment", "fused"),
}
"""Arguments that Keras 3 does not have and whose values change no numbers."""
_ARCHITECTURES = {
    "LayerScale": "convnext", "StochasticDepth": "convnext", "CustomScaleLayer": "inception_resnet_v2"
}  # fmt: skip
"""Layers of keras.applications, and where Keras 3 finds them."""
_RENAMED = {"GroupedQueryAttention": "GroupQueryAttention"}
_INITIALIZERS = {"Orthogonal": "OrthogonalInitializer"}
"""Names that Keras 3 knew first, and knows still."""
_BEHIND_FIRST = dict.fromkeys(("MultiHeadAttention", "GroupedQueryAttention"), ("value", "key"))
"""Tensors that calls give by place."""


def needs_keras3(config: Any) -> bool:
    """Whether a config holds what only Keras 3 has: its operations as layers, its hard sigmoid, its attention,
    its masks, its steps of TimeDistributed, idf weights that are no weights."""
    if isinstance(config, Mapping):
        if config.get("class_name") in ("KerasOp", "GroupedQueryAttention") or config.get("keras3_masking"):
            return True
        if config.get("counts_idf") is False or config.get("by_step"):
            return True
        if "hard_sigmoid_keras3" in config.values():
            return True
        return any(map(needs_keras3, config.values()))
    return isinstance(config, (list, tuple)) and any(map(needs_keras3, config))


def written(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model's config as Keras 3 writes it; warns of what Keras 3 has not. Names with a slash, which Keras 3 refuses, get an
    underscore in its place."""
    made = _object(_renamed(config))
    tell_limits(made)
    return made


def _renamed(x: Any) -> Any:
    if isinstance(x, Mapping):
        result = {key: _renamed(value) for key, value in x.items()}
        if isinstance(result.get("name"), str):
            result["name"] = result["name"].replace("/", "_")
        return result
    if isinstance(x, (list, tuple)):
        is_reference = len(x) in (3, 4) and isinstance(x[0], str) and all(isinstance(n, int) for n in x[1:3])
        first = [x[0].replace("/", "_")] if is_reference else []
        return [*first, *(_renamed(y) for y in x[len(first) :])]
    return x


def _value(x: Any) -> Any:
    if isinstance(x, Mapping):
        return _object(x) if "class_name" in x and "config" in x else {key: _value(y) for key, y in x.items()}
    return [_value(y) for y in x] if isinstance(x, (list, tuple)) else x


def _object(described: Mapping[str, Any]) -> dict[str, Any]:
    name, config = described["class_name"], described["config"]
    if name == "Policy":
        return {"module": "keras", "class_name": "DTypePolicy", "config": dict(config), "registered_name": None}
    inner = _layer_config(name, config) if isinstance(config, Mapping) else _value(config)
    result: dict[str, Any] = {**_identity(name), "config": inner}
    if described.get("build_config"):
        result["build_config"] = _value(described["build_config"])
    if isinstance(config, Mapping) and "layers" in config and "output_layers" in config:
        result["config"] = _graph(config, inner)
    return result


def _identity(name: str) -> dict[str, Any]:
    """`module`, `class_name` and `registered_name` by which Keras 3 finds a class."""
    if name in ("Functional", "Model"):
        return {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional"}
    if name == "Sequential":
        return {"module": "keras", "class_name": name, "registered_name": None}
    if name in _ARCHITECTURES:
        return {"module": f"keras.src.applications.{_ARCHITECTURES[name]}", "class_name": name, "registered_name": name}
    if name in known_names("layer"):
        return {"module": "keras.layers", "class_name": _RENAMED.get(name, name), "registered_name": None}
    for kind, module in _MODULES.items():
        if name in known_names(kind):
            return {"module": module, "class_name": _INITIALIZERS.get(name, name), "registered_name": None}
    return {"module": None, "class_name": name.rpartition(">")[2], "registered_name": name}


def _layer_config(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """One layer's arguments under Keras 3's names, without those that it does not have."""
    result = {key: _value(value) for key, value in config.items()}
    if name == "Lambda":
        result = _in_lambda(result)
    shape = result.pop("batch_input_shape", None)
    if name == "InputLayer":
        result["batch_shape"] = shape
    if name == "BatchNormalization" and isinstance(result["axis"], list) and len(result["axis"]) == 1:
        result["axis"] = result["axis"][0]
    if name == "Bidirectional" and result.get("backward_layer") is None and _goes_backwards(result["layer"]):
        layer = result["layer"]  # of which Keras 3 would make another one that goes backwards
        result["backward_layer"] = {**layer, "config": {**layer["config"], "go_backwards": False}}
    if name == "LeakyReLU":
        result["negative_slope"] = result.pop("alpha")
    if name == "RandomShear":  # Keras 3 reads a number, or two that are not negative
        factors = {key: result[key] for key in ("x_factor", "y_factor") if isinstance(result.get(key), list)}
        result.update({key: high for key, (low, high) in factors.items() if low == -high})
    for key in _DROPPED.get(name, ()):
        result.pop(key, None)
    axis = result.get("axis")
    result = keras2.shared_arguments(name, result)
    if axis is not None:
        result["axis"] = axis
    for key in ("activation", "recurrent_activation"):
        if result.get(key) == "hard_sigmoid_keras3":
            result[key] = "hard_sigmoid"
        elif result.get(key) == "hard_sigmoid":
            result[key] = _hard_sigmoid(result.get("dtype"))
    if name in known_names("layer"):
        result.update({key: _function(value) for key, value in result.items() if _names_own_function(key, value)})
    return result


def _goes_backwards(layer: Mapping[str, Any]) -> bool:
    return bool(layer["config"].get("go_backwards"))


def _names_own_function(key: str, value: Any) -> bool:
    """Whether an argument of one of the library's layers names a function of the user's."""
    kind = key.rpartition("_")[2]
    known = (*known_names(kind), *(known_names("layer") if kind == "activation" else ()))
    return isinstance(value, str) and kind in ("activation", *_MODULES) and value not in known


def _function(name: str) -> dict[str, Any]:
    """A function of the user's, which Keras 3 does not look for by a bare name."""
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _in_lambda(config: dict[str, Any]) -> dict[str, Any]:
    """A Lambda's arguments, its functions as Keras 3 has them: by name, or as the code that was read."""
    kept = {key: value for key, value in config.items() if not key.endswith(("_type", "module"))}
    for key in ("function", "output_shape"):
        if isinstance(config.get(key), str):
            kept[key] = _function(config[key])
        elif config.get(f"{key}_type") == "lambda":
            code, defaults, closure = config[key]
            inner = {"code": code, "defaults": defaults, "closure": closure}
            kept[key] = {"class_name": "__lambda__", "config": inner}
    return kept


def _hard_sigmoid(dtype: Any) -> dict[str, Any]:
    """Keras 2's hard sigmoid, which Keras 3 does not have, of Keras 3's layers: x / 5 + 1/2, between 0 and 1."""

    def layer(class_name: str, **arguments: Any) -> dict[str, Any]:
        config = {"name": class_name.lower(), "trainable": True, "dtype": dtype, **arguments}
        return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}

    layers = [layer("Rescaling", scale=0.2, offset=0.5), layer("ReLU", max_value=1.0)]
    config = {"name": HARD_SIGMOID, "trainable": True, "dtype": dtype, "layers": layers}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def _graph(config: Mapping[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """A drawn model's config: its layers' calls in Keras 3's form."""
    drawn = keras2.drawn_within(config)
    config = {**config, "layers": [as_operation(layer) or layer for layer in config["layers"]]}
    stacks = {layer["name"] for layer in config["layers"] if keras2.is_stack(layer)}
    names = {layer["name"] for layer in config["layers"]}
    layers = []
    for layer, described in zip(config["layers"], inner["layers"], strict=True):
        if layer["class_name"] == "KerasOp":
            layers.append(_operation(layer, drawn))
            continue
        nodes = [_node(node, layer["class_name"], names, drawn) for node in layer["inbound_nodes"]]
        kept = {key: layer[key] for key in ("shared_object_id",) if key in layer}
        layers.append({**described, **kept, "name": layer["name"], "inbound_nodes": nodes})

    def end(x: Any) -> Any:
        if _is_reference(x, names):
            # Here Keras 3 counts the calls of a drawn model from 1, those of a Sequential one from 0.
            return [x[0], x[1] - 1 if x[0] in drawn & stacks else x[1], x[2]]
        if isinstance(x, Mapping):
            return {key: end(y) for key, y in x.items()}
        return [end(y) for y in x]

    ends = {key: end(_single(config[key])) for key in ("input_layers", "output_layers")}
    return {**inner, "layers": layers, **ends}


def _operation(layer: Mapping[str, Any], drawn: set[str]) -> dict[str, Any]:
    calls = [node[0][3]["kerastorch_call"] for node in layer["inbound_nodes"]]
    nodes = [written_call(call, lambda reference: _tensor(reference, drawn)) for call in calls]
    return {**written_operation(layer["config"]), "name": layer["name"], "inbound_nodes": nodes}


def _tensor(reference: Any, drawn: set[str]) -> dict[str, Any]:
    number = reference[1] - 1 if reference[0] in drawn else reference[1]
    history = {"shape": [], "dtype": "float32", "keras_history": [reference[0], number, reference[2]]}
    return {"class_name": "__keras_tensor__", "config": history}


def _array(x: Any) -> Any:
    """A constant that a layer was called on; a list, where it was an array, as one."""
    if not isinstance(x, list):
        return _value(x)
    return {"class_name": "__numpy__", "config": {"value": x, "dtype": str(np.asarray(x).dtype).replace("64", "32")}}


def _single(ends: Any) -> Any:
    """One tensor stands by itself in Keras 3's form."""
    return ends[0] if isinstance(ends, (list, tuple)) and len(ends) == 1 else ends


def _is_reference(x: Any, names: set[str]) -> bool:
    return isinstance(x, (list, tuple)) and len(x) in (3, 4) and isinstance(x[0], str) and x[0] in names


def _node(node: Any, class_name: str, names: set[str], drawn: set[str]) -> dict[str, Any]:
    """`[[name, node, tensor, kwargs], ...]` as the arguments of a call."""
    kwargs: dict[str, Any] = {}

    def tensors(x: Any) -> Any:
        if _is_reference(x, names):
            kwargs.update(x[3] if len(x) > 3 else {})
            return _tensor(x, drawn)
        if isinstance(x, (list, tuple)) and len(x) > 2 and x[0] == "_CONSTANT_VALUE":
            kwargs.update(x[3] if len(x) > 3 else {})
            return _array(x[2])
        if isinstance(x, Mapping):
            return {key: tensors(y) for key, y in x.items()}
        return [tensors(y) for y in x] if isinstance(x, (list, tuple)) else x

    single = isinstance(node, (list, tuple)) and len(node) == 1 and _is_reference(node[0], names)
    first = tensors(node[0] if single else node)
    args = [first, *map(tensors, kwargs.pop("kerastorch_arguments", ()))]
    named = {key: tensors(value) for key, value in kwargs.items() if value is not None}
    if class_name in RECURRENT and isinstance(first, list) and len(first) > 1:
        args, named["initial_state"] = [first[0]], first[1:]
    # Keras 3 orders layers, and so what its archives call them, by the names of keywords: here by their places.
    for key in _BEHIND_FIRST.get(class_name, ()):
        if next(iter(named), None) != key:
            break
        args.append(named.pop(key))
    return {"args": args, "kwargs": named}
