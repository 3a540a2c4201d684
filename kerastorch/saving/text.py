"""Architectures as JSON and YAML, and models from configs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kerastorch.registry import deserialize, find, serialize
from kerastorch.saving.dialects import canonical

__all__ = [
    "BACKEND",
    "KERAS_VERSION",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "plain",
    "to_json",
    "to_yaml",
]

KERAS_VERSION = "2.15.0"
"""The version whose form kerastorch writes."""
BACKEND = "tensorflow"


def plain(value: Any) -> Any:
    """The value with lists for tuples and Python numbers for NumPy's, as JSON would have it."""
    if isinstance(value, Mapping):
        return {str(key): plain(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _described(model: Any) -> dict[str, Any]:
    return {**plain(serialize(model)), "keras_version": KERAS_VERSION, "backend": BACKEND}


def to_json(model: Any, **kwargs: Any) -> str:
    """The model's class, config, and the version of Keras whose form they have."""
    return json.dumps(_described(model), **kwargs)


def to_yaml(model: Any, **kwargs: Any) -> str:
    """The same as `to_json`, as YAML of plain values."""
    import yaml

    return yaml.safe_dump(_described(model), **{"sort_keys": False, **kwargs})


def model_from_config(config: Any, custom_objects: Any = None) -> Any:
    """A model with new weights from what `to_json` describes, of any generation of Keras."""
    if not isinstance(config, Mapping) or "class_name" not in config:
        raise ValueError(
            f"Not the description of a model: expected a dict with 'class_name' and 'config', got {_short(config)}."
        )
    config = canonical(config)
    unknown = _unknown_layers(config, custom_objects)
    if unknown:
        lines = "\n  ".join(f"{name} '{layer}': {_short(arguments)}" for name, layer, arguments in unknown)
        names = ", ".join(f"{name!r}: ..." for name in dict.fromkeys(name for name, _, _ in unknown))
        raise ValueError(
            f"{len(unknown)} unknown layer(s); if they are your own, pass custom_objects={{{names}}}, open a "
            f"custom_object_scope, or decorate the classes with register_keras_serializable. Their configs:\n  {lines}"
        )
    return deserialize("layer", config, custom_objects)


def _unknown_layers(config: Any, custom_objects: Any) -> list[tuple[str, str, Any]]:
    """(class name, layer name, config) of each layer in a model's config whose class nobody knows."""
    if not isinstance(config, Mapping) or "class_name" not in config:
        return []
    inner = config.get("config")
    if find("layer", config["class_name"], custom_objects) is None:
        name = inner.get("name", "") if isinstance(inner, Mapping) else ""
        return [(config["class_name"], name, inner)]
    layers = inner.get("layers", ()) if isinstance(inner, Mapping) else inner if isinstance(inner, list) else ()
    return [found for layer in layers for found in _unknown_layers(layer, custom_objects)]


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """A model with new weights; ValueError for text that is no JSON or describes no model."""
    try:
        config = json.loads(json_string)
    except json.JSONDecodeError as error:
        raise ValueError(f"model_from_json: this is not JSON: {error}.") from error
    return model_from_config(config, custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Any = None) -> Any:
    """A model with new weights; only plain YAML values are read. ValueError for anything else."""
    import yaml

    try:
        config = yaml.safe_load(yaml_string)
    except yaml.YAMLError as error:
        raise ValueError(f"model_from_yaml: this is not plain YAML: {error}.") from error
    return model_from_config(config, custom_objects)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."
