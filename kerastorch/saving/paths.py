"""Weights by the path of attributes that leads to them: the layout of Keras 3's `.weights.h5`, and of `.keras` archives since
tf.keras 2.12.

A layer's own weights stand under `vars/0`, `vars/1` ...; a layer that it holds as an attribute under that attribute's
name; those in a list, tuple or dict under the class's name in snake case, counted: `layers/dense_1/vars/0`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from kerastorch.layers.tracking import NO_PARTS, layers_in, named_parts
from kerastorch.saving.matching import Pair, assign_all, refuse
from kerastorch.saving.report import LoadReport
from kerastorch.variables import Variable

__all__ = ["class_path", "lacks_layers", "load_by_path", "normal", "stored_values", "weighted_layers"]

_DEPENDENCIES = "_layer_checkpoint_dependencies"
"""What tf.keras 2.12 and 2.14 called the `layers` of a drawn model."""

_PUBLIC_PARTS = {"MultiHeadAttention": ("_query_dense", "_key_dense", "_value_dense", "_output_dense")}
"""Parts of layers that Keras 3 shows by public names, which it then writes; tf.keras wrote the private ones."""


class _Way(NamedTuple):
    """How a Keras goes through a model.

    keras3: the attributes whose names begin with an underscore come after the others, not among them, and the layers of a dict
    in the order in which they came into it, not in that of their keys.
    backwards: from the attribute whose name comes last to the first, and what it has met already it does not count in lists.
    twice: in the lists of drawn models it counts layers that have weights as two.
    each_place: a layer that several drawn models hold is met in each.
    """

    keras3: bool = False
    backwards: bool = False
    twice: bool = False
    each_place: bool = False


_WAYS = (_Way(keras3=True), _Way(backwards=True), _Way(), _Way(twice=True))
"""Of Keras 3; of tf.keras since 2.15; of tf.keras 2.13 and 2.14; of tf.keras 2.12."""


def weighted_layers(model: Any, stored: Iterable[str] | None = None) -> list[tuple[str, Any]]:
    """Every layer within a model (and the model) with its path, which ends in a slash; each once, in Keras's order.

    stored: the paths in a file that is read: then in the order, and at the places, of the Keras whose way they fit best."""
    walks = (list(_walk(model, "", set(), way)) for way in _WAYS)
    best = next(walks)
    if stored is not None:
        folders = _folders(stored)
        for found in walks:
            if not _lacking(best, folders):
                break
            best = min(best, found, key=lambda layers: _lacking(layers, folders))
    return best


def _lacking(layers: Iterable[tuple[str, Any]], folders: set[str]) -> int:
    """For how many layers that have weights a file has nothing at all."""
    return sum(bool(x._saved_variables()) and normal(f"{path}vars/") not in folders for path, x in layers)


def _folders(stored: Iterable[str]) -> set[str]:
    """Every folder in which something is stored, with a slash at its end."""
    parts = (normal(path).split("/") for path in stored)
    return {f"{'/'.join(x[:depth])}/" for x in parts for depth in range(1, len(x))}


def stored_values(model: Any, keras2: bool = False) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every weight's layer, its path under which Keras 3 looks for it, and its value; those of a layer that several models
    within the model hold, at each of its places, as Keras 3 makes a layer of its own at each.

    keras2: under the path where tf.keras since 2.15 looks for it."""
    for path, layer in _walk(model, "", set(), _Way(backwards=True) if keras2 else _Way(keras3=True, each_place=True)):
        if not layer._saves_itself():
            for key, variable in layer._saved_variables().items():
                yield layer.name, f"{path}vars/{key}", variable.numpy()
            continue
        store: dict[str, Any] = {}
        layer.save_own_variables(store)
        for key, value in store.items():
            yield (
                layer.name,
                f"{path}vars/{key}",
                np.asarray(value.detach().cpu() if hasattr(value, "detach") else value),
            )


def _walk(layer: Any, path: str, seen: set[int], way: _Way, again: bool = False) -> Iterator[tuple[str, Any]]:
    if id(layer) in seen and not again:
        return
    seen.add(id(layer))
    yield path, layer
    again = way.each_place and _is_drawn(layer)
    parts = _parts(layer, way.keras3)
    if _is_users_model(layer):
        parts.append(("layers", _as_put_in(layer) if way.keras3 else layer.layers))
    parts.sort(key=lambda part: (way.keras3 and part[0].startswith("_"), part[0]), reverse=way.backwards)
    for name, child in parts:
        for place, part in _layers_in(child, f"{path}{name}/", way, seen, way.twice and _is_drawn(layer)):
            yield from _walk(part, place, seen, way, again)


