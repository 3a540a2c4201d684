"""tf.keras 2's h5 files: whole models, and weights alone.

A file of weights has the attributes layer_names, backend and keras_version, and for each layer a group with the attribute
weight_names and a data set under each of those names. A whole model has these in the group model_weights, and the
architecture as JSON in the attribute model_config.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastorch.config import get_device, set_device, torch_dtype
from kerastorch.saving.atomic import check_overwrite, replacing
from kerastorch.saving.dialects import portable
from kerastorch.saving.matching import assign_all, match_by_name, match_by_order, pair_weights, stored_order
from kerastorch.saving.report import LoadReport
from kerastorch.saving.text import BACKEND, KERAS_VERSION, model_from_config, to_json
from kerastorch.variables import deferred_initialization

if TYPE_CHECKING:
    import h5py

__all__ = ["StoredLayer", "load_model", "load_weights", "save_model", "save_weights"]

_ATTRIBUTE_LIMIT = 64512
"""Bytes that HDF5 can hold in one attribute of an object header; longer lists are split over several."""

StoredLayer = tuple[str, list[tuple[str, Any]]]
"""A layer's name in a file, and its weights: their names and h5py data sets."""


# Writing


def save_model(
    model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True, save_format: str | None = None
) -> None:
    """Writes architecture and weights to one h5 file, atomically.

    Raises ValueError for another format, FileExistsError where a file is there and `overwrite` is false.
    """
    import h5py

    _check_format(filepath, save_format)
    check_overwrite(filepath, overwrite)
    described = json.loads(to_json(model))
    with replacing(filepath) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["keras_version"] = KERAS_VERSION
        file.attrs["backend"] = BACKEND
        del described["keras_version"], described["backend"]
        file.attrs["model_config"] = json.dumps(portable(described))
        _write_weights(file.create_group("model_weights"), model)
        kept = model._compile_config or {}
        for name, value in kept.get("attributes", {}).items():
            file.attrs[name] = value
        if include_optimizer and kept.get("optimizer_weights"):
            _write_tree(file.create_group("optimizer_weights"), kept["optimizer_weights"])


def save_weights(model: Any, filepath: Any, overwrite: bool = True, save_format: str | None = None) -> None:
    """Writes the weights to an h5 file, atomically. Raises as `save_model`, and ValueError for a model without weights yet."""
    import h5py

    _check_format(filepath, save_format)
    check_overwrite(filepath, overwrite)
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' has no weights to save yet: call it on data, or build(input_shape), first."
        )
    with replacing(filepath) as temporary, h5py.File(temporary, "w") as file:
        _write_weights(file, model)


def _check_format(filepath: Any, save_format: str | None) -> None:
    suffix = Path(filepath).suffix.lower()
    if (
        str(filepath).endswith(".weights.h5")
        or suffix == ".keras"
        or save_format not in (None, "h5", "hdf5", "keras_h5")
    ):
        raise ValueError(
            f"Cannot write {filepath} (save_format={save_format!r}): kerastorch writes tf.keras's h5. Name the file '*.h5'."
        )
    if suffix not in (".h5", ".hdf5", ".keras_h5") and save_format is None:
        raise ValueError(f"Cannot tell the format of {filepath}: name the file '*.h5', or pass save_format='h5'.")


