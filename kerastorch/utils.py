"""Odds and ends under the names that Keras gives them. Keras: tf.keras.utils."""

from kerastorch.config import set_random_seed
from kerastorch.models.plot import model_to_dot, plot_model
from kerastorch.registry import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from kerastorch.training import Progbar

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "model_to_dot",
    "plot_model",
    "register_keras_serializable",
    "set_random_seed",
]
