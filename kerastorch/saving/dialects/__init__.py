"""The forms in which the generations of Keras write a config, read into tf.keras 2's, and those that are written."""

from __future__ import annotations

from typing import Any

from kerastorch.saving.dialects import keras1, keras3, multi_gpu, theano
from kerastorch.saving.dialects.keras2 import portable, sharing_alike
from kerastorch.saving.origin import Origin

__all__ = ["canonical", "portable", "sharing_alike"]


def canonical(config: Any, origin: Origin) -> Any:
    """A model's config, of whatever origin, in tf.keras 2's form; one that has it stays as it is."""
    if origin.generation == 1:
        config = keras1.upgraded(config, origin)
    read = keras3.canonical(config, origin)
    if origin.generation == 3 and (keras3.has_masks(read) or keras3.calls_by_keyword(read)):
        read = keras3.keras3_masks(read)
    return theano.padded(multi_gpu.rejoined(read), origin)
