"""Architectures as JSON and YAML, and models from configs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kerastorch.registry import deserialize, find, known_names, serialize
from kerastorch.saving.dialects import canonical, keras0
from kerastorch.saving.dialects.keras1 import is_keras1
from kerastorch.saving.origin import Origin
from kerastorch.untrusted import reading

__all__ = [
    "BACKEND",
    "KERAS_VERSION",
    "deserialize_keras_object",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "origin_of",
    "parse_json",
    "parse_yaml",
    "plain",
    "serialize_keras_object",
    "to_json",
    "to_yaml",
]

KERAS_VERSION = "2.15.0"
"""The version whose form kerastorch writes."""
KERAS3_VERSION = "3.15.1"
"""The version whose form it writes where Keras 3's is asked for, or nothing else will do."""
BACKEND = "tensorflow"
_PARTS = ("activation", "initializer", "regularizer", "constraint")
_KINDS = ("layer", *_PARTS)
_NAMES_OF_ITS_OWN = ("RandomFourierFeatures",)
_HELD = ("layer", "forward_layer", "backward_layer", "cell", "cells")
"""Under which arguments layers hold others."""
_DEEPEST = 200
_MOST_VALUES = 5_000_000


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


def serialize_keras_object(obj: Any) -> Any:
    """What stands for an object, or a structure of them, in a config: what a layer's `get_config` takes for the layers and
    functions that it was given. Keras: keras.saving.serialize_keras_object."""
    return plain(serialize(obj))


def deserialize_keras_object(config: Any, custom_objects: Any = None, safe_mode: bool = True, **kwargs: Any) -> Any:
    """What `serialize_keras_object` of any Keras, or a layer's config, stands for: a layer, initializer, regularizer or
    constraint, a function by its name; lists and plain values as they are.

    Raises ValueError for a class that is unknown. safe_mode: as the whole file is loaded, whatever stands here.
    Keras: keras.saving.deserialize_keras_object.
    """
    if isinstance(config, (list, tuple)):
        return type(config)(deserialize_keras_object(x, custom_objects) for x in config)
    if isinstance(config, str):
        return find("activation", config, custom_objects) or config
    if not isinstance(config, Mapping):
        return config
    read = canonical(config, origin_of(config))
    name = read.get("class_name") if isinstance(read, Mapping) else read
    if not isinstance(name, str):
        return {key: deserialize_keras_object(x, custom_objects) for key, x in config.items()}
    kind = next((kind for kind in _KINDS if name in known_names(kind)), "layer")
    return deserialize(kind, read, custom_objects)


def to_yaml(model: Any, **kwargs: Any) -> str:
    """The same as `to_json`, as YAML of plain values."""
    import yaml

    return yaml.safe_dump(_described(model), **{"sort_keys": False, **kwargs})


def model_from_config(
    config: Any,
    custom_objects: Any = None,
    origin: Origin | None = None,
    stored_weights: Callable[[], Mapping[str, list[str]]] = dict,
) -> Any:
    """A model with new weights from what `to_json` describes, of any generation of Keras.

    origin: who wrote it, where that is known from elsewhere than the config itself. stored_weights: gives the names and
    shapes of the weights that the file holds for each layer, to be told of layers whose class is unknown.
    """
    with reading("The config of the model"):
        config = canonical(config, origin or origin_of(config))
        if not isinstance(config, Mapping) or "class_name" not in config:
            raise ValueError(
                f"Not the description of a model: expected a dict with 'class_name' and 'config', got {_short(config)}."
            )
        _refuse_unknown_layers(config, custom_objects, stored_weights)
        return deserialize("layer", config, custom_objects)


def _refuse_unknown_layers(
    config: Mapping[str, Any], custom_objects: Any, stored_weights: Callable[[], Mapping[str, list[str]]]
) -> None:
    found = list(_layers_in(config, custom_objects))
    unknown = [(layer["class_name"], _name_in(layer), layer.get("config")) for layer, cls in found if cls is None]
    functions = _unknown_functions(found, custom_objects)
    parts = _unknown_parts(found, custom_objects)
    if unknown or functions or parts:
        layers = _about_layers(unknown, stored_weights() if unknown else {})
        raise ValueError("\n".join((*layers, *_about_parts(parts), *_about_functions(functions))))


def origin_of(config: Any) -> Origin:
    """Who wrote a config, as far as it tells."""
    if not isinstance(config, Mapping):
        return Origin(1)
    if "keras_version" in config:
        return Origin.of(config["keras_version"], config.get("backend"))
    if keras0.is_model(config):  # nearly all of that time ran on Theano
        return Origin(1, backend=str(config.get("backend") or "theano"))
    if is_keras1(config):
        return Origin(1)
    return Origin(3 if str(config.get("module") or "").startswith("keras") else 2)


def _about_layers(unknown: list[tuple[str, str, Any]], weights: Mapping[str, list[str]]) -> list[str]:
    if not unknown:
        return []
    names = ", ".join(f"{_short(name)}: ..." for name in dict.fromkeys(name for name, _, _ in unknown))
    return [
        f"{len(unknown)} unknown layer(s); if they are your own, pass custom_objects={{{names}}}, open a "
        "custom_object_scope, or decorate the classes with register_keras_serializable. Their configs:",
        *(
            f"  {name:.200} '{layer!s:.200}': {_short(arguments)}{_about_weights(weights.get(layer))}"
            for name, layer, arguments in unknown
        ),
    ]


def _about_weights(weights: list[str] | None) -> str:
    return f"; its weights in the file: {', '.join(weights)[:500]}" if weights else ""


