"""Keras's legacy h5 files: whole models, and weights alone.

A file of weights has the attributes layer_names, backend and keras_version, and for each layer a group with the attribute
weight_names and a data set under each of those names. A whole model has these in the group model_weights, and the
architecture as JSON in the attribute model_config.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastorch.registry import serialize
from kerastorch.saving import opening
from kerastorch.saving.atomic import replacing
from kerastorch.saving.dataset import Dataset
from kerastorch.saving.dialects import portable
from kerastorch.saving.dialects.given_masks import with_given_masks
from kerastorch.saving.dialects.keras3 import calls_by_keyword, names_lambdas_function
from kerastorch.saving.dialects.keras3_writing import needs_keras3, written
from kerastorch.saving.dialects.lora import with_lora
from kerastorch.saving.dialects.old_weights import converter, filed_layers, is_keras0, keras0_layers
from kerastorch.saving.dialects.remarks import remarks
from kerastorch.saving.masks import check_masks
from kerastorch.saving.matching import (
    StoredLayer,
    assign_all,
    match_by_name,
    match_by_order,
    pair_weights,
    stored_order,
)
from kerastorch.saving.opening import check_count, check_extent, datasets_in, member, text_attribute
from kerastorch.saving.origin import Origin
from kerastorch.saving.report import LoadReport
from kerastorch.saving.text import BACKEND, KERAS3_VERSION, KERAS_VERSION, parse_json, plain

if TYPE_CHECKING:
    import h5py

__all__ = [
    "fill",
    "is_weights",
    "load_weights",
    "read_config",
    "read_layers",
    "read_origin",
    "read_training_state",
    "save_model",
    "save_weights",
]

_ATTRIBUTE_LIMIT = 64512
"""Bytes that HDF5 can hold in one attribute of an object header; longer lists are split over several."""


# Writing


def save_model(model: Any, filepath: Any, include_optimizer: bool, dialect: str | None = None) -> None:
    """Writes architecture and weights to one h5 file, atomically. Raises ValueError for masks that the Keras whose form it
    gets would treat otherwise."""
    described = plain(serialize(model))
    as_keras3 = _is_keras3s(model, described) if dialect is None else dialect == "keras3"
    given: set[str] = set()
    if as_keras3:
        described, given = with_given_masks(described)
    check_masks(model, 3 if as_keras3 else 2, given)
    version = KERAS3_VERSION if as_keras3 else KERAS_VERSION
    config = json.dumps(written(described) if as_keras3 else portable(described))
    with _written_to(filepath) as file:
        file.attrs["keras_version"] = version.encode()  # bytes, which alone old versions take
        file.attrs["backend"] = BACKEND.encode()
        file.attrs["model_config"] = config.encode()
        _write_weights(file.create_group("model_weights"), model, version)
        kept = model._compile_config or {}
        for name, value in kept.get("attributes", {}).items():
            file.attrs[name] = value
        if include_optimizer and kept.get("optimizer_weights"):
            _write_tree(file.create_group("optimizer_weights"), kept["optimizer_weights"])


def _is_keras3s(model: Any, described: Any) -> bool:
    """Whether a model is written in Keras 3's form where nothing is said: what only Keras 3 can read, and what a file of
    Keras 3 held and it would not read in tf.keras 2's form."""
    came = model.load_report.origin.generation if model.load_report is not None else 2
    return needs_keras3(described) or (came == 3 and (calls_by_keyword(described) or names_lambdas_function(described)))


def save_weights(model: Any, filepath: Any) -> None:
    """Writes the weights to an h5 file, atomically."""
    with _written_to(filepath) as file:
        _write_weights(file, model, KERAS_VERSION)


@contextlib.contextmanager
def _written_to(filepath: Any) -> Iterator[h5py.File]:
    """A new file that takes the place of the old one once it is whole; or the open h5py.File that was given."""
    import h5py

    if isinstance(filepath, h5py.Group):
        yield filepath
        return
    with replacing(filepath) as temporary, h5py.File(temporary, "w") as file:
        yield file


