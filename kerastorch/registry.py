"""Names to classes and back: what a config's `class_name` may mean, and how an object becomes a config.

A name is looked up, first to last, in the custom objects given to the call, in the scopes opened by
`custom_object_scope`, among what `register_keras_serializable` registered, and in the library's own classes of the kind
asked for. Nothing is ever imported by name.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from kerastorch.untrusted import reading

__all__ = [
    "DESCRIPTION",
    "Configurable",
    "custom_names",
    "custom_object_scope",
    "deserialize",
    "find",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "identify",
    "known_names",
    "register",
    "register_keras_serializable",
    "resolve",
    "serialize",
]

DESCRIPTION = ("class_name", "config", "build_config")
"""What makes an object; a model's config says more of its layers."""

_library: dict[str, dict[str, Any]] = {}
_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_global_custom_objects: dict[str, Any] = {}
_scopes: list[Mapping[str, Any]] = []


def register(kind: str, obj: Any, *names: str) -> None:
    """Makes a library object known under its own name, and the others given, among objects of `kind`."""
    table = _library.setdefault(kind, {})
    for name in (obj.__name__, *names):
        if table.setdefault(name, obj) is not obj:
            raise ValueError(f"Two {kind}s are named {name!r}: {table[name]!r} and {obj!r}.")


def known_names(kind: str) -> list[str]:
    """The names under which the library knows objects of `kind`."""
    return sorted(_library.get(kind, ()))


def get_custom_objects() -> dict[str, Any]:
    """The process-wide dict of custom objects; changing it changes what names mean.

    Keras: tf.keras.utils.get_custom_objects.
    """
    return _global_custom_objects


@contextlib.contextmanager
def custom_object_scope(*custom_objects: Mapping[str, Any]) -> Iterator[None]:
    """Within the block, the names in the given dicts mean the objects given. Keras: `tf.keras.utils.custom_object_scope`."""
    _scopes.extend(custom_objects)
    try:
        yield
    finally:
        del _scopes[len(_scopes) - len(custom_objects) :]


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator: configs write the class or function as `package>name`, and loading finds it by that name.

    Raises ValueError where the name is taken by another object, or where a class has no `get_config`.
    Keras: `tf.keras.utils.register_keras_serializable`.
    """

    def decorate(obj: Any) -> Any:
        if inspect.isclass(obj) and not hasattr(obj, "get_config"):
            raise ValueError(
                f"register_keras_serializable: class {obj.__name__} has no get_config method; give it one."
            )
        registered_name = f"{package}>{name or obj.__name__}"
        known = _registered.get(registered_name)
        if known is not None and (known.__module__, known.__qualname__) != (obj.__module__, obj.__qualname__):
            raise ValueError(
                f"register_keras_serializable: {registered_name!r} is taken by {known!r}; choose another name."
            )
        _registered[registered_name] = obj
        _registered_names[obj] = registered_name
        return obj

    return decorate


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function is written: `package>name` if registered, else its `__name__`."""
    return _registered_names.get(obj, obj.__name__)


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """The object that a registered or custom name stands for, or None. Keras: `tf.keras.utils.get_registered_object`."""
    for scope in (custom_objects or {}, *reversed(_scopes), _global_custom_objects, _registered, module_objects or {}):
        if name in scope:
            return scope[name]
    return None


def custom_names() -> dict[str, Any]:
    """All that is open to custom names: of the scopes, and of the process-wide dict."""
    return {name: obj for scope in (_global_custom_objects, *_scopes) for name, obj in scope.items()}


