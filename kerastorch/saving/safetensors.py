"""`.safetensors`: a model's weights under their torch names, and, beside them as text, its architecture.

Names are the keys of `model.state_dict()`. What stands under several keys is stored once, under the first; the others are
listed in the metadata, as is the architecture as JSON. Needs the package safetensors.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from kerastorch.saving import text
from kerastorch.saving.atomic import replacing
from kerastorch.saving.matching import refuse
from kerastorch.saving.opening import check_size
from kerastorch.saving.origin import Origin
from kerastorch.saving.report import LoadReport, counted
from kerastorch.variables import deferred_initialization

__all__ = ["is_safetensors", "load_weights", "open_tensors", "read_config", "read_model", "save_weights"]

_CONFIG, _ALIASES, _LAYERS = "keras_config", "keras_aliases", "keras_layers"


def is_safetensors(filepath: Any) -> bool:
    """Whether a path's name says that it is such a file."""
    return isinstance(filepath, (str, os.PathLike)) and Path(filepath).suffix.lower() == ".safetensors"


def _package() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            "Reading and writing .safetensors needs the package safetensors: pip install safetensors."
        ) from error
    return safetensors


# Writing


def save_weights(model: Any, filepath: Any) -> None:
    """Writes the weights and, where the model has one, its architecture, atomically.

    Raises ImportError without the package safetensors, ValueError for a model with learned vocabularies, which are no
    tensors.
    """
    package = _package()
    learned = [layer.name for layer in model._flatten_layers() if getattr(layer, "learns_vocabulary", False)]
    if learned:
        raise ValueError(
            f"Cannot write model '{model.name}' to {filepath}: the vocabularies that {learned} learned are no tensors. "
            "Save it as .keras."
        )
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[Any, str] = {}
    for key, tensor in model.state_dict().items():
        place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride())
        if tensor.numel() and place in first:
            aliases[key] = first[place]
        else:
            first[place] = key
            tensors[key] = tensor.detach().cpu().contiguous()
    metadata = {"format": "pt"}
    with contextlib.suppress(NotImplementedError, TypeError, ValueError):
        metadata[_CONFIG] = text.to_json(model)  # of a model with code of its own the weights alone are written
        metadata[_LAYERS] = json.dumps(_by_layers(model))
    if aliases:
        metadata[_ALIASES] = json.dumps(aliases)
    with replacing(filepath) as temporary:
        package.torch.save_file(_apart(tensors), str(temporary), metadata)


