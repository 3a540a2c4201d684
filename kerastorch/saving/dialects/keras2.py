"""The one form of tf.keras 2's config that Keras 3 reads too.

They number the calls of a model within a model differently: for tf.keras the first is 1, as the call that drew it is 0; for
Keras 3 it is 0. So a file lists each such call twice and refers to number 2n - 1 for call n: in both countings that is
one of the two. A call that nobody refers to is not part of the model.

Each generation refuses arguments that only the other knows. Where such an argument stands at the value that it has when
left out, it is left out. A layer within a layer says its module, without which Keras 3 does not find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.registry import known_names
from kerastorch.saving.dialects.keras3 import MASKING, RECURRENT
from kerastorch.saving.dialects.tf_functions import as_function

__all__ = ["drawn_within", "is_stack", "portable", "shared_arguments", "sharing_alike"]

_EVERYWHERE = {"time_major": False, "rng_type": "stateful", "zero_output_for_mask": False}
_CONVOLUTIONS = ("Conv", "Convolution")
_KERNEL = {"kernel_initializer": ..., "kernel_regularizer": ..., "kernel_constraint": ...}
_NEUTRAL: dict[str, dict[str, Any]] = {
    **{f"{name}{n}D{kind}": {"groups": 1} for name in _CONVOLUTIONS for n in (1, 2, 3) for kind in ("", "Transpose")},
    **{f"DepthwiseConv{n}D": {"groups": 1} for n in (1, 2)},
    # tf.keras writes these three though a separable convolution has two kernels, with arguments of their own.
    **{f"{name}{n}D": {"groups": 1, **_KERNEL} for name in ("SeparableConv", "SeparableConvolution") for n in (1, 2)},
    **{f"SpatialDropout{n}D": {"trainable": True, "noise_shape": None} for n in (1, 2, 3)},
    "BatchNormalization": {"fused": False},
    **{f"Global{kind}Pooling{n}D": {"keepdims": False} for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{name: {"seed": None} for name in ("GaussianNoise", "GaussianDropout", "AlphaDropout")},
    "Resizing": {"crop_to_aspect_ratio": False},
    "CategoryEncoding": {"sparse": False},
    "MultiHeadAttention": {"keras3_masking": True, "softmax_robust_masking": False},
    "Discretization": {"trainable": True},
    "Pipeline": {"trainable": True, "dtype": "float32"},
    "Embedding": {"input_length": None},
    # Keras 3 takes any text that is also a function's name for that function.
    "Attention": {"score_mode": "dot"},
    **{name: {"keras3_masking": True} for name in (*MASKING, *RECURRENT)},
    "Normalization": {"invert": False, "keras3_masking": True},
    "TimeDistributed": {"keras3_masking": True, "by_step": True},
    **{name: {"counts_idf": False} for name in ("StringLookup", "IntegerLookup", "TextVectorization")},
}
"""Per class, the arguments that one generation, or older versions, refuse or misread: what they are when left out (`...`: they do
nothing)."""

_REGISTERED = {"CustomScaleLayer": "Custom>CustomScaleLayer"}
"""Layers of tf.keras.applications that tf.keras finds by a longer name only."""


def portable(config: Any) -> Any:
    """The config of a model, as JSON has it, in the form that tf.keras 2 and Keras 3 both read."""
    return _portable(config, inside_layer=False)


def _portable(config: Any, inside_layer: bool) -> Any:
    if isinstance(config, list):
        return [_portable(x, inside_layer) for x in config]
    if not isinstance(config, Mapping):
        return config
    name, inner = config.get("class_name"), config.get("config")
    if isinstance(inner, Mapping) and (name in ("Functional", "Model") or "output_layers" in inner or is_stack(config)):
        made = {**config, "config": _model(inner)}
        if is_stack(config):
            for layer in made["config"]["layers"]:
                _single_ends(layer)
        if not inside_layer or name not in ("Functional", "Model", "Sequential"):
            return made
        _single_ends(made)
        return {**made, "module": "keras", "class_name": name.replace("Functional", "Model"), "registered_name": None}
    if name == "Policy" and isinstance(inner, Mapping):
        return inner["name"]
    if not isinstance(name, str) or not isinstance(inner, Mapping):
        return {key: _portable(value, inside_layer) for key, value in config.items()}
    made = {**config, "config": shared_arguments(name, {key: _portable(value, True) for key, value in inner.items()})}
    made["class_name"] = _REGISTERED.get(name, name)
    axis = inner.get("axis", 0)
    # Keras 3 drops an `axis` that is not one number, unless it finds the layer by its module.
    if inside_layer or axis is None or (isinstance(axis, (list, tuple)) and len(axis) != 1):
        return _by_module(name, made)
    return made


def _single_ends(layer: dict[str, Any]) -> None:
    """Takes a drawn model's one input, or output, out of its list: Keras 3's TimeDistributed and Sequential take no model of
    lists."""
    for key in ("input_layers", "output_layers"):
        if len(layer["config"].get(key, ())) == 1:
            layer["config"][key] = layer["config"][key][0]


def _by_module(name: str, layer: dict[str, Any]) -> dict[str, Any]:
    """A layer's description as Keras 3 wants it where no drawn model holds it."""
    config = layer["config"]
    config.pop("batch_input_shape", None)  # of use in front of a model only
    if isinstance(config.get("axis"), (list, tuple)) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]
    return {"module": "keras.layers", **layer, "registered_name": None} if name in known_names("layer") else layer