def _layers_in(part: Any, path: str, way: _Way, seen: set[int], twice: bool = False) -> Iterator[tuple[str, Any]]:
    """The layers in an attribute, which may be lists and dicts of them, with their paths; `twice`: those with weights count
    as two."""
    if _is_layer(part):
        yield path, part
        return
    counts: dict[str, int] = {}
    for item in part.values() if isinstance(part, (Mapping, nn.ModuleDict)) else part:
        is_layer = _is_layer(item)
        if (not is_layer and not _is_container(item)) or (way.backwards and id(item) in seen):
            continue
        base = class_path(type(item).__name__) if is_layer else "container"
        count = counts[base] = counts.get(base, -1) + 1
        if twice and is_layer and _has_weights(item):
            counts[base] += 1
        yield from _layers_in(item, f"{path}{base}{f'_{count}' if count else ''}/", way, seen)


def _has_weights(layer: Any) -> bool:
    """Whether a layer has weights for tf.keras, which counts the table of a look-up among them that learns its vocabulary."""
    return bool(layer.weights) or any(getattr(x, "learns_vocabulary", False) for x in layer._flatten_layers())


def class_path(name: str) -> str:
    """`Conv2D` -> `conv2d`, `ConvLSTM1D` -> `conv_lstm1d`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _is_layer(value: Any) -> bool:
    return hasattr(type(value), "_saved_variables")


def _is_drawn(layer: Any) -> bool:
    return hasattr(layer, "_graph") or hasattr(layer, "_stack")


def _is_users_model(layer: Any) -> bool:
    """Whether this is a model with a `call` of its own: it has `layers` beside its attributes."""
    return hasattr(type(layer), "get_layer") and not _is_drawn(layer)


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, tuple, dict, nn.ModuleList, nn.ModuleDict))


def _parts(layer: Any, keras3: bool) -> list[tuple[str, Any]]:
    """The attributes of a layer that hold layers, under the names that a Keras has for them."""
    if _is_drawn(layer):
        return [("layers", layer.layers)]
    public = _PUBLIC_PARTS.get(type(layer).__name__, ()) if keras3 else ()
    own = {name: value for name, value in vars(layer).items() if _is_container(value) and name not in NO_PARTS}
    within = {key for name, value in own.items() for key, _ in named_parts(name, value)}
    found = {**own, **{name: module for name, module in layer._modules.items() if name not in within}}
    parts = [
        (name.lstrip("_") if name in public else name, value)
        for name, value in found.items()
        if _is_layer(value) or _is_container(value)
    ]
    return parts


def _as_put_in(model: Any) -> list[Any]:
    """A model's layers, those of dicts in the order in which they came into it."""
    held = (*vars(model).values(), *model._modules.values())
    dicts = [dict(value) for value in held if isinstance(value, dict) and all(map(_is_layer, value.values()))]
    place = {id(a): b for x in dicts for (_, a), b in zip(layers_in(x), x.values(), strict=True)}
    return [place.get(id(layer), layer) for layer in model.layers]


def lacks_layers(model: Any, stored: Mapping[str, Any]) -> bool:
    """Whether a file has nothing at all for some layer that has weights, as for one that the model holds twice."""
    return _lacking(weighted_layers(model, stored), _folders(stored)) > 0


def load_by_path(model: Any, stored: Mapping[str, Any], skip_mismatch: bool, report: LoadReport) -> LoadReport:
    """Gives a model's weights the values of data sets, by their paths; what a user's class stored in a way of its own, that
    class reads once all others fit.

    ValueError, listing them all, for layers whose weights the file lacks or has in other shapes, unless `skip_mismatch`.
    """
    layers = weighted_layers(model, stored)
    stores = _own_stores(layers, stored)
    pairs = _matched(model, layers, stored, {id(layer): found for layer, found in stores}, skip_mismatch, report)
    assign_all(pairs, report)
    for layer, found in stores:
        if found or not layer._saved_variables():
            _load_itself(layer, found, skip_mismatch, report)
    return report


