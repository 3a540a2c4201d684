"""What a file holds, said without running anything in it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

from kerastorch.graph import map_tensors
from kerastorch.registry import deserialize, find
from kerastorch.saving.loading import made_on
from kerastorch.saving.text import model_from_config
from kerastorch.tools.stored import Stored, StoredWeight, Training, layers_in, open_stored
from kerastorch.untrusted import reading, running_code
from kerastorch.variables import deferred_initialization

__all__ = ["Inspection", "LayerInfo", "Need", "inspect"]


@dataclass
class LayerInfo:
    """A layer of a file. output_shape: None where the model cannot be made. parameters, weights, dtypes: of what is stored
    for it, those of the layers within it included. depth: 0, or how many models it lies in."""

    name: str
    class_name: str
    output_shape: str | None = None
    parameters: int | None = None
    weights: int | None = None
    dtypes: list[str] = field(default_factory=list)
    depth: int = 0


@dataclass
class Need:
    """What must be given for the model to be made. kind: 'layer', 'Lambda', 'activation' ...; name: what the file calls it;
    layers: where it stands; reason: the message without it."""

    kind: str
    name: str
    layers: list[str]
    reason: str


@dataclass
class Inspection:
    """What `inspect` found. opens: whether load_model can make the model. problem: why it cannot, where `needs` do not say
    it. inputs, outputs: (name, shape, dtype)."""

    path: str
    bytes: int
    container: str
    origin: str
    generation: int
    version: str
    backend: str
    weights_only: bool
    name: str = ""
    class_name: str = ""
    layers: list[LayerInfo] = field(default_factory=list)
    weights: int = 0
    parameters: int = 0
    weight_bytes: int = 0
    dtypes: list[str] = field(default_factory=list)
    inputs: list[tuple[str, str, str]] = field(default_factory=list)
    outputs: list[tuple[str, str, str]] = field(default_factory=list)
    training: Training | None = None
    needs: list[Need] = field(default_factory=list)
    opens: bool = False
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self)


def inspect(file: Any, custom_objects: Any = None) -> Inspection:
    """What stands in a file, of any kind that is read: who wrote it, its layers, weights and training state, and what must
    be replaced for it to be loaded. Nothing of the file is run, and no weights are read.

    custom_objects: as for load_model. Raises OSError for a file that cannot be read, ValueError for what no Keras file
    holds; layers and functions that are not known are listed in the answer.
    """
    with reading(str(file)), running_code(False), open_stored(file) as stored:
        flat = [weight for weights in stored.weights.values() for weight in weights]
        found = Inspection(
            path=stored.path,
            bytes=os.path.getsize(file) if isinstance(file, (str, os.PathLike)) else 0,
            container=stored.container,
            origin=str(stored.origin),
            generation=stored.origin.generation,
            version=stored.origin.version,
            backend=stored.origin.backend,
            weights_only=stored.config is None,
            weights=len(flat),
            parameters=sum(weight.size for weight in flat),
            weight_bytes=sum(weight.nbytes for weight in flat),
            dtypes=_dtypes(flat),
            training=stored.training,
        )
        if stored.config is None:
            found.layers = [_layer_info(name, "", weights) for name, weights in stored.weights.items() if weights]
        else:
            _describe(found, stored, custom_objects)
    return found


def _dtypes(weights: list[StoredWeight]) -> list[str]:
    return sorted({weight.dtype for weight in weights})


def _layer_info(name: str, class_name: str, weights: list[StoredWeight] | None, depth: int = 0) -> LayerInfo:
    info = LayerInfo(name, class_name, depth=depth)
    if weights is not None:
        info.parameters, info.weights = sum(weight.size for weight in weights), len(weights)
        info.dtypes = _dtypes(weights)
    return info


def _describe(found: Inspection, stored: Stored, custom_objects: Any) -> None:
    config = stored.config
    assert config is not None
    inner = config.get("config")
    found.class_name = str(config["class_name"])
    found.name = str(inner.get("name") or "") if isinstance(inner, Mapping) else ""
    holds_weights = bool(stored.weights)
    for class_name, name, layer in layers_in(config):
        info = _layer_info(name, class_name, stored.weights.get(name, []) if holds_weights else None)
        info.output_shape = _declared_shape(class_name, layer)
        found.layers += [info, *_nested(layer, 1)]
    found.inputs = _declared_inputs(config)
    model = None
    with warnings.catch_warnings(), made_on("cpu"), deferred_initialization():
        warnings.simplefilter("ignore")
        found.needs = _needs(config, custom_objects)
        if not found.needs:
            try:
                model = model_from_config(config, custom_objects, stored.origin)
            except Exception as error:  # whatever a file can bring about: it is what is asked for
                found.problem = _first_line(error)
    found.opens = model is not None
    if model is not None:
        _fill_in(found, model, stored.container.startswith("safetensors") or not holds_weights)


def _nested(layer: Mapping[str, Any], depth: int) -> list[LayerInfo]:
    rows: list[LayerInfo] = []
    for class_name, name, inner in layers_in(layer):
        shape = _declared_shape(class_name, inner)
        rows += [LayerInfo(name, class_name, shape, depth=depth), *_nested(inner, depth + 1)]
    return rows


def _declared_shape(class_name: str, layer: Mapping[str, Any]) -> str | None:
    """The shape of an input, as its config says it."""
    inner = layer.get("config")
    shape = inner.get("batch_input_shape") if isinstance(inner, Mapping) and class_name == "InputLayer" else None
    return str(tuple(shape)) if isinstance(shape, (list, tuple)) else None


def _declared_inputs(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for class_name, name, layer in layers_in(config):
        inner = layer.get("config")
        shape = inner.get("batch_input_shape") if isinstance(inner, Mapping) else None
        if isinstance(shape, (list, tuple)) and (class_name == "InputLayer" or not found):
            found.append((name, str(tuple(shape)), str(inner.get("dtype") or "float32")))  # type: ignore[union-attr]
    return found


def _needs(config: Any, custom_objects: Any) -> list[Need]:
    """What cannot be made of the layers in a model's description, each thing once."""
    found: dict[tuple[str, str], Need] = {}

    def visit(described: Mapping[str, Any]) -> None:
        layers = layers_in(described)
        if layers or described.get("class_name") in ("Functional", "Model", "Sequential"):
            for _, _, layer in layers:
                visit(layer)
            return
        need = _need(described, custom_objects)
        if need is not None:
            known = found.setdefault((need.kind, need.name), need)
            known.layers += [name for name in need.layers if name not in known.layers]

    visit(config)
    return list(found.values())