def _apart(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors, those that lie in a storage with others copied out of it, as the format wants it."""
    owners: dict[int, int] = {}
    for tensor in tensors.values():
        place = tensor.untyped_storage().data_ptr()
        owners[place] = owners.get(place, 0) + 1
    return {
        key: tensor.clone() if owners[tensor.untyped_storage().data_ptr()] > 1 else tensor
        for key, tensor in tensors.items()
    }


def _by_layers(model: Any) -> dict[str, str]:
    """The keys of `model.state_dict()` with the names of the layers in drawn models in their place, and the keys: a model
    read from a config has the same names, but not always the same keys, as those count where the user gave no name."""
    places = {"": ""}
    drawn = set()
    for path, module in model.named_modules(remove_duplicate=False):
        parent, _, key = path.rpartition(".")
        if path:
            places[path] = f"{places[parent]}{module.name if parent in drawn and hasattr(module, 'name') else key}/"
        if hasattr(module, "_graph"):
            drawn.add(path)
    return {f"{places[key.rpartition('.')[0]]}{key.rpartition('.')[2]}": key for key in model.state_dict()}


# Reading


@contextlib.contextmanager
def open_tensors(filepath: Any) -> Iterator[tuple[Any, dict[str, str]]]:
    """The open file, whose `keys()`, `get_slice(key)` and `get_tensor(key)` tell what it holds, and its metadata.

    Raises OSError for what is missing, damaged or of another kind, ImportError without the package safetensors.
    """
    package = _package()
    if not Path(filepath).is_file():
        raise OSError(f"No file found at {filepath}.")
    try:
        opened = package.safe_open(str(filepath), framework="pt")
    except (OSError, ValueError, package.SafetensorError) as error:
        raise OSError(f"Cannot open {filepath} as safetensors; it may be cut off or damaged: {error}.") from error
    with opened as file:
        yield file, dict(file.metadata() or {})


def read_config(metadata: Mapping[str, str], filepath: Any) -> tuple[Origin, Any]:
    """Who wrote the architecture that stands in the metadata, and the architecture; ValueError where none does."""
    if _CONFIG not in metadata:
        raise ValueError(
            f"No model config found in {filepath}: it holds weights only. Build the model and call model.load_weights, or "
            "write the file with kerastorch, which keeps the architecture in it."
        )
    config = text.parse_json(metadata[_CONFIG], f"the architecture in {filepath}")
    return text.origin_of(config), config


def read_model(filepath: Any, custom_objects: Any = None) -> Any:
    """The model in a file that kerastorch wrote, with its weights."""
    with open_tensors(filepath) as (_, metadata):
        origin, config = read_config(metadata, filepath)
    with deferred_initialization():
        model = text.model_from_config(config, custom_objects, origin)
    total = sum(variable.tensor.numel() * variable.tensor.element_size() for variable in model.weights)
    check_size(str(filepath), os.path.getsize(filepath), total)
    for variable in model.weights:
        if variable.is_empty:
            variable._store(torch.empty(variable.shape, dtype=variable.tensor.dtype))
    model.load_report = _load(model, filepath, skip_mismatch=False, by_layers=True)
    return model


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> LoadReport:
    """Reads the weights into a built model, by the keys of its `state_dict()`.

    Raises ValueError, listing them all, for weights that the file lacks or has in other shapes, unless `skip_mismatch`;
    the model is then as it was.
    """
    return _load(model, filepath, skip_mismatch, by_layers=False)


def _load(model: Any, filepath: Any, skip_mismatch: bool, by_layers: bool) -> LoadReport:
    with open_tensors(filepath) as (file, metadata):
        stored = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        aliases = _texts(metadata, _ALIASES, filepath)
        layers = _texts(metadata, _LAYERS, filepath) if by_layers else {}
        called = {own: layers[name] for name, own in _by_layers(model).items() if name in layers} if layers else {}
        report = LoadReport(_origin(metadata, filepath))
        problems, pairs = [], []
        for key, tensor in model.state_dict(keep_vars=True).items():
            place = called.get(key, key)
            place = place if place in stored else aliases.get(place, place)
            problem = _problem(key, tensor, place, stored)
            if problem is None:
                pairs.append((key, place, tensor))
            elif skip_mismatch:
                report.skipped.append((key, problem))
            else:
                problems.append(problem)
        used = {place for _, place, _ in pairs}
        report.unused += [key for key in stored if key not in used]
        if problems and report.unused:
            problems.append(f"the file also holds {report.unused[:12]}{' ...' if len(report.unused) > 12 else ''}")
        refuse(model, problems)
        _copy(pairs, file.get_tensor, report)
    return report


def _copy(pairs: list[tuple[str, str, torch.Tensor]], read: Callable[[str], torch.Tensor], report: LoadReport) -> None:
    with torch.no_grad():
        for key, place, tensor in counted(pairs):
            tensor.copy_(read(place))
            report.loaded.append((key, place, "path"))


def _problem(key: str, tensor: torch.Tensor, place: str, stored: Mapping[str, tuple[int, ...]]) -> str | None:
    if place not in stored:
        return f"the file has no '{key}', of shape {tuple(tensor.shape)}"
    if stored[place] != tuple(tensor.shape):
        return f"'{key}' has shape {tuple(tensor.shape)}, '{place}' in the file {stored[place]}"
    return None


def _texts(metadata: Mapping[str, str], name: str, filepath: Any) -> dict[str, str]:
    found = text.parse_json(metadata.get(name, "{}"), f"the metadata '{name}' in {filepath}")
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"{filepath} is damaged: its metadata '{name}' is no list of names.")
    return found


def _origin(metadata: Mapping[str, str], filepath: Any) -> Origin:
    return read_config(metadata, filepath)[0] if _CONFIG in metadata else Origin(2)
