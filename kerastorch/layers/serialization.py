"""Layers as configs, and back."""

from __future__ import annotations

from typing import Any

from kerastorch import registry

__all__ = ["deserialize", "serialize"]


def serialize(layer: Any, use_legacy_format: bool = False) -> dict[str, Any]:
    """`{'class_name', 'config'}` of a layer, in tf.keras 2's form. Keras: tf.keras.layers.serialize."""
    return registry.serialize(layer)


def deserialize(config: Any, custom_objects: Any = None, use_legacy_format: bool = False) -> Any:
    """The layer that `{'class_name', 'config'}` describes; ValueError for an unknown class.

    Keras: tf.keras.layers.deserialize.
    """
    return registry.deserialize("layer", config, custom_objects)