_UNKNOWN = re.compile(r"Unknown (\w+): '([^']*)'")


def _need(described: Mapping[str, Any], custom_objects: Any) -> Need | None:
    class_name, inner = str(described["class_name"]), described.get("config")
    name = str(inner.get("name") or described.get("name") or "") if isinstance(inner, Mapping) else ""
    if find("layer", class_name, custom_objects) is None:
        return Need("layer", class_name, [name], "a class that kerastorch does not have")
    try:
        deserialize(
            "layer", {key: described[key] for key in ("class_name", "config") if key in described}, custom_objects
        )
    except Exception as error:  # whatever a file can bring about: it is what is asked for
        said = _first_line(error)
        if class_name == "Lambda":
            return Need("Lambda", name, [name], "a function as code, which is not taken from a file")
        unknown = _UNKNOWN.search(said)
        if unknown:
            return Need(unknown[1], unknown[2], [name], f"{_with_article(unknown[1])} that kerastorch does not have")
        return Need(class_name, said, [name], said)
    return None


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{said[0] if said else type(error).__name__}"


def _fill_in(found: Inspection, model: Any, counts: bool) -> None:
    """What only the model, made without weights, can tell."""
    rows = _by_path(found.layers)

    def visit(layers: list[Any], path: tuple[str, ...]) -> None:
        for layer in layers:
            info = rows.get((*path, layer.name))
            if info is None:
                continue
            info.output_shape = _shape(layer) or info.output_shape
            if path or counts:
                info.parameters = sum(prod(v.shape) for v in layer.weights)
                info.weights = len(layer.weights)
                info.dtypes = sorted({v.dtype for v in layer.weights})
            if hasattr(layer, "_graph"):
                visit(layer.layers, (*path, layer.name))

    visit(model.layers, ())
    if counts and not found.weights:
        found.parameters = sum(prod(v.shape) for v in model.weights)
    if hasattr(model, "_graph"):
        found.inputs = [(x.node.layer.name, str(x.shape), x.dtype) for x in model.inputs]
        found.outputs = [(x.node.layer.name, str(x.shape), x.dtype) for x in model.outputs]


def _by_path(layers: list[LayerInfo]) -> dict[tuple[str, ...], LayerInfo]:
    """The rows by the names of the models that they lie in, and their own."""
    found: dict[tuple[str, ...], LayerInfo] = {}
    path: list[str] = []
    for info in layers:
        path[info.depth :] = [info.name]
        found[tuple(path)] = info
    return found


def _shape(layer: Any) -> str | None:
    shapes = [map_tensors(lambda x: x.shape, node.outputs) for node in layer.inbound_nodes]
    if not shapes:
        return None
    said = list(dict.fromkeys(map(str, shapes)))
    return said[0] if len(said) == 1 else " or ".join(said)
