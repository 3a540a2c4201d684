"""What stands in a file, of any kind that is read: who wrote it, its architecture, its weights by layer. No model is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from kerastorch.saving import archive, h5, safetensors, text
from kerastorch.saving.dialects import canonical
from kerastorch.saving.opening import Archive, datasets_in, member, open_file, text_attribute
from kerastorch.saving.origin import Origin
from kerastorch.saving.paths import class_path

__all__ = ["Stored", "StoredWeight", "Training", "is_architecture", "layers_in", "open_stored"]

_TEXT = {".json": "JSON", ".yaml": "YAML", ".yml": "YAML"}
_ARCHIVED_WEIGHTS = "model.weights.h5"
_FOLDERS = {"layers", "_layer_checkpoint_dependencies", "vars"}
"""One of these a file of weights by path has, also where the model has none."""
_STATE = ("optimizer/", "_optimizer/")
_BESIDE = (*_STATE, "metrics/", "_metrics/", "loss_tracker/", "_loss_tracker/", "compile_metrics/")
"""Where in a file the state of the training lies, which is none of the model's weights."""


@dataclass(frozen=True)
class StoredWeight:
    """One array of a file: its place there, shape, dtype, and how to read it while the file is open."""

    place: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray] = field(repr=False, compare=False)

    @property
    def size(self) -> int:
        """The number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the values take in memory."""
        bits = {"bfloat16": 16, "bool": 8}.get(self.dtype) or int("".join(filter(str.isdigit, self.dtype)) or 0)
        return self.size * bits // 8


@dataclass(frozen=True)
class Training:
    """What a file keeps of compile() and fit(): names of the optimizer, losses and metrics, and the optimizer's arrays."""

    optimizer: str = ""
    loss: str = ""
    metrics: str = ""
    state_arrays: int = 0
    state_bytes: int = 0


@dataclass
class Stored:
    """An open file. container: what kind it is, in words. config: the architecture in tf.keras 2's form, None where the
    file holds weights only. weights: by the layer (or, without an architecture, the group) that they are stored for."""

    path: str
    container: str
    origin: Origin
    config: dict[str, Any] | None
    weights: dict[str, list[StoredWeight]] = field(default_factory=dict)
    training: Training | None = None


def is_architecture(path: Any) -> bool:
    """Whether a file's name says that it is an architecture as JSON or YAML text."""
    return isinstance(path, (str, os.PathLike)) and Path(path).suffix.lower() in _TEXT


@contextmanager
def open_stored(path: Any) -> Iterator[Stored]:
    """Opens a file: h5 of any kind, `.keras`, `.safetensors`, or an architecture as `.json`, `.yaml`.

    Raises OSError for a file that cannot be read, ValueError for what no Keras file holds.
    """
    if is_architecture(path):
        yield _architecture(Path(path))
    elif safetensors.is_safetensors(path):
        with safetensors.open_tensors(path) as (file, metadata):
            yield _tensors(str(path), file, metadata)
    else:
        with open_file(path) as file:
            if isinstance(file, Archive):
                yield _archive(str(path), file)
            else:
                yield _h5(str(path), file)


def _architecture(path: Path) -> Stored:
    if not path.is_file():
        raise OSError(f"No file found at {path}.")
    kind = _TEXT[path.suffix.lower()]
    written = path.read_text(encoding="utf-8", errors="replace")
    config = text.parse_json(written, str(path)) if kind == "JSON" else text.parse_yaml(written, str(path))
    origin = text.origin_of(config)
    return Stored(str(path), f"{kind} architecture", origin, _canonical(config, origin, path))


def _canonical(config: Any, origin: Origin, path: Any) -> dict[str, Any]:
    found = canonical(config, origin)
    if not isinstance(found, Mapping) or "class_name" not in found:
        raise ValueError(f"{path} describes no model: expected an object with 'class_name' and 'config'.")
    return dict(found)


def _h5(path: str, file: Any) -> Stored:
    whole = "model_config" in file.attrs
    if not whole and not h5.is_weights(file) and member(file, "model_weights") is None:
        found = {place: _from_h5(place, data) for place, data in datasets_in(file).items()}
        if not any("vars" in place.split("/") for place in found) and not _FOLDERS & set(file):
            raise ValueError(
                f"{path} is no Keras file: it has neither model_config nor layer_names, nor weights under 'vars'. It holds "
                f"{list(file)[:8]}."
            )
        kept = {place: weight for place, weight in found.items() if not place.startswith(_BESIDE)}
        return Stored(path, "Keras 3 weights (.weights.h5)", Origin(3), None, _by_folder(kept), _state_alone(found))
    origin = h5.read_origin(file)
    config = _canonical(h5.read_config(file), origin, path) if whole else None
    weights: dict[str, list[StoredWeight]] = {}
    for name, stored in h5.read_layers(file):
        weights.setdefault(name, []).extend(_from_h5(place, data) for place, data in stored)
    kind = "h5 model" if whole else "h5 weights"
    return Stored(path, kind, origin, config, weights, _h5_training(file))