def _write_weights(group: h5py.Group, model: Any, version: str) -> None:
    layers = model.layers
    _write_names(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"] = BACKEND.encode()
    group.attrs["keras_version"] = version.encode()
    for layer in layers:
        variables = stored_order(layer)
        if version == KERAS3_VERSION:
            inside = layer._flatten_layers()
            unknown = {id(x.idf_weights) for x in inside if getattr(x, "idf_weights", None) is not None}
            variables = [v for v in variables if id(v) not in unknown]
        _write_layer(group.require_group(layer.name), variables)  # `a/b/c` may come before `a/b`
    _write_layer(group.create_group("top_level_model_weights"), model._own_variables())


def _write_layer(group: h5py.Group, variables: list[Any]) -> None:
    names = _distinct([v.name for v in variables])
    _write_names(group, "weight_names", names)
    for name, variable in zip(names, variables, strict=True):
        group.create_dataset(name, data=variable.numpy())


def _distinct(names: list[str]) -> list[str]:
    """The names, with `_1`, `_2` ... where one comes again, as HDF5 needs them."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        count = seen[name] = seen.get(name, -1) + 1
        base, colon, rest = name.rpartition(":")
        result.append(name if not count else f"{base}_{count}{colon}{rest}")
    return result


def _write_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    encoded = [name.encode() for name in names]
    too_long = [name for name in names if len(name.encode()) > _ATTRIBUTE_LIMIT]
    if too_long:
        raise ValueError(
            f"HDF5 cannot hold names of more than {_ATTRIBUTE_LIMIT} bytes; {too_long[0][:40]}... is longer."
        )
    array = np.asarray(encoded)
    if array.nbytes <= _ATTRIBUTE_LIMIT:
        group.attrs[attribute] = array
        return
    pieces = 2
    while any(piece.nbytes > _ATTRIBUTE_LIMIT for piece in np.array_split(array, pieces)):
        pieces += 1
    for i, piece in enumerate(np.array_split(array, pieces)):
        group.attrs[f"{attribute}{i}"] = piece


def _write_tree(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    for name, value in tree["attributes"].items():
        group.attrs[name] = value
    for name, value in tree["datasets"].items():
        group.create_dataset(name, data=value)


# Reading


def read_config(file: h5py.File) -> Any:
    """The architecture in a file of a whole model; ValueError where it has none."""
    text = text_attribute(file, "model_config")
    if text is None:
        weights = is_weights(file) or any(name in file for name in ("layers", "vars", "_layer_checkpoint_dependencies"))
        kind = "weights only: build the model and call model.load_weights" if weights else "no Keras model"
        raise ValueError(f"No model config found in {file.filename}: the file holds {kind}.")
    return parse_json(text, f"the model_config of {file.filename}")


def is_weights(group: h5py.Group) -> bool:
    """Whether the attributes of legacy weights stand on a group."""
    return any(name in group.attrs for name in ("layer_names", "layer_names0")) or is_keras0(group)


def read_origin(file: h5py.File, layers: list[StoredLayer] | None = None) -> Origin:
    """Who wrote an h5 file, as its attributes, or else the form of its weights' names, tell; `layers`, if they are read."""
    group = _weights_group(file)
    version = text_attribute(file, "keras_version") or text_attribute(group, "keras_version")
    backend = text_attribute(file, "backend") or text_attribute(group, "backend")
    origin = Origin.of("0.3" if is_keras0(group) else version, backend, default=1)
    if origin.generation > 1 or origin.backend:
        return origin
    # Keras 1 and 0.3 do not say on what they ran, but TensorFlow's weights have names that end in ':0'.
    names = [name for _, weights in layers or read_layers(file) for name, _ in weights]
    return Origin(1, origin.version, "tensorflow" if any(name.endswith(":0") for name in names) else "theano")


def _weights_group(file: h5py.File) -> h5py.Group:
    inner = member(file, "model_weights") if not is_weights(file) else None
    return inner if inner is not None else file


def read_names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names from an attribute, or from the several that a long one was split over."""
    if attribute in group.attrs:
        return _names(opening.attribute(group, attribute))
    names: list[str] = []
    for i in itertools.count():
        piece = opening.attribute(group, f"{attribute}{i}")
        if piece is None:
            return names
        names += _names(piece)
    raise AssertionError


def _names(values: Any) -> list[str]:
    found = np.asarray(values).ravel().tolist()
    if not all(isinstance(name, (bytes, str)) for name in found):
        raise ValueError(f"Expected names in an attribute of the file, got {found[:4]}.")
    return [name.decode("utf-8") if isinstance(name, bytes) else name for name in found]


def read_layers(file: h5py.File) -> list[StoredLayer]:
    """The layers in a file of weights, in order, each with its weights' names and data sets."""
    import h5py

    group = _weights_group(file)
    if is_keras0(group):
        found = keras0_layers(group)
        check_extent(file, (data for _, weights in found for _, data in weights))
        return found
    if not is_weights(group):
        raise ValueError(
            f"{file.filename} holds no Keras weights: the attribute layer_names is missing. It holds {list(group)[:8]}."
        )
    layers: list[StoredLayer] = []
    missing = []
    count = 0
    for name in read_names(group, "layer_names"):
        inner = member(group, name)
        if not isinstance(inner, h5py.Group):
            missing.append(name)
            continue
        weights = [(weight, member(inner, weight)) for weight in read_names(inner, "weight_names")]
        count += 1 + len(weights)
        check_count(file, count)
        missing += [f"{name}/{weight}" for weight, data in weights if not isinstance(data, Dataset)]
        layers.append((name, weights))
    if missing:
        raise ValueError(f"{file.filename} is damaged: it lists, but does not hold, {missing}.")
    check_extent(file, (data for _, weights in layers for _, data in weights))
    return layers


def fill(model: Any, found: list[StoredLayer], config: Any, origin: Origin) -> LoadReport:
    """Gives a model made from a file's architecture (`read_config`) the weights that `read_layers` found in it."""
    layers, stored = filed_layers(model, with_lora(found, lambda: config), origin)
    report = LoadReport(origin, notes=remarks(model, origin))
    convert = converter(origin, report)
    own = [(layer, stored_order(layer)) for layer in layers]
    names = [layer.name for layer, variables in own if variables]
    if len(set(names)) == len(names) and set(names) == {name for name, weights in stored if weights}:
        pairs = match_by_name(model, own, stored, convert, False, report)
    else:
        pairs = match_by_order(model, own, stored, convert)
    assign_all(pairs, report)
    return report


def load_weights(model: Any, file: h5py.File, by_name: bool, skip_mismatch: bool) -> LoadReport:
    """Reads weights into a built model, by the order of its layers or by their names."""
    report = LoadReport(read_origin(file))
    report.notes += remarks(model, report.origin)
    found = with_lora(read_layers(file), lambda: read_config(file) if "model_config" in file.attrs else {})
    layers, stored = filed_layers(model, found, report.origin)
    convert = converter(report.origin, report)
    own = [(layer, stored_order(layer)) for layer in layers]
    if by_name:
        pairs = match_by_name(model, own, stored, convert, skip_mismatch, report)
    else:
        pairs = match_by_order(model, own, stored, convert)
    top = _top_level(_weights_group(file))
    if top and model._own_variables():
        pairs += pair_weights(model.name, model._own_variables(), top)
    assign_all(pairs, report)
    return report


def _top_level(group: h5py.Group) -> list[tuple[str, Dataset]]:
    inner = member(group, "top_level_model_weights")
    if inner is None:
        return []
    found = [(name, member(inner, name)) for name in read_names(inner, "weight_names")]
    found = [(name, data) for name, data in found if isinstance(data, Dataset)]
    check_extent(group.file, (data for _, data in found))
    return found


def read_training_state(file: h5py.File) -> dict[str, Any] | None:
    """What the file holds of compile(): kept as it is, and written back."""
    import h5py

    kept: dict[str, Any] = {}
    text = text_attribute(file, "training_config")
    if text is not None:
        kept["attributes"] = {"training_config": text}
    group = member(file, "optimizer_weights")
    if isinstance(group, h5py.Group):
        datasets = {name: data[()] for name, data in datasets_in(group).items()}
        kept["optimizer_weights"] = {
            "attributes": {key: opening.attribute(group, key) for key in group.attrs},
            "datasets": datasets,
        }
    return kept or None
