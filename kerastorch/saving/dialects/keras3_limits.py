"""What a file in Keras 3's form holds that Keras 3 has not, or does in another way."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["tell_limits"]

_LACKING = {
    "AbstractRNNCell", "AddLoss", "AddMetric", "BatchNormalization1", "ClassMethod", "CosineMerge", "CuDNNGRU", "CuDNNLSTM",
    "Highway", "InstanceMethod", "InstanceProperty", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense",
    "ParametricSoftplus", "RadialConstraint", "RandomFourierFeatures", "RandomHeight", "RandomWidth", "SReLU",
    "SlicingOpLambda", "SyncBatchNormalization", "TFOpLambda", "TensorFlowOpLayer", "ThresholdedReLU",
    "TimeDistributedMerge", "TorchFunction",
}  # fmt: skip
"""Classes of kerastorch's that Keras 3 does not have."""

_GROUPED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
            "SeparableConv2D")  # fmt: skip
_RESIZING = ("Resizing", "UpSampling2D")


def tell_limits(config: Any) -> None:
    """Warns of what Keras 3 refuses, or computes otherwise, in a model's config in Keras 3's form."""
    found = list(dict.fromkeys(_limits(config)))
    if found:
        warnings.warn(
            f"Keras 3 cannot open this file, or not with the same numbers (kerastorch can): {'; '.join(found)}. For tf_keras, "
            "write model.save('model.h5', dialect='keras2').",
            stacklevel=6,
        )


def _limits(config: Any) -> Iterator[str]:
    if isinstance(config, (list, tuple)):
        for x in config:
            yield from _limits(x)
    if not isinstance(config, Mapping):
        return
    for x in config.values():
        yield from _limits(x)
    name, inner = config.get("class_name"), config.get("config")
    if not str(config.get("module")).startswith("keras.") or not isinstance(inner, Mapping):
        return
    why = f"it has no {name}" if name in _LACKING else _why(str(name), inner)
    if why:
        yield f"{name} '{inner['name']}': {why}" if "name" in inner else why


def _why(name: str, config: Mapping[str, Any]) -> str | None:
    """What Keras 3 does not do of a layer's arguments."""
    axis = config.get("axis")
    if config.get("time_major"):
        return "it has no time_major=True"
    if name in _GROUPED and config.get("groups", 1) != 1:
        return f"it has no groups={config['groups']} there"
    if name == "SeparableConv1D" and config.get("padding") == "causal":
        return "it has no causal padding there"
    if name in _RESIZING and config.get("interpolation") in ("gaussian", "mitchellcubic"):
        return f"it has no interpolation={config['interpolation']!r}"
    if name == "BatchNormalization" and isinstance(axis, list):
        return f"it takes one axis, not {axis}"
    if name == "LayerNormalization" and isinstance(axis, list) and axis != sorted(axis):
        return f"it has the weights of axes {axis} in ascending order"
    if name == "RandomCrop" and "data_format" not in config:
        return "it crops at inference, where this layer resizes"
    if name == "SpectralNormalization" and config["layer"]["class_name"] == "Embedding":
        return "it casts the outputs to the dtype of the inputs, so that those must be floats"
    return None