def find(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that `name` stands for among objects of `kind`, custom ones first; None where there is none."""
    if not isinstance(name, str):
        raise ValueError(f"The name of a {kind} must be a string, got {_short(name)}.")
    custom = get_registered_object(name, custom_objects)
    if custom is None and ">" in name:
        custom = get_registered_object(name.rsplit(">", 1)[1], custom_objects)
    return custom if custom is not None else _library.get(kind, {}).get(name)


def resolve(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """As `find`, but an unknown name is a ValueError that says how to make it known."""
    found = find(kind, name, custom_objects)
    if found is None:
        raise ValueError(
            f"Unknown {kind}: {_short(name)}. If it is your own, pass custom_objects={{{_short(name)}: ...}}, open a "
            f"custom_object_scope, or decorate it with register_keras_serializable."
        )
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."


class Configurable:
    """Remembers what it was constructed with, so that `get_config` needs no list kept by hand."""

    _constructed_with: tuple[tuple, dict]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        object.__setattr__(self, "_constructed_with", (args, kwargs))
        return self

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        """The arguments of `owner.__init__` (default: of the object's class) by name: the attribute of the same name
        where there is one, else the value given, else the default."""
        args, kwargs = self._constructed_with
        own = owner or type(self)
        parameters = list(inspect.signature(own.__init__).parameters.values())[1:]
        given = dict(zip((p.name for p in parameters), args, strict=False)) if own is type(self) else {}
        config = {}
        for p in parameters:
            if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
                continue
            value = given.get(p.name, kwargs.get(p.name, None if p.default is p.empty else p.default))
            config[p.name] = serialize(getattr(self, p.name, value))
        return config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON-able values."""
        return self._constructor_config()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An object made from what `get_config` returned."""
        return cls(**config)


def serialize(obj: Any) -> Any:
    """A JSON-able value: plain values as they are, functions by name, objects as `{'class_name', 'config'}`."""
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, nn.ModuleList)):  # also those that a layer keeps track of
        return [serialize(x) for x in obj]
    if isinstance(obj, tuple):
        return tuple(serialize(x) for x in obj)
    if isinstance(obj, dict):
        return {key: serialize(value) for key, value in obj.items()}
    if hasattr(obj, "get_config") and not inspect.isclass(obj):
        described = {"class_name": get_registered_name(type(obj)), "config": obj.get_config()}
        built = obj._own_build_config() if hasattr(obj, "_own_build_config") else None
        return described if built is None else {**described, "build_config": serialize(built)}
    if hasattr(obj, "tolist"):
        return obj.tolist()
    if callable(obj) and hasattr(obj, "__name__"):
        return get_registered_name(obj)
    if isinstance(obj, (torch.dtype, torch.device)):
        return str(obj).removeprefix("torch.")
    raise TypeError(f"Cannot write {obj!r} into a config: it is no plain value, has no get_config and no name.")


def deserialize(kind: str, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that a name or a `{'class_name', 'config'}` dict stands for.

    Raises ValueError for an unknown name and for a dict without 'class_name'.
    """
    if isinstance(config, str):
        found = resolve(kind, config, custom_objects)
        return found() if inspect.isclass(found) else found
    if not isinstance(config, Mapping) or "class_name" not in config:
        raise ValueError(
            f"Not a config of a {kind}: {_short(config)}; expected a name or {{'class_name': ..., 'config': ...}}."
        )
    found = resolve(kind, config["class_name"], custom_objects)
    if not hasattr(found, "from_config"):
        return found
    inner = config.get("config") or {}
    name = inner.get("name") if isinstance(inner, Mapping) else None
    what = f"The config of {kind} {config['class_name']}" + (f" {_short(name)}" if name else "")
    with reading(what), custom_object_scope(custom_objects or {}):
        more = {"custom_objects": custom_objects} if _takes_custom_objects(found) else {}
        made = found.from_config(inner, **more)
        if config.get("build_config") and hasattr(made, "_rebuild"):
            made._rebuild(config["build_config"])
        return made


@functools.cache
def _takes_custom_objects(cls: Any) -> bool:
    return "custom_objects" in inspect.signature(cls.from_config).parameters


def identify(kind: str, identifier: Any) -> Any:
    """What Keras's `get(identifier)` does: None stays None; a name or a config makes the object; an object stays itself.

    Raises ValueError for an unknown name and for anything else.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (str, Mapping)):
        return deserialize(kind, identifier)
    if inspect.isclass(identifier):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret {kind} {identifier!r}; give a name, a config dict, or a callable.")
