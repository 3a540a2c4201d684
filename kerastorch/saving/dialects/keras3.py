"""Keras 3's configs, and those of tf.keras 2.13 and later, in tf.keras 2's form.

They differ in what stands beside a class name (`module`, `registered_name`, `build_config`), in dtypes written as policies,
in `batch_shape`, in how tensors stand in `inbound_nodes`, and in a few arguments. Everything is read by its class name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from kerastorch.registry import known_names
from kerastorch.saving.dialects.arguments import arguments
from kerastorch.saving.dialects.keras1_arguments import merging
from kerastorch.saving.dialects.operations import is_operation, read_operation
from kerastorch.saving.origin import Origin

__all__ = [
    "MASKING",
    "MERGING",
    "RECURRENT",
    "calls_by_keyword",
    "canonical",
    "has_masks",
    "keras3_masks",
    "names_lambdas_function",
]

MERGING = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
"""Layers that merge inputs, and their masks in another way than tf.keras's."""

MASKING = (*MERGING, "GroupNormalization", "Identity", "Normalization", "Rescaling", "Softmax", "TimeDistributed")
"""All layers that treat masks in another way than tf.keras's."""

RECURRENT = ("RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
"""Layers whose initial states tf.keras writes behind their input, as one list."""

_AUGMENTING = (
    "AugMix", "AutoContrast", "CenterCrop", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp", "Pipeline", "RandAugment",
    "Resizing", "Solarization", "ContrastLimitedAdaptiveHistogramEqualization",
)  # fmt: skip
_FUNCTIONS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
_RENAMED = {
    "Container": "Model", "Network": "Model", "UnifiedLSTM": "LSTM", "UnifiedGRU": "GRU",
    **{f"{name}V{n}": name for name in ("LSTM", "GRU", "LSTMCell", "GRUCell") for n in (1, 2)},
}  # fmt: skip
"""Classes of Keras 2.0 to 2.2, and of the first tf.keras 2, by their later names."""
_FIRST = ("inputs", "query", "sequences")
"""What layers of Keras's call their first argument, which may be given by name."""
_BESIDE = ("module", "registered_name", "compile_config")
_PLAIN = (str, int, float, bool, NoneType)
"""What most values of a config are: they are what they mean."""


def canonical(config: Any, origin: Origin) -> Any:
    """The config in tf.keras 2's form; one that has it stays as it is."""
    if isinstance(config, (list, tuple)):
        return [x if type(x) in _PLAIN else canonical(x, origin) for x in config]
    return _mapping(config, origin) if isinstance(config, Mapping) else config


def has_masks(config: Any) -> bool:
    """Whether a model's config, in tf.keras 2's form, holds a layer that makes masks."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        makes = config.get("class_name") == "Masking" or (isinstance(inner, Mapping) and inner.get("mask_zero"))
        return bool(makes) or any(map(has_masks, config.values()))
    return isinstance(config, list) and any(map(has_masks, config))


def names_lambdas_function(config: Any) -> bool:
    """Whether a Lambda's function stands in a config by its name, of which each generation has a form that the other does
    not read; of its code, Keras 3 reads tf.keras 2's as well."""
    if isinstance(config, Mapping):
        named = config.get("class_name") == "Lambda" and isinstance(config["config"].get("function"), str)
        return named or any(map(names_lambdas_function, config.values()))
    return isinstance(config, (list, tuple)) and any(map(names_lambdas_function, config))


def calls_by_keyword(config: Any) -> bool:
    """Whether a call in a drawn model's config has tensors beside its first argument, or in a dict: in tf.keras 2's form
    Keras 3 does not find them."""
    if isinstance(config, Mapping):
        nodes = config.get("inbound_nodes")
        states = config.get("class_name") in RECURRENT and any(len(node) > 1 for node in nodes or ())
        return states or bool(nodes and _in_keywords(nodes)) or any(map(calls_by_keyword, config.values()))
    return isinstance(config, (list, tuple)) and any(map(calls_by_keyword, config))


def _in_keywords(x: Any, inside: bool = False) -> bool:
    if isinstance(x, Mapping):
        return any(_in_keywords(value, True) for value in x.values())
    if inside and isinstance(x, list) and _is_reference(x[:3]):
        return True
    return isinstance(x, list) and any(_in_keywords(y, inside) for y in x)


def keras3_masks(config: Any) -> Any:
    """The config, in which the layers of `MASKING`, and recurrent ones that are given states, treat masks as those of Keras 3
    do."""
    if isinstance(config, list):
        return [keras3_masks(x) for x in config]
    if not isinstance(config, Mapping):
        return config
    made = {key: keras3_masks(value) for key, value in config.items()}
    differs = config.get("class_name") in MASKING or (
        config.get("class_name") in RECURRENT and calls_by_keyword(config)
    )
    if differs and isinstance(config.get("config"), Mapping):
        made["config"]["keras3_masking"] = True
    return made


def _mapping(config: Mapping[str, Any], origin: Origin) -> Any:
    name, inner = config.get("class_name"), config.get("config")
    if name == "__tuple__":
        return [canonical(x, origin) for x in config["items"]]
    if name == "DTypePolicy" and isinstance(inner, Mapping):
        mixed = str(inner["name"]).startswith("mixed")
        return {"class_name": "Policy", "config": dict(inner)} if mixed else inner["name"]
    if name == "Policy" and isinstance(inner, Mapping) and not str(inner["name"]).startswith("mixed"):
        return inner["name"]
    if name == "__keras_tensor__" and isinstance(inner, Mapping):
        return list(inner["keras_history"])
    if name == "__numpy__" and isinstance(inner, Mapping):  # as tf.keras 2.12 wrote numbers
        return inner["value"]
    if name is None:
        return {key: x if type(x) in _PLAIN else canonical(x, origin) for key, x in config.items()}
    if name == "Merge" and isinstance(inner, Mapping) and _is_keras1_merge(inner) and origin.minor < (2, 2):
        made = merging(inner)
        named = {key: inner[key] for key in ("name", "trainable") if key in inner}
        return _mapping({**config, **made, "config": {**made["config"], **named}}, origin)
    if name in _RENAMED and isinstance(inner, Mapping) and ("layers" in inner) == (_RENAMED[name] == "Model"):
        return _mapping({**config, "class_name": _RENAMED[name]}, origin)
    if is_operation(config):
        return read_operation(config)
    registered, module = config.get("registered_name"), str(config.get("module") or "")
    if name == "function" and isinstance(inner, str):
        # Keras 3 writes the class of a function that is not registered.
        return registered if registered and registered not in (inner, name) else inner
    if registered and not module.startswith(("keras", "tf_keras", "tensorflow")):
        name = registered
    beside = (*_BESIDE, *(() if "inbound_nodes" in config else ("shared_object_id",)))
    if "build_config" in config and name in known_names("layer"):  # which their calls build
        beside = (*beside, "build_config")
    result = {k: x if type(x) in _PLAIN else canonical(x, origin) for k, x in config.items() if k not in beside}
    result["class_name"] = name
    if isinstance(inner, Mapping):
        if _is_drawn_by_keras3(inner):
            result["config"]["output_layers"] = _counted_from_zero(result["config"])
        result["config"] = arguments(name, result["config"], origin)
    if "inbound_nodes" in config:
        result["inbound_nodes"] = [
            _node(canonical(_with_arrays(node), origin), name) for node in config["inbound_nodes"]
        ]
    return result


def _is_keras1_merge(config: Mapping[str, Any]) -> bool:
    """Whether this is what Keras 1's Merge was called with: Keras 2.0 and 2.1 still had it."""
    return "mode" in config and "mode_type" in config and "layers" not in config


def _is_drawn_by_keras3(config: Mapping[str, Any]) -> bool:
    layers = config.get("layers") if "output_layers" in config else None
    nodes = (node for layer in layers or () for node in layer.get("inbound_nodes", ()))
    return any(isinstance(node, Mapping) for node in nodes)


def _counted_from_zero(config: dict[str, Any]) -> Any:
    """The outputs of a model: Keras 3 counts the calls of a nested model from 1 here, and from 0 everywhere else."""
    nested = {layer["config"]["name"] for layer in config["layers"] if "output_layers" in layer["config"]}

    def counted(x: Any) -> Any:
        if _is_reference(x):
            return [x[0], x[1] - 1, x[2]] if x[0] in nested else x
        if isinstance(x, Mapping):
            return {key: counted(value) for key, value in x.items()}
        return [counted(y) for y in x]

    return counted(config["output_layers"])


def _with_arrays(x: Any) -> Any:
    """A call in which arrays and tensors that it was given as constants are arrays of the canonical form."""
    if isinstance(x, Mapping):
        inner = x.get("config")
        if x.get("class_name") in ("__tensor__", "__numpy__") and isinstance(inner, Mapping):
            value, dtype = inner["value"], inner.get("dtype")
            return (
                {"class_name": "array", "config": {"value": value, "dtype": dtype}}
                if isinstance(value, list)
                else value
            )
        return {key: _with_arrays(value) for key, value in x.items()}
    return [_with_arrays(y) for y in x] if isinstance(x, (list, tuple)) else x


def _node(node: Any, name: str) -> Any:
    """Keras 3's `{'args': [...], 'kwargs': {...}}` as tf.keras 2's list of references, the keywords beside the first, by
    name: so Keras 3 counts them where it orders layers."""
    if not isinstance(node, Mapping) or "args" not in node:
        return node
    args, kwargs = (
        list(node["args"]),
        {
            k: v
            for k, v in sorted(node.get("kwargs", {}).items())
            if v is not None and not (k == "mask" and _is_empty(v))
        },
    )
    default = name.startswith("Random") or name in _AUGMENTING
    if kwargs.get("training") is default and name not in ("Functional", "Model", "Sequential"):
        # Keras 3 writes the default of a layer's `call`, and heeds the model's phase all the same.
        del kwargs["training"]
    if not args and kwargs:
        first = next((key for key in _FIRST if key in kwargs), next(iter(kwargs)))
        if (
            first not in _FIRST and sum(map(_holds_reference, kwargs.values())) > 1
        ):  # the class knows which is the first
            return [[*_a_reference(list(kwargs.values())), {"kerastorch_call": [[], kwargs]}]]
        args = [kwargs.pop(first)]
    if len(args) > 1:
        kwargs = {**kwargs, "kerastorch_arguments": args[1:]}
    if name in _FUNCTIONS:
        return _beside(args[0], kwargs)
    return _with_keywords(args[0] if args else [], kwargs, [True])


def _beside(x: Any, kwargs: dict[str, Any]) -> Any:
    """The first argument of one of TensorFlow's functions, its structure kept, the keywords beside each part."""
    if _is_reference(x):
        return [*x, kwargs]
    if isinstance(x, list) and _holds_reference(x):
        return [_beside(y, kwargs) for y in x]
    return ["_CONSTANT_VALUE", -1, x, kwargs]


def _holds_reference(x: Any) -> bool:
    return _is_reference(x) or (isinstance(x, list) and any(map(_holds_reference, x)))


def _a_reference(x: Any) -> Any:
    return x if _is_reference(x) else next(_a_reference(y) for y in x if _holds_reference(y))


def _is_empty(mask: Any) -> bool:
    return mask is None or (isinstance(mask, list) and all(map(_is_empty, mask)))


def _with_keywords(x: Any, kwargs: dict[str, Any], first: list[bool]) -> Any:
    if _is_reference(x):
        return [[*x, kwargs]] if first[0] else [*x, kwargs]
    first[0] = False
    return [_with_keywords(y, kwargs, first) for y in x] if isinstance(x, list) else x


def _is_reference(x: Any) -> bool:
    return isinstance(x, list) and len(x) == 3 and isinstance(x[0], str) and all(isinstance(n, int) for n in x[1:])
