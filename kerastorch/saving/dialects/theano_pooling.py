"""Pooling as Keras did it on Theano, and layers of padding.

For padding 'same' windows of an odd size k began k - 2 steps before the first, of an even size k - 1, whatever the strides;
TensorFlow's begin at half of what the strides leave over. Windows of 3 are TensorFlow's with strides of 1, of which strides
take some. Others, where nothing pooled is negative, are maxima of what zeros were put around. What is left stays as it is,
and is told (`is_otherwise`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["is_otherwise", "pooled", "sizes", "split"]

_RANKS = {f"{kind}Pooling{n}D": n for kind in ("Max", "Average") for n in (1, 2, 3)}
_NEVER_NEGATIVE = ("relu", "sigmoid", "hard_sigmoid", "softmax", "softplus", "exponential")
_KEEP = (
    "Add", "Average", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "Concatenate", "Cropping1D", "Cropping2D",
    "Cropping3D", "Dropout", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum", "Minimum", "Multiply", "Permute",
    "Reshape", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "UpSampling1D", "UpSampling2D", "UpSampling3D",
    "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
)  # fmt: skip
"""Layers that make nothing negative of what is not."""


def pooled(layer: Mapping[str, Any], listed: list[Any]) -> list[dict[str, Any]] | None:
    """The layers, in tf.keras 2's form, that pool as Theano did; None where the layer can, or must, stay as it is. `listed`:
    the model's layers."""
    name, config = layer.get("class_name", ""), layer.get("config")
    rank = _RANKS.get(name)
    if rank is None or not isinstance(config, Mapping) or config.get("padding") != "same":
        return None
    windows = sizes(config["pool_size"], rank)
    strides = sizes(config.get("strides") or windows, rank)
    if _is_alike(windows, strides):
        return None
    if _is_alike(windows, [1] * rank):
        return _thinned(layer, strides)
    told = rank > 1 or config.get("data_format") != "channels_first"  # ZeroPadding1D knows no channels_first
    if name.startswith("Max") and told and all(not _may_be_negative(x, listed) for x in _before(layer, listed)):
        begins = [window - 2 if window > 2 and window % 2 else window - 1 for window in windows]
        return split(layer, [[begin, window - 1 - begin] for begin, window in zip(begins, windows, strict=True)])
    return None


def is_otherwise(layer: Any) -> bool:
    """Whether a layer of pooling with padding 'same' has other windows than Theano's."""
    if type(layer).__name__ not in _RANKS:
        return False
    return not _is_alike(list(layer.pool_size), list(layer.strides))


def _is_alike(windows: list[int], strides: list[int]) -> bool:
    """Whether Theano's windows are TensorFlow's, whatever the size of the input."""
    return all(window == 1 or (window == 3 and stride == 1) for window, stride in zip(windows, strides, strict=True))


def _thinned(layer: Mapping[str, Any], strides: list[int]) -> list[dict[str, Any]]:
    """The pooling with strides of 1, and what takes some of it."""
    config, name = layer["config"], f"{layer['config']['name']}_windows"
    rank = len(strides)
    before = {**layer, "config": {**config, "name": name, "strides": [1] * rank}}
    kept = {key: value for key, value in config.items() if key != "batch_input_shape"}
    after = {
        "class_name": f"MaxPooling{rank}D",
        "config": {**kept, "pool_size": [1] * rank, "strides": strides, "padding": "valid"},
    }
    return _linked(layer, before, after)


def split(layer: Mapping[str, Any], amounts: list[list[int]]) -> list[dict[str, Any]]:
    """A layer of zero padding, and the layer, without padding, after it. amounts: the rows of zeros before and after on each
    axis."""
    config = layer["config"]
    rank, name = len(amounts), f"{config['name']}_padding"
    begin = {key: config[key] for key in ("batch_input_shape",) if key in config}
    padding: dict[str, Any] = {"name": name, "padding": amounts[0] if rank == 1 else amounts, **begin}
    if rank > 1:
        padding["data_format"] = config.get("data_format")
    kept = {key: value for key, value in config.items() if key not in begin}
    before = {"class_name": f"ZeroPadding{rank}D", "config": padding}
    return _linked(layer, before, {**layer, "config": {**kept, "padding": "valid"}})


def _linked(layer: Mapping[str, Any], before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Two layers in the place of one: the first takes its inputs, the second has its name."""
    if "inbound_nodes" not in layer:
        return [before, after]
    name, nodes = before["config"]["name"], layer["inbound_nodes"]
    before = {**before, "name": name, "inbound_nodes": nodes}
    after = {**after, "name": layer["config"]["name"], "inbound_nodes": [[[name, i, 0, {}]] for i in range(len(nodes))]}
    return [before, after]


def sizes(value: Any, rank: int) -> list[int]:
    """A number, or one for each axis, as one for each axis."""
    return [value] * rank if isinstance(value, int) else list(value)


def _before(layer: Mapping[str, Any], listed: list[Any]) -> Iterator[Mapping[str, Any] | None]:
    """What a layer takes its inputs from; None for an input of the model."""
    if "inbound_nodes" not in layer:
        at = next((i for i, x in enumerate(listed) if x is layer), 0)
        yield listed[at - 1] if at else None
        return
    named = {x.get("name"): x for x in listed}
    for node in layer["inbound_nodes"]:
        for reference in node:
            yield named.get(reference[0])


def _may_be_negative(layer: Mapping[str, Any] | None, listed: list[Any]) -> bool:
    if layer is None or not isinstance(layer.get("config"), Mapping):
        return True
    name, config = layer.get("class_name", ""), layer["config"]
    if name in _KEEP and config.get("interpolation", "nearest") == "nearest":
        sources = list(_before(layer, listed))
        return not sources or any(_may_be_negative(x, listed) for x in sources)
    if name == "ReLU":
        return bool(config.get("negative_slope"))
    return config.get("activation") not in _NEVER_NEGATIVE
