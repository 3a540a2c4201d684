"""Files: h5, `.keras`, weights alone, and architectures as JSON and YAML."""

from kerastorch.registry import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from kerastorch.saving.loading import load_model, load_weights
from kerastorch.saving.origin import Origin
from kerastorch.saving.report import LoadReport
from kerastorch.saving.text import (
    deserialize_keras_object,
    model_from_config,
    model_from_json,
    model_from_yaml,
    serialize_keras_object,
    to_json,
    to_yaml,
)
from kerastorch.saving.writing import save_model, save_weights

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope",
    "LoadReport",
    "Origin",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
    "to_json",
    "to_yaml",
]