def _write_weights(group: h5py.Group, model: Any) -> None:
    layers = model.layers
    _write_names(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"] = BACKEND
    group.attrs["keras_version"] = KERAS_VERSION
    for layer in layers:
        _write_layer(group.create_group(layer.name), stored_order(layer))
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


def load_model(
    filepath: Any,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
    device: Any = None,
    dtype: Any = None,
) -> Any:
    """The model in an h5 file, with its weights, ready for inference.

    custom_objects: name -> class or function, for what the library does not know. device: where the weights shall lie,
    by default CUDA where there is one. dtype: a float dtype to convert the model to.
    Raises OSError for a file that is missing or no HDF5, ValueError for one without an architecture or with weights that
    do not fit it; one message tells all that is wrong.
    Keras: tf.keras.models.load_model.
    """
    before = get_device()
    set_device(device if device is not None else before)
    try:
        with _open(filepath) as file:
            with deferred_initialization():
                model = model_from_config(_model_config(file, filepath), custom_objects)
            group = file.get("model_weights", file)
            model.load_report = _fill(model, group, filepath)
            model._compile_config = _training_state(file)
    finally:
        set_device(before)
    if dtype is not None:
        model.to(_float_dtype(dtype))
        for layer in model._flatten_layers():
            if layer.is_mixed:
                layer.dtype_policy = dtype
    return model


def _float_dtype(dtype: Any) -> Any:
    found = torch_dtype(dtype)
    if not found.is_floating_point:
        raise ValueError(f"load_model: dtype must be a float type, got {dtype!r}.")
    return found


def _open(filepath: Any) -> h5py.File:
    import h5py

    if isinstance(filepath, (str, os.PathLike)):
        path = Path(filepath)
        if not path.exists():
            raise OSError(f"No file or directory found at {path}.")
        if path.is_dir():
            raise OSError(
                f"{path} is a directory: TensorFlow's SavedModel, which kerastorch does not read. In TensorFlow write it as "
                f"h5: tf.keras.models.load_model({str(path)!r}).save('model.h5')."
            )
        if not h5py.is_hdf5(path):
            raise OSError(
                f"{path} is not an HDF5 file, or is cut off ({path.stat().st_size} bytes). "
                "Expected what model.save('x.h5') wrote."
            )
    try:
        return h5py.File(filepath, "r")
    except OSError as error:
        raise OSError(f"Cannot open {filepath} as HDF5; it may be cut off: {error}.") from error


def _model_config(file: h5py.File, filepath: Any) -> Any:
    if "model_config" not in file.attrs:
        kind = (
            "weights only: build the model and call model.load_weights"
            if "layer_names" in file.attrs
            else "no Keras model"
        )
        raise ValueError(f"No model config found in {filepath}: the file holds {kind}.")
    text = _text(file.attrs["model_config"])
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"The model_config of {filepath} is not JSON: {error}.") from error


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def load_weights(model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False) -> LoadReport:
    """Reads weights into a built model, by the order of layers or by their names.

    Raises OSError for a file that cannot be read, ValueError where the model has no weights yet and, listing every layer
    that does not fit, where the file is of another model; the model is then as it was.
    """
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' has no weights yet: call it on data, or build(input_shape), before load_weights."
        )
    if skip_mismatch and not by_name:
        raise ValueError(
            "load_weights: skip_mismatch=True goes with by_name=True, as without names nothing can be left out."
        )
    with _open(filepath) as file:
        group = file["model_weights"] if "layer_names" not in file.attrs and "model_weights" in file else file
        stored = read_layers(group, filepath)
        match = match_by_name if by_name else match_by_order
        report, pairs = match(model, stored, skip_mismatch)
        top = _top_level(group)
        if top and model._own_variables():
            pairs += pair_weights(model.name, model._own_variables(), top)
        assign_all(pairs, report)
        return report


def _top_level(group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    if "top_level_model_weights" not in group:
        return []
    inner = group["top_level_model_weights"]
    return [(name, inner[name]) for name in read_names(inner, "weight_names")]


def _fill(model: Any, group: h5py.Group, filepath: Any) -> LoadReport:
    stored = read_layers(group, filepath)
    names = [layer.name for layer in model.layers if layer.weights]
    by_name = len(set(names)) == len(names) and set(names) == {name for name, weights in stored if weights}
    report, pairs = (match_by_name if by_name else match_by_order)(model, stored, False)
    assign_all(pairs, report)
    for variable in model.weights:
        if variable.is_empty:
            variable.initialize()
    return report


def read_names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names from an attribute, or from the several that a long one was split over."""
    if attribute in group.attrs:
        return [_text(name) for name in np.asarray(group.attrs[attribute]).ravel()]
    names: list[str] = []
    for i in itertools.count():
        piece = group.attrs.get(f"{attribute}{i}")
        if piece is None:
            return names
        names += [_text(name) for name in np.asarray(piece).ravel()]
    raise AssertionError


def read_layers(group: h5py.Group, filepath: Any) -> list[StoredLayer]:
    """The layers in a group of weights, in order, each with its weights' names and data sets."""
    import h5py

    if "layer_names" not in group.attrs and "layer_names0" not in group.attrs:
        raise ValueError(
            f"{filepath} holds no Keras weights: the attribute layer_names is missing. It holds {list(group)[:8]}."
        )
    layers: list[StoredLayer] = []
    missing = []
    for name in read_names(group, "layer_names"):
        inner = group.get(name)
        if not isinstance(inner, h5py.Group):
            missing.append(name)
            continue
        weights = [(weight, inner.get(weight)) for weight in read_names(inner, "weight_names")]
        missing += [f"{name}/{weight}" for weight, data in weights if not isinstance(data, h5py.Dataset)]
        layers.append((name, weights))
    if missing:
        raise ValueError(f"{filepath} is damaged: it lists, but does not hold, {missing}.")
    return layers


def _training_state(file: h5py.File) -> dict[str, Any] | None:
    """What the file holds of compile(): kept as it is, and written back."""
    import h5py

    kept: dict[str, Any] = {}
    if "training_config" in file.attrs:
        kept["attributes"] = {"training_config": _text(file.attrs["training_config"])}
    if isinstance(file.get("optimizer_weights"), h5py.Group):
        group = file["optimizer_weights"]
        datasets: dict[str, np.ndarray] = {}
        group.visititems(lambda name, x: datasets.update({name: x[()]}) if isinstance(x, h5py.Dataset) else None)
        kept["optimizer_weights"] = {"attributes": dict(group.attrs), "datasets": datasets}
    return kept or None
