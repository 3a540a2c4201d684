"""Two model files side by side: which layers, arguments and weights differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kerastorch.saving.text import plain
from kerastorch.tools.reading import read_model
from kerastorch.tools.stored import is_architecture, layers_in, open_stored
from kerastorch.untrusted import reading

__all__ = ["Change", "Comparison", "WeightChange", "diff"]

_NOWHERE = "-"


@dataclass
class Change:
    """An argument of a layer, or where its inputs come from, in both files."""

    layer: str
    argument: str
    a: str
    b: str


@dataclass
class WeightChange:
    """A weight that differs; None for a shape where a file lacks it. largest: of |a - b|, None where shapes differ."""

    layer: str
    weight: str
    shape_a: tuple[int, ...] | None
    shape_b: tuple[int, ...] | None
    largest: float | None


@dataclass
class Comparison:
    """What `diff` found. equal: whether layers, arguments, connections and weights are. renamed: layers that differ in name
    only, which are taken for the same. complete: whether the weights could be compared; if not, `equal` is false. What the
    files keep of their training is not compared."""

    a: str
    b: str
    about_a: str
    about_b: str
    layers: int = 0
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    weights: list[WeightChange] = field(default_factory=list)
    same_weights: int = 0
    notes: list[str] = field(default_factory=list)
    complete: bool = True
    equal: bool = False

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self)


@dataclass
class _Side:
    """A file: its layers' classes and arguments by name, in order, and their weights, each by what it is called."""

    about: str
    kind: str
    layers: dict[str, dict[str, Any]]
    weights: dict[str, list[tuple[str, np.ndarray]]]


def diff(a: Any, b: Any, custom_objects: Any = None) -> Comparison:
    """How two files differ, whatever their forms: the models in them are compared where both can be made, else what is
    stored.

    Raises OSError for a file that cannot be read, ValueError for what no Keras file holds.
    """
    made_a, made_b = _from_model(a, custom_objects), _from_model(b, custom_objects)
    notes = []
    if made_a is None or made_b is None:
        made_a, made_b = _from_file(a), _from_file(b)
        notes.append("compared as stored, as one of them, or both, cannot be made into a model")
    found = Comparison(str(a), str(b), made_a.about, made_b.about, notes=notes)
    names = _match(made_a.layers, made_b.layers, found)
    found.layers = len(names)
    for name, other in names.items():
        _arguments(found, name, made_a.layers[name], made_b.layers[other], names)
    if made_a.kind == made_b.kind or made_a.kind == "model":
        _weights(found, made_a, made_b, names or {name: name for name in made_a.weights if name in made_b.weights})
    else:
        found.complete = False
        found.notes.append(f"the weights are not compared: those of {made_a.kind} and {made_b.kind} lie in other ways")
    found.equal = found.complete and not (found.only_a or found.only_b or found.changed or found.weights)
    return found


def _about(stored: Any) -> str:
    return f"{stored.container}, {stored.origin}"


def _from_model(file: Any, custom_objects: Any) -> _Side | None:
    """The file as the model in it; None where none can be made."""
    with reading(str(file)), open_stored(file) as stored:
        about = _about(stored)
        if stored.config is None or is_architecture(file):
            return None
    try:
        model = read_model(file, None, custom_objects, device="cpu")
        described = plain({"class_name": type(model).__name__, "config": model.get_config()})
    except Exception:  # what cannot be made into a model, for whatever reason, is compared as it stands
        return None
    weights = {}
    for layer in model.layers:
        named = _tails([v.path for v in layer.weights])
        weights[layer.name] = [(name, v.numpy()) for name, v in zip(named, layer.weights, strict=True)]
    return _Side(about, "model", _layers(described), weights)


def _from_file(file: Any) -> _Side:
    with reading(str(file)), open_stored(file) as stored:
        weights = {
            name: list(zip(_tails([x.place.removesuffix(":0") for x in held]), [x.read() for x in held], strict=True))
            for name, held in stored.weights.items()
        }
        kind = stored.container.partition(" ")[0]
        return _Side(_about(stored), kind, _layers(plain(stored.config)) if stored.config else {}, weights)


def _tails(paths: list[str]) -> list[str]:
    """The paths without what they all begin with."""
    parts = [path.split("/") for path in paths]
    while len({tuple(p[:1]) for p in parts}) == 1 and all(len(p) > 1 for p in parts):
        parts = [p[1:] for p in parts]
    return ["/".join(p) for p in parts]


def _layers(config: Any) -> dict[str, dict[str, Any]]:
    """By name: class, arguments and calls of the layers in a model's description; those of a model within it too."""
    found = {}
    for class_name, name, layer in layers_in(config):
        own = layer.get("config")
        arguments = {key: value for key, value in own.items() if key != "name"} if isinstance(own, Mapping) else {}
        found[name] = {"class": class_name, **arguments, "inbound_nodes": layer.get("inbound_nodes", [])}
    return found


