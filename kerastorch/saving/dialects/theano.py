"""Convolutions and pooling as Theano padded them.

Its padding 'same' is half a kernel before and after, whatever the strides; TensorFlow's is what the strides leave over, the
smaller half before. For strides, and for kernels of even size, they differ: there the padding becomes a layer of its own.
So does what a transposed convolution with strides takes off: half a kernel in front, where TensorFlow takes half of the rest.
Pooling began one step before the first for windows of 2, and of 3: theano_pooling.py. Keras 0.3 on Theano also had padding
'full'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.saving.dialects.theano_pooling import is_otherwise, pooled, sizes, split
from kerastorch.saving.origin import Origin

__all__ = ["padded", "pads_otherwise"]

_RANKS = {f"{name}{n}D": n for name in ("Conv", "Convolution") for n in (1, 2, 3)}
_DEPTHWISE = {"DepthwiseConv2D": 2, "SeparableConv1D": 1, "SeparableConv2D": 2}
_TRANSPOSED = {"Conv2DTranspose": 2, "Conv3DTranspose": 3}


def padded(config: Any, origin: Origin) -> Any:
    """The config of a model, in tf.keras 2's form, with layers of zero padding where a convolution pads otherwise."""
    return _padded(config, origin) if origin.backend == "theano" or origin.generation == 1 else config


def _padded(config: Any, origin: Origin) -> Any:
    differs = origin.backend == "theano"
    if isinstance(config, Mapping):
        inner = {key: _padded(value, origin) for key, value in config.items()}
        return _redirected(inner, config["layers"]) if "output_layers" in config and differs else inner
    if not isinstance(config, list):
        return config
    made: list[Any] = []
    for item in config:
        if not isinstance(item, Mapping):
            made.append(_padded(item, origin))
        elif (amounts := _amounts(item, origin)) is not None:
            made += split(item, amounts)
        elif differs and (cut := _cut(item)) is not None:
            made += _cropped(item, *cut)
        elif differs and (pools := pooled(item, config)) is not None:
            made += pools
        else:
            made.append(_padded(item, origin))
    return made


def _amounts(layer: Mapping[str, Any], origin: Origin) -> list[list[int]] | None:
    """The rows of zeros before and after on each axis; None where the layer can stay as it is."""
    name, config = layer.get("class_name", ""), layer.get("config")
    rank = _RANKS.get(name) or _DEPTHWISE.get(name)
    if rank is None or not isinstance(config, Mapping):
        return None
    if config.get("padding") != "full" and (config.get("padding") != "same" or origin.backend != "theano"):
        return None
    if rank == 3 and config["padding"] == "same" and origin.minor < (1, 1):
        return None  # where Keras itself padded, as TensorFlow does
    kernel = sizes(config["kernel_size"], rank)
    strides, dilation = sizes(config.get("strides", 1), rank), sizes(config.get("dilation_rate", 1), rank)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if config["padding"] == "full":
        return [[span - 1, span - 1] for span in spans]
    if all(stride == 1 and span % 2 for stride, span in zip(strides, spans, strict=True)):
        return None
    if name.startswith("Separable") and not all(span % 2 for span in spans):
        return None  # there Keras left a row too many
    return [[span // 2, (span - 1) // 2] for span in spans]


# Transposed convolutions


def _cut(layer: Mapping[str, Any]) -> tuple[list[int], list[list[int]]] | None:
    """For a transposed convolution without padding, its output_padding, and the rows to take off before and after on each
    axis; None where the layer can stay as it is. Kernels of even size Theano refused."""
    rank, config = _TRANSPOSED.get(layer.get("class_name", "")), layer.get("config")
    if rank is None or not isinstance(config, Mapping) or config.get("padding") != "same":
        return None
    kernel, strides = sizes(config["kernel_size"], rank), sizes(config.get("strides", 1), rank)
    dilation = sizes(config.get("dilation_rate", 1), rank)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    given = config.get("output_padding")
    longer = [stride - 1 for stride in strides] if given is None else sizes(given, rank)
    if not any(longer) or not all(span % 2 for span in spans):
        return None
    halves = [span // 2 for span in spans]
    added = [max(more - half, 0) for more, half in zip(longer, halves, strict=True)]
    return added, [[half, max(half - more, 0)] for more, half in zip(longer, halves, strict=True)]


def _cropped(layer: Mapping[str, Any], added: list[int], amounts: list[list[int]]) -> list[dict[str, Any]]:
    """The convolution without padding, and the cropping after it."""
    config = layer["config"]
    name = _cropping(config["name"])
    cropping = {"name": name, "cropping": amounts, "data_format": config.get("data_format")}
    after: dict[str, Any] = {"class_name": f"Cropping{len(amounts)}D", "config": cropping}
    if "inbound_nodes" in layer:
        nodes = [[[config["name"], i, 0, {}]] for i in range(len(layer["inbound_nodes"]))]
        after = {**after, "name": name, "inbound_nodes": nodes}
    return [{**layer, "config": {**config, "padding": "valid", "output_padding": added}}, after]


def _cropping(name: str) -> str:
    return f"{name}_cropping"


def _redirected(config: dict[str, Any], before: list[Any]) -> dict[str, Any]:
    """A drawn model's config, in which what took the output of such a convolution takes the cropping's."""
    moved = {x["config"]["name"]: _cropping(x["config"]["name"]) for x in before if _cut(x) is not None}

    def redirected(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {key: redirected(value) for key, value in x.items()}
        if not isinstance(x, list):
            return x
        is_reference = len(x) in (3, 4) and isinstance(x[0], str) and all(isinstance(n, int) for n in x[1:3])
        return [moved.get(x[0], x[0]), *map(redirected, x[1:])] if is_reference else [*map(redirected, x)]

    if not moved:
        return config
    layers = [
        x
        if x["config"].get("name") in moved.values()
        else {**x, "inbound_nodes": redirected(x.get("inbound_nodes", []))}
        for x in config["layers"]
    ]
    return {**config, "layers": layers, "output_layers": redirected(config["output_layers"])}


# What is left


def pads_otherwise(layer: Any, origin: Origin) -> bool:
    """Whether a layer, made with TensorFlow's padding, has weights from a Theano that padded otherwise."""
    if getattr(layer, "padding", None) != "same":
        return False
    name = type(layer).__name__
    config = {key: getattr(layer, key, 1) for key in ("kernel_size", "strides", "dilation_rate")}
    config["output_padding"] = getattr(layer, "output_padding", None)
    described = {"class_name": name, "config": {**config, "padding": "same"}}
    even = name.startswith("Separable") and not all(k % 2 for k in layer.kernel_size)
    return is_otherwise(layer) or even or bool(_amounts(described, origin) or _cut(described))