def shared_arguments(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """A layer's arguments without those that only one generation knows, where they are neutral."""
    neutral = {**_EVERYWHERE, **_NEUTRAL.get(name, {})}
    config = {k: v for k, v in config.items() if k not in neutral or (neutral[k] is not ... and v != neutral[k])}
    if name == "RandomCrop" and config.pop("resize_in_inference", True) is False:
        config.setdefault("data_format", "channels_last")  # Keras 3's layer, which crops where tf.keras's resizes
    return config


_FUNCTIONS = ("TFOpLambda", "SlicingOpLambda", "InstanceMethod", "ClassMethod")
"""Layers of tf.keras alone, in whose calls None may say something: `tf.signal.stft(x, 16, 8, window_fn=None)`."""


def _model(config: Mapping[str, Any]) -> dict[str, Any]:
    """A drawn model's config with the calls of nested models listed twice."""
    made = {key: _portable(value, inside_layer=False) for key, value in config.items()}
    if "input_layers" not in made or "layers" not in made:
        return made
    nested = drawn_within(made)
    made["layers"] = [(as_function(x) if x["class_name"] == "KerasOp" else None) or x for x in made["layers"]]
    for layer in made["layers"]:
        nodes = _renumbered(layer["inbound_nodes"], nested)
        if layer["class_name"] not in _FUNCTIONS:
            nodes = [_without_nones(node) for node in nodes]
        layer["inbound_nodes"] = [node for node in nodes for _ in range(2)] if layer["name"] in nested else nodes
    for key in ("input_layers", "output_layers"):
        made[key] = _renumbered(made[key], nested)
    return made


def is_stack(layer: Mapping[str, Any]) -> bool:
    """Whether a layer's description is that of a Sequential model, or of a user's subclass of it: there, the layers within
    a drawn model begin with an Input."""
    layers = layer["config"].get("layers") if "output_layers" not in layer["config"] else None
    first = layers[0] if isinstance(layers, list) and layers else None
    return layer.get("class_name") == "Sequential" or (
        isinstance(first, Mapping) and first.get("class_name") == "InputLayer"
    )


def drawn_within(config: Mapping[str, Any]) -> set[str]:
    """The names of the models within a drawn model, as its own config writes it: their calls count from 1, so that the last
    has the number of them all. (What such a layer's own config holds is its class's affair.)"""
    calls = {layer["name"]: len(layer["inbound_nodes"]) for layer in config["layers"]}
    drawn: set[str] = set()

    def look(x: Any) -> None:
        if isinstance(x, Mapping):
            x = list(x.values())
        if not isinstance(x, (list, tuple)):
            return
        if len(x) in (3, 4) and isinstance(x[0], str) and isinstance(x[1], int) and 0 < calls.get(x[0], 0) <= x[1]:
            drawn.add(x[0])
        for part in x:
            look(part)

    look([layer["inbound_nodes"] for layer in config["layers"]])
    look(config["output_layers"])
    return drawn


def _without_nones(node: Any) -> Any:
    """A call without the keywords that are None: each generation refuses some of the other's."""
    if isinstance(node, list) and len(node) == 4 and isinstance(node[0], str) and isinstance(node[3], Mapping):
        return [*node[:3], {key: value for key, value in node[3].items() if value is not None}]
    return [_without_nones(part) for part in node] if isinstance(node, list) else node


def _renumbered(x: Any, nested: set[str]) -> Any:
    if isinstance(x, Mapping):
        return {key: _renumbered(value, nested) for key, value in x.items()}
    if not isinstance(x, list):
        return x
    if len(x) in (3, 4) and isinstance(x[0], str) and x[0] in nested and isinstance(x[1], int):
        return [x[0], 2 * x[1] - 1, *(_renumbered(part, nested) for part in x[2:])]
    return [_renumbered(part, nested) for part in x]


def sharing_alike(config: Any) -> Any:
    """The config with models of one description, which stand within several models, marked as one shared model."""
    if isinstance(config, list):
        return [sharing_alike(x) for x in config]
    if not isinstance(config, Mapping):
        return config
    result = {key: sharing_alike(value) for key, value in config.items()}
    if "inbound_nodes" in config and isinstance(config.get("config"), Mapping) and "layers" in config["config"]:
        result.setdefault("shared_object_id", 0)
    return result