def _match(a: Mapping[str, Any], b: Mapping[str, Any], found: Comparison) -> dict[str, str]:
    """The layer of B that each layer of A is: that of the same name; else, where both have as many of a class left, the
    next of the same class."""
    names = {name: name for name in a if name in b and a[name]["class"] == b[name]["class"]}
    left_a, left_b = ([name for name in side if name not in names] for side in (a, b))
    for name in list(left_a):
        class_name = a[name]["class"]
        alike_a = [x for x in left_a if a[x]["class"] == class_name]
        alike_b = [x for x in left_b if b[x]["class"] == class_name]
        if len(alike_a) == len(alike_b):
            names[name] = alike_b[0]
            left_a.remove(name)
            left_b.remove(alike_b[0])
            found.renamed.append((name, alike_b[0]))
    found.only_a += left_a
    found.only_b += left_b
    return {name: names[name] for name in a if name in names}


def _arguments(
    found: Comparison, name: str, a: Mapping[str, Any], b: Mapping[str, Any], names: Mapping[str, str]
) -> None:
    for key in dict.fromkeys([*a, *b]):
        x, y = a.get(key, _NOWHERE), b.get(key, _NOWHERE)
        if key == "inbound_nodes":
            x = _renamed(x, names)
        if key == "layers" or x == y or (_NOWHERE in (x, y) and not (x if y == _NOWHERE else y)):
            continue  # what one form leaves out, and is off in the other, is the same
        shown = "connected to" if key == "inbound_nodes" else key
        found.changed.append(Change(name, shown, _shown(key, x), _shown(key, y)))
    inner_a, inner_b = (_layers({"config": side}) if "layers" in side else {} for side in (a, b))
    if inner_a or inner_b:
        _inside(found, name, inner_a, inner_b)


def _inside(found: Comparison, name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    """The layers of a model within the model, their names behind its."""
    part = Comparison("", "", "", "")
    names = _match(a, b, part)
    for inner, other in names.items():
        _arguments(part, inner, a[inner], b[other], names)
    found.only_a += [f"{name}/{x}" for x in part.only_a]
    found.only_b += [f"{name}/{x}" for x in part.only_b]
    found.renamed += [(f"{name}/{x}", f"{name}/{y}") for x, y in part.renamed]
    found.changed += [Change(f"{name}/{c.layer}", c.argument, c.a, c.b) for c in part.changed]


def _renamed(x: Any, names: Mapping[str, str]) -> Any:
    """References to layers of A as B names them."""
    if isinstance(x, list):
        is_reference = len(x) > 2 and isinstance(x[0], str) and isinstance(x[1], int)
        first = [names.get(x[0], x[0])] if is_reference else []
        return [*first, *(_renamed(y, names) for y in x[len(first) :])]
    return {key: _renamed(value, names) for key, value in x.items()} if isinstance(x, Mapping) else x


def _shown(key: str, value: Any) -> str:
    if key == "inbound_nodes":
        return ", ".join(dict.fromkeys(_references(value))) or _NOWHERE
    if isinstance(value, Mapping) and "class_name" in value:
        inner = value.get("config")
        arguments = ", ".join(f"{k}={v}" for k, v in inner.items()) if isinstance(inner, Mapping) else ""
        return f"{value['class_name']}({arguments})"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _references(x: Any) -> list[str]:
    if isinstance(x, list) and len(x) > 2 and isinstance(x[0], str) and isinstance(x[1], int):
        return [x[0]]
    return [name for y in x for name in _references(y)] if isinstance(x, list) else []


def _weights(found: Comparison, a: _Side, b: _Side, names: Mapping[str, str]) -> None:
    for name, other in names.items():
        mine, theirs = a.weights.get(name, []), b.weights.get(other, [])
        for i in range(max(len(mine), len(theirs))):
            x, y = (side[i][1] if i < len(side) else None for side in (mine, theirs))
            called = (mine if i < len(mine) else theirs)[i][0]
            if x is None or y is None or x.shape != y.shape:
                shapes = [None if v is None else tuple(v.shape) for v in (x, y)]
                found.weights.append(WeightChange(name, called, shapes[0], shapes[1], None))
            elif x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc"):
                found.same_weights += 1
            else:
                with np.errstate(invalid="ignore"):
                    largest = float(
                        np.nan_to_num(np.abs(x.astype(float) - y.astype(float)), nan=np.inf).max(initial=0.0)
                    )
                found.weights.append(WeightChange(name, called, tuple(x.shape), tuple(y.shape), largest))
    if not a.layers and not b.layers:  # weights alone: there are no layers to say what one file lacks
        found.only_a += [name for name, held in a.weights.items() if held and name not in names]
        found.only_b += [name for name, held in b.weights.items() if held and name not in names]