def _from_h5(place: str, data: Any) -> StoredWeight:
    return StoredWeight(place, data.shape, str(data.dtype), lambda: np.asarray(data[()]))


def _h5_training(file: Any) -> Training | None:
    written = text_attribute(file, "training_config")
    config = text.parse_json(written, "the training_config") if written else None
    group = member(file, "optimizer_weights")
    arrays = [_from_h5(p, x) for p, x in datasets_in(group).items()] if hasattr(group, "keys") else []
    if config is None and not arrays:
        return None
    return _training(config, (config or {}).get("optimizer_config"), arrays)


def _training(config: Any, optimizer: Any, arrays: list[StoredWeight]) -> Training:
    config = config if isinstance(config, Mapping) else {}
    return Training(
        _said(optimizer),
        _said(config.get("loss")),
        _said(config.get("metrics")),
        len(arrays),
        sum(x.nbytes for x in arrays),
    )


def _said(x: Any) -> str:
    """The names in a part of what compile() was given."""
    if isinstance(x, Mapping) and "class_name" in x:
        inner = x.get("config")
        named = inner.get("name") or inner.get("fn") if isinstance(inner, Mapping) else None
        said = str(named if isinstance(named, str) and x["class_name"] == "MeanMetricWrapper" else x["class_name"])
        return said.rpartition(">")[2]
    if isinstance(x, Mapping):
        return ", ".join(f"{key}: {_said(value)}" for key, value in x.items() if value)
    if isinstance(x, (list, tuple)):
        return ", ".join(filter(None, map(_said, x)))
    return str(x) if x else ""


def _state_alone(found: Mapping[str, StoredWeight]) -> Training | None:
    arrays = [weight for place, weight in found.items() if place.startswith(_STATE)]
    return _training(None, None, arrays) if arrays else None


def _archive(path: str, file: Archive) -> Stored:
    origin, raw = archive.read_config(file)
    config = _canonical(raw, origin, path)
    found = {place: _from_h5(place, data) for place, data in file.datasets(_ARCHIVED_WEIGHTS).items()}
    compiled = raw.get("compile_config") if isinstance(raw, Mapping) else None
    arrays = [weight for place, weight in found.items() if place.startswith(_STATE)]
    training = None
    if compiled or arrays:
        training = _training(compiled, (compiled or {}).get("optimizer"), arrays)
    kept = {place: weight for place, weight in found.items() if not place.startswith(_BESIDE)}
    return Stored(path, "Keras archive (.keras)", origin, config, _by_layer(kept, config), training)


def _by_layer(found: Mapping[str, StoredWeight], config: Mapping[str, Any]) -> dict[str, list[StoredWeight]]:
    """The weights in an archive by the names of the layers: a layer's folder is its class, counted."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for class_name, name, _ in layers_in(config):
        base = class_path(class_name.rpartition(">")[2])
        count = counts[base] = counts.get(base, -1) + 1
        names[f"{base}_{count}" if count else base] = name
    weights: dict[str, list[StoredWeight]] = {name: [] for name in names.values()}
    for place, weight in found.items():
        parts = place.lstrip("_").split("/")
        inside = parts[0] in ("layers", "layer_checkpoint_dependencies") and len(parts) > 1
        name = names.get(parts[1], parts[1]) if inside else parts[0]
        weights.setdefault(name, []).append(weight)
    return weights


def _by_folder(found: Mapping[str, StoredWeight]) -> dict[str, list[StoredWeight]]:
    """Weights by the folder that holds `vars`."""
    weights: dict[str, list[StoredWeight]] = {}
    for place, weight in found.items():
        weights.setdefault(place.rpartition("/vars/")[0] or place, []).append(weight)
    return weights


def _tensors(path: str, file: Any, metadata: Mapping[str, str]) -> Stored:
    weights: dict[str, list[StoredWeight]] = {}
    for key in sorted(file.keys()):
        part = file.get_slice(key)
        dtype = _DTYPES.get(part.get_dtype(), str(part.get_dtype()).lower())
        stored = StoredWeight(key, tuple(part.get_shape()), dtype, lambda key=key: _array(file.get_tensor(key)))
        weights.setdefault(key.partition(".")[0], []).append(stored)
    try:
        origin, raw = safetensors.read_config(metadata, path)
    except ValueError:
        return Stored(path, "safetensors weights", Origin(2), None, weights)
    return Stored(path, "safetensors model", origin, _canonical(raw, origin, path), weights)


_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def _array(tensor: Any) -> np.ndarray:
    return tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()


def layers_in(config: Any) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(class, name, description) of the layers directly within the description of a model; none for any other layer."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    listed = inner.get("layers") if isinstance(inner, Mapping) else inner
    found = []
    for layer in listed if isinstance(listed, list) else ():
        if isinstance(layer, Mapping) and isinstance(layer.get("class_name"), str):
            own = layer.get("config")
            named = layer.get("name") or (own.get("name") if isinstance(own, Mapping) else "")
            found.append((layer["class_name"], str(named or ""), layer))
    return found
