"""Convolutions as Theano padded them.

Its padding 'same' is half a kernel before and after, whatever the strides; TensorFlow's is what the strides leave over, the
smaller half before. For strides, and for kernels of even size, they differ: there the padding becomes a layer of its own.
Keras 0.3 on Theano also had padding 'full'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.saving.origin import Origin

__all__ = ["padded", "remarks"]

_RANKS = {f"{name}{n}D": n for name in ("Conv", "Convolution") for n in (1, 2, 3)}


def padded(config: Any, origin: Origin) -> Any:
    """The config of a model, in tf.keras 2's form, with layers of zero padding where a convolution pads otherwise."""
    modes = ("same", "full") if origin.backend == "theano" else ("full",) if origin.generation == 1 else ()
    return _padded(config, modes) if modes else config


def _padded(config: Any, modes: tuple[str, ...]) -> Any:
    if isinstance(config, Mapping):
        return {key: _padded(value, modes) for key, value in config.items()}
    if not isinstance(config, list):
        return config
    made: list[Any] = []
    for item in config:
        amounts = _amounts(item, modes) if isinstance(item, Mapping) else None
        made += [_padded(item, modes)] if amounts is None else _split(item, amounts)
    return made


def _amounts(layer: Mapping[str, Any], modes: tuple[str, ...]) -> list[list[int]] | None:
    """The rows of zeros before and after on each axis; None where the layer can stay as it is."""
    rank, config = _RANKS.get(layer.get("class_name", "")), layer.get("config")
    if rank is None or not isinstance(config, Mapping) or config.get("padding") not in modes:
        return None
    kernel = _sizes(config["kernel_size"], rank)
    strides, dilation = _sizes(config.get("strides", 1), rank), _sizes(config.get("dilation_rate", 1), rank)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if config["padding"] == "full":
        return [[span - 1, span - 1] for span in spans]
    if all(stride == 1 and span % 2 for stride, span in zip(strides, spans, strict=True)):
        return None
    return [[span // 2, (span - 1) // 2] for span in spans]


def _sizes(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


def _split(layer: Mapping[str, Any], amounts: list[list[int]]) -> list[dict[str, Any]]:
    """The padding, and the convolution after it."""
    config = layer["config"]
    rank, name = len(amounts), f"{config['name']}_padding"
    begin = {key: config[key] for key in ("batch_input_shape",) if key in config}
    padding: dict[str, Any] = {"name": name, "padding": amounts[0] if rank == 1 else amounts, **begin}
    if rank > 1:
        padding["data_format"] = config.get("data_format")
    kept = {key: value for key, value in config.items() if key not in begin}
    before = {"class_name": f"ZeroPadding{rank}D", "config": padding}
    after = {**layer, "config": {**kept, "padding": "valid"}}
    if "inbound_nodes" in layer:
        before = {**before, "name": name, "inbound_nodes": layer["inbound_nodes"]}
        after["inbound_nodes"] = [[[name, i, 0, {}]] for i in range(len(layer["inbound_nodes"]))]
    return [before, after]


def remarks(model: Any, origin: Origin) -> list[str]:
    """What to say of layers of a model with weights from Theano that pad otherwise than Theano did."""
    if origin.backend != "theano":
        return []
    found = []
    for layer in model._flatten_layers():
        name = type(layer).__name__
        if getattr(layer, "padding", None) != "same":
            continue
        config = {key: getattr(layer, key, 1) for key in ("kernel_size", "strides", "dilation_rate")}
        described = {"class_name": name, "config": {**config, "padding": "same"}}
        if name.startswith(("MaxPooling", "AveragePooling", "Conv2DTranspose")) or _amounts(described, ("same",)):
            found.append(
                f"layer '{layer.name}': padding 'same' is TensorFlow's; Theano's lies elsewhere, so numbers at this layer may "
                "differ from those that the file's author saw"
            )
    return found