def _about_parts(parts: list[tuple[str, Any, str]]) -> list[str]:
    if not parts:
        return []
    named = [(kind, _class_of(value), value, layer) for kind, value, layer in parts]
    names = ", ".join(f"{_short(name)}: ..." for name in dict.fromkeys(name for _, name, _, _ in named))
    return [
        f"{len(parts)} unknown function(s) or object(s) in layers:",
        *(
            f"  {kind} {name!s:.200} of '{layer!s:.200}'"
            + (f": {_short(value.get('config'))}" if isinstance(value, Mapping) else "")
            for kind, name, value, layer in named
        ),
        f"If they are your own, pass custom_objects={{{names}}}, open a custom_object_scope, or decorate them with "
        "register_keras_serializable.",
    ]


def _about_functions(functions: list[tuple[str, str]]) -> list[str]:
    if not functions:
        return []
    names = ", ".join(f"{_short(name)}: ..." for name in dict.fromkeys(name for name, _ in functions))
    return [
        f"{len(functions)} layer(s) call functions that have no torch counterpart here; pass functions of torch tensors with "
        f"the same arguments: custom_objects={{{names}}} (or by the names of the layers):",
        *(f"  '{layer!s:.200}': {name!s:.200}" for name, layer in functions),
    ]


def _unknown_parts(layers: list[tuple[Mapping[str, Any], Any]], custom_objects: Any) -> list[tuple[str, Any, str]]:
    """(kind, name or config, layer name) of each activation, initializer, regularizer and constraint of the library's layers
    that nobody knows."""
    parts = []
    for layer, cls in layers:
        inner = layer.get("config")
        if not isinstance(inner, Mapping) or not _is_the_librarys(cls) or layer["class_name"] in _NAMES_OF_ITS_OWN:
            continue
        for key, value in inner.items():
            kind = key.rpartition("_")[2]
            if kind not in _PARTS or not isinstance(name := _class_of(value), str):
                continue
            kinds = ("activation", "layer") if kind == "activation" else (kind,)
            if all(find(k, name, custom_objects) is None for k in kinds):
                parts.append((kind, value, _name_in(layer)))
    return parts


def _is_the_librarys(cls: Any) -> bool:
    return str(getattr(cls, "__module__", None)).startswith("kerastorch.")


def _class_of(value: Any) -> Any:
    return value.get("class_name") if isinstance(value, Mapping) else value


def _unknown_functions(layers: list[tuple[Mapping[str, Any], Any]], custom_objects: Any) -> list[tuple[str, str]]:
    """(function, layer name) of each layer that is a function which nobody knows."""
    functions = []
    for layer, cls in layers:
        asked = getattr(cls, "missing_function", None)
        name = asked(layer.get("config") or {}, custom_objects) if asked is not None else None
        if name is not None:
            functions.append((name, _name_in(layer)))
    return functions


def _name_in(layer: Mapping[str, Any]) -> str:
    inner = layer.get("config")
    own = inner.get("name") if isinstance(inner, Mapping) else None
    return own or layer.get("name") or ""


def _layers_in(config: Any, custom_objects: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """The config and class (None where nobody knows it) of a model and of all layers in it, not past those unknown."""
    if not isinstance(config, Mapping) or "class_name" not in config:
        return
    cls = find("layer", config["class_name"], custom_objects)
    yield config, cls
    inner = config.get("config")
    if cls is None:
        return
    if isinstance(inner, list):
        held = inner
    elif isinstance(inner, Mapping):
        held = [*inner.get("layers", ()), *_held(inner, cls)]
    else:
        held = []
    for layer in held:
        yield from _layers_in(layer, custom_objects)


def _held(config: Mapping[str, Any], cls: Any) -> list[Any]:
    """The configs of layers in that of a layer of the library's, which is no model."""
    parts = [config[key] for key in _HELD if key in config] if _is_the_librarys(cls) else []
    return [x for part in parts for x in (part if isinstance(part, list) else [part])]


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """A model with new weights; ValueError for text that is no JSON or describes no model."""
    return model_from_config(parse_json(json_string, "model_from_json: this"), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Any = None) -> Any:
    """A model with new weights; only plain YAML values and NumPy's numbers are read. ValueError for anything else."""
    return model_from_config(parse_yaml(yaml_string, "model_from_yaml: this"), custom_objects)


def parse_json(text: str | bytes, what: str) -> Any:
    """The value of JSON text; ValueError, naming `what` it was, where it is none or nested without measure."""
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{what} is not JSON: {error}.") from error
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deep: refused.") from error
    return _bounded(value, what)


def parse_yaml(text: str, what: str) -> Any:
    """The value of YAML text: plain values, tuples, NumPy's numbers; ValueError, naming `what` it was, for anything else."""
    import yaml

    from kerastorch.saving.yaml_loader import Loader

    try:
        value = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{what} is not plain YAML: {error}.") from error
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deep: refused.") from error
    return _bounded(value, what)


def _bounded(value: Any, what: str) -> Any:
    """The value, if it is no deeper and no larger, references of YAML written out, than a model's description can be."""
    pending, count = [(value, 0)], 0
    while pending:
        x, depth = pending.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_VALUES:
            raise ValueError(
                f"{what} is nested deeper than {_DEEPEST}, or holds more than {_MOST_VALUES} values: refused."
            )
        if isinstance(x, (dict, list)):
            depth += 1
            pending += [(y, depth) for y in (x.values() if isinstance(x, dict) else x)]
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."