def _own_stores(
    layers: list[tuple[str, Any]], stored: Mapping[str, Any]
) -> list[tuple[Any, dict[str, tuple[str, Any]]]]:
    """The layers that read their weights themselves, each with what is stored for it: key -> (path, data)."""
    by_folder: dict[str, dict[str, tuple[str, Any]]] = {}
    for path, data in stored.items():
        folder, _, key = path.rpartition("/")
        by_folder.setdefault(normal(folder), {})[key] = (path, data)
    return [(x, by_folder.get(normal(f"{at}vars"), {})) for at, x in layers if x._loads_itself()]


def _load_itself(layer: Any, found: dict[str, tuple[str, Any]], skip_mismatch: bool, report: LoadReport) -> None:
    try:
        layer.load_own_variables({key: np.asarray(data[()]) for key, (_, data) in found.items()})
    except (LookupError, ValueError) as error:
        problem = f"its load_own_variables, given {list(found)}, raised {type(error).__name__}: {error}"
        if not skip_mismatch:
            raise ValueError(f"Layer '{layer.name}': {problem}.") from error
        report.skipped.append((layer.name, problem))
    else:
        report.loaded += [(f"{layer.name}/{key}", path, "path") for key, (path, _) in found.items()]


def _matched(
    model: Any,
    layers: list[tuple[str, Any]],
    stored: Mapping[str, Any],
    own_ways: Mapping[int, Any],
    skip_mismatch: bool,
    report: LoadReport,
) -> list[Pair]:
    """The weights and their values, but for those of layers that read them themselves."""
    known = {normal(path): (path, data) for path, data in stored.items()}
    pairs: list[Pair] = []
    failed: list[tuple[str, dict[str, Variable]]] = []
    unbuilt: list[str] = []
    used = {normal(path) for found in own_ways.values() for path, _ in found.values()}
    for path, layer in layers:
        own = layer._saved_variables()
        if own_ways.get(id(layer)):
            continue
        if not own and not layer.built and any(place.startswith(normal(f"{path}vars/")) for place in known):
            why = f"layer '{layer.name}' is not built, as no call has told the shape of its inputs"
            (report.skipped.append((layer.name, why)) if skip_mismatch else unbuilt.append(why))
        if not own:
            continue
        places = [normal(f"{path}vars/{key}") for key in own]
        problem = _problem(layer, path, own, [known.get(place) for place in places])
        if problem is None:
            used.update(places)
            pairs += [(v, *known[place], "path") for v, place in zip(own.values(), places, strict=True)]
        elif skip_mismatch:
            report.skipped.append((layer.name, problem))
        else:
            failed.append((problem, own))
    met = {id(pair[0]) for pair in pairs}  # the weights of one layer may stand at another's place, too
    problems = unbuilt + [problem for problem, own in failed if not all(id(v) in met for v in own.values())]
    left = [path for place, (path, _) in known.items() if place not in used]
    report.unused += [path for path in left if not path.startswith(("optimizer/", "_optimizer/"))]
    if problems and report.unused:
        problems.append(f"the file also holds {report.unused[:12]}{' ...' if len(report.unused) > 12 else ''}")
    refuse(model, problems)
    return pairs


def normal(path: str) -> str:
    """The path without what versions spell differently: leading underscores, and the name of `layers` in tf.keras 2.12 to
    2.14."""
    parts = [part.lstrip("_") for part in path.split("/")]
    return "/".join("layers" if part == _DEPENDENCIES.lstrip("_") else part for part in parts)


def _problem(layer: Any, path: str, own: dict[str, Variable], found: list[Any]) -> str | None:
    if all(x is None for x in found):
        return f"layer '{layer.name}' expects {len(own)} weight(s) at '{path}vars', where the file has none"
    lacking = [f"{path}vars/{key}" for key, x in zip(own, found, strict=True) if x is None]
    if lacking:
        names = [v.name for v in own.values()]
        return f"layer '{layer.name}' expects {len(own)} weight(s) {names}; the file lacks {lacking}"
    wrong = [
        f"'{v.name}' has shape {v.shape}, '{place}' in the file {tuple(data.shape)}"
        for v, (place, data) in zip(own.values(), found, strict=True)
        if not v.fits(data.shape)
    ]
    return f"layer '{layer.name}': {', '.join(wrong)}" if wrong else None
