"""What to say of layers that compute as TensorFlow's do today, where who wrote the file saw other numbers."""

from __future__ import annotations

from typing import Any

from kerastorch.saving.dialects.theano import pads_otherwise
from kerastorch.saving.origin import Origin

__all__ = ["remarks"]


def remarks(model: Any, origin: Origin) -> list[str]:
    """One line for each such layer of a model, with weights from a file of that origin, for its load_report."""
    found = ((layer, _remark(layer, origin)) for layer in model._flatten_layers())
    return [f"layer '{layer.name}': {remark}" for layer, remark in found if remark]


def _remark(layer: Any, origin: Origin) -> str | None:
    name = type(layer).__name__
    if origin.backend == "theano":
        if pads_otherwise(layer, origin):
            return (
                "padding 'same' is TensorFlow's; Theano's lies elsewhere, so numbers at this layer may differ from those that "
                'the file\'s author saw. Weights whose architecture is JSON: put "backend": "theano" into it, beside '
                '"class_name", and build the model again'
            )
        if name == "ConvLSTM2D" and not all(k % 2 for k in layer.kernel_size):
            return (
                "its state is padded as TensorFlow does it; Theano began half of an even kernel before, so numbers at this layer "
                "may differ from those that the file's author saw"
            )
    # tf.keras says so in its version, or is 2.4 or newer.
    several = origin.generation == 2 and origin.minor < (2, 4) and not origin.version.endswith("-tf")
    if several and name == "UpSampling2D" and layer.interpolation == "bilinear" and origin.backend != "theano":
        return (
            "interpolates between the centres of pixels, as tf.keras does; Keras 2.2 and 2.3 did so between their corners. "
            "For numbers of then, draw UpSampling2D(2, 'nearest') and AveragePooling2D(2, strides=1, padding='same') in place of "
            "UpSampling2D(2, 'bilinear')"
        )
    return None
