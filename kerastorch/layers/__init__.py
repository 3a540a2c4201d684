"""Layers. Keras: tf.keras.layers."""

from __future__ import annotations

import importlib

from kerastorch import registry
from kerastorch.layers.base import Layer
from kerastorch.layers.function import TorchFunction
from kerastorch.layers.input_spec import InputSpec

_FAMILIES = (
    "core",
    "lambda_layer",
    "normalization",
    "batch_normalization",
    "regularization",
    "endpoints",
    "merging",
    "activation",
    "reshaping",
    "einsum_dense",
    "wrapper",
    "recurrent",
    "attention",
    "multi_head_attention",
    "reversible_embedding",
    "preprocessing.numeric",
    "preprocessing.hashing",
    "preprocessing.lookup",
    "preprocessing.text",
    "preprocessing.image",
    "preprocessing.image_random",
    "preprocessing.image_color",
    "preprocessing.image_tone",
    "preprocessing.image_blur",
    "preprocessing.image_geometry",
    "preprocessing.image_mixing",
    "preprocessing.image_policies",
    "preprocessing.image_histogram",
    "preprocessing.audio",
    "preprocessing.pipeline",
    "convolution",
    "pooling",
    "global_pooling",
    "spatial",
    "convolution_transpose",
    "separable_convolution",
    "locally_connected",
    "architectures",
    "kernelized",
    "serialization",
    "keras1",
    "tf_op",
    "keras_op",
    "drawing",
)
"""The modules whose `__all__` makes the public layers; a layer is public by standing there."""

__all__ = ["InputSpec", "Layer", "TorchFunction"]

for _family in _FAMILIES:
    _module = importlib.import_module(f"kerastorch.layers.{_family}")
    for _name in _module.__all__:
        globals()[_name] = getattr(_module, _name)
        __all__ += [_name]
        if isinstance(getattr(_module, _name), type):
            registry.register("layer", getattr(_module, _name), _name)
registry.register("layer", TorchFunction)

experimental = importlib.import_module("kerastorch.layers.experimental")
__all__ += ["experimental"]
