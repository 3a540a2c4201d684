"""`.keras` archives: those of Keras 3, and of tf.keras since 2.12.

A zip archive of config.json (the architecture), metadata.json (who wrote it), model.weights.h5 (weights by path, see
paths.py) and assets/ (vocabularies). Written as Keras 3 writes it.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kerastorch.registry import serialize
from kerastorch.saving import paths
from kerastorch.saving.atomic import replacing
from kerastorch.saving.dialects import keras3_writing
from kerastorch.saving.dialects.given_masks import with_given_masks
from kerastorch.saving.masks import check_masks
from kerastorch.saving.opening import Archive, text_attribute
from kerastorch.saving.origin import Origin
from kerastorch.saving.paths import load_by_path, normal, stored_values, weighted_layers
from kerastorch.saving.report import LoadReport
from kerastorch.saving.text import KERAS3_VERSION, parse_json, plain

__all__ = ["fill", "lacks_layers", "read_config", "read_training_state", "save_model", "save_weights"]

_CONFIG, _METADATA, _WEIGHTS, _ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets/"


# Writing


def save_model(model: Any, filepath: Any, include_optimizer: bool) -> None:
    """Writes a `.keras` archive, atomically. Raises ValueError for masks that Keras 3 would treat otherwise."""
    import h5py

    described, given = with_given_masks(plain(serialize(model)))
    check_masks(model, 3, given)
    config = keras3_writing.written(described)
    built = model.get_build_config()
    if built is not None:
        config.setdefault("build_config", plain(built))
    kept = _training_state(model)
    if include_optimizer and "compile_config" in kept:
        config["compile_config"] = kept["compile_config"]
    metadata = {"keras_version": KERAS3_VERSION, "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S")}
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        _write_weights(file, model)
        for path, value in kept.get("state", {}).items() if include_optimizer else ():
            file[path] = value
    with replacing(filepath) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(config))
        archive.writestr(_WEIGHTS, weights.getbuffer())
        for name, data in _assets(model).items():
            archive.writestr(name, data)


def _training_state(model: Any) -> dict[str, Any]:
    """What the model's file held of compile() and of the optimizer, as an archive has it; of h5 files, of Keras 3's alone."""
    kept = model._compile_config or {}
    text = kept.get("attributes", {}).get("training_config")
    if text is None or model.load_report is None or model.load_report.origin.generation != 3:
        return kept
    try:
        config = parse_json(text, "The file's training_config")
    except ValueError as error:
        warnings.warn(f"What the file held of compile() is left out: {error}", stacklevel=4)
        return {}
    optimizer = config.pop("optimizer_config", None) if isinstance(config, dict) else None
    if not isinstance(optimizer, Mapping):
        return {}
    config["optimizer"] = {"module": "keras.optimizers", "registered_name": None, **optimizer}
    stored = kept.get("optimizer_weights", {"attributes": {}, "datasets": {}})
    names = [x.decode() if isinstance(x, bytes) else x for x in stored["attributes"].get("weight_names", ())]
    values = [stored["datasets"].get(name) for name in names]
    state = {f"optimizer/vars/{i}": value for i, value in enumerate(values)}
    return {"compile_config": config, "state": state if all(value is not None for value in values) else {}}


def save_weights(model: Any, filepath: Any, dialect: str | None = None) -> None:
    """Writes Keras 3's `.weights.h5`, or, with dialect 'keras2', that of tf.keras since 2.15, atomically."""
    import h5py

    with replacing(filepath) as temporary, h5py.File(temporary, "w") as file:
        _write_weights(file, model, dialect == "keras2")


def _write_weights(file: Any, model: Any, keras2: bool = False) -> None:
    file.create_group("vars")  # which tf_keras wants, though a drawn model has no weights of its own
    for name, path, value in stored_values(model, keras2):
        file.create_dataset(path, data=value).parent.attrs["name"] = name


def _assets(model: Any) -> dict[str, bytes]:
    found = {}
    for path, layer in weighted_layers(model):
        if hasattr(layer, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                layer.save_assets(folder)
                for file in Path(folder).iterdir():
                    found[f"{_ASSETS}{path}{file.name}"] = file.read_bytes()
    return found


# Reading


def read_config(archive: Archive) -> tuple[Origin, Any]:
    """Who wrote an archive, and the architecture in it."""
    config = parse_json(archive.read(_CONFIG), f"{_CONFIG} in {archive.filename}")
    metadata = parse_json(archive.read(_METADATA), f"{_METADATA} in {archive.filename}")
    version = metadata.get("keras_version") if isinstance(metadata, Mapping) else None
    return Origin.of(version, default=3), config


def stored_weights(archive: Archive) -> dict[str, list[str]]:
    """The keys and shapes of the weights of each layer, by its name, which Keras 3 writes beside them; tf.keras does not."""
    found: dict[str, list[str]] = {}
    for path, data in archive.datasets(_WEIGHTS).items():
        name = text_attribute(archive.h5(_WEIGHTS)[data.name.rpartition("/")[0] or "/"], "name")
        if name is not None:
            found.setdefault(name, []).append(f"{path.rpartition('/')[2]} {data.shape}")
    return found


def lacks_layers(model: Any, archive: Archive) -> bool:
    """Whether the archive has nothing at all for some layer that has weights."""
    return paths.lacks_layers(model, archive.datasets(_WEIGHTS))


def fill(model: Any, archive: Archive, origin: Origin, skip_mismatch: bool = False) -> LoadReport:
    """Gives a model the weights and assets in an archive, by their paths."""
    report = load_by_path(model, archive.datasets(_WEIGHTS), skip_mismatch, LoadReport(origin))
    _read_assets(model, archive, report)
    return report


def _read_assets(model: Any, archive: Archive, report: LoadReport) -> None:
    by_folder: dict[str, list[str]] = {}
    for name in archive.names(_ASSETS):
        by_folder.setdefault(f"{PurePosixPath(name).parent}/".removeprefix(_ASSETS), []).append(name)
    if not by_folder:
        return
    layers = {normal(path): layer for path, layer in weighted_layers(model, [*archive.datasets(_WEIGHTS), *by_folder])}
    lost = [name for folder, names in by_folder.items() for name in names if normal(folder) not in layers]
    for folder, names in by_folder.items():
        layer = layers.get(normal(folder))
        if layer is None or not hasattr(layer, "load_assets"):
            report.unused += names
            continue
        with tempfile.TemporaryDirectory() as unpacked:
            for name in names:
                (Path(unpacked) / PurePosixPath(name).name).write_bytes(archive.read(name))
            layer.load_assets(unpacked)
    empty = [layer.name for layer in model._flatten_layers() if getattr(layer, "lacks_vocabulary", False)]
    if lost and empty:
        raise ValueError(
            f"{archive.filename}: layers {empty} of model '{model.name}' have no vocabulary, and {lost} in the archive belong to "
            "none of its layers. Is it the archive of another model?"
        )


def read_training_state(archive: Archive, config: Any) -> dict[str, Any] | None:
    """What the archive holds of compile(): kept as it is, and written back."""
    kept: dict[str, Any] = {}
    if isinstance(config, Mapping) and config.get("compile_config"):
        kept["compile_config"] = config["compile_config"]
    stored = archive.datasets(_WEIGHTS)
    state = {path: data[()] for path, data in stored.items() if path.startswith(("optimizer/", "_optimizer/"))}
    if state:
        kept["state"] = state
    return kept or None
