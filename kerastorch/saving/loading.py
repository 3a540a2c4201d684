"""Reading files, whatever they are: h5 of every era, `.weights.h5`, `.keras`, `.safetensors`."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kerastorch.config import get_device, set_device, torch_dtype
from kerastorch.saving import archive, h5, safetensors, text
from kerastorch.saving.dataset import reading_ahead
from kerastorch.saving.dialects import sharing_alike
from kerastorch.saving.masks import warn_of_lost_masks
from kerastorch.saving.matching import StoredLayer
from kerastorch.saving.opening import Archive, datasets_in, member, open_file
from kerastorch.saving.origin import Origin
from kerastorch.saving.paths import load_by_path
from kerastorch.saving.report import LoadReport
from kerastorch.untrusted import reading, running_code
from kerastorch.variables import deferred_initialization

__all__ = ["load_model", "load_weights", "made_on"]


def load_model(
    filepath: Any,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
    device: Any = None,
    dtype: Any = None,
) -> Any:
    """The model in an h5 file or `.keras` archive of any generation, or in a `.safetensors` that kerastorch wrote, with its
    weights, ready for inference.

    filepath: a path, the file's bytes, an open binary file, or an open h5py.File. custom_objects: name -> class or function,
    for what the library does not know; also the name of a Lambda layer -> its function. safe_mode: with False, Lambda layers
    take the Python code that the file holds for them: only for files that you trust as you trust a program. device: where the
    weights shall lie, by default CUDA where there is one. dtype: a float dtype to convert the model to.
    `model.load_report` tells what went where. Large matrices lie in memory as in the file: transposed views, not contiguous.
    Raises OSError for a file that is missing, cut off, damaged or of another kind, ValueError for one without an
    architecture, with weights that do not fit it or with what a Keras file never holds, ValueError or TypeError for a config
    that describes no model; one message tells all that is wrong.
    Keras: tf.keras.models.load_model.
    """
    wanted = None if dtype is None else _float_dtype(dtype)
    with made_on(device), running_code(not safe_mode), reading(_called(filepath)), _collector_paused():
        read = safetensors.read_model if safetensors.is_safetensors(filepath) else _read
        model = read(filepath, custom_objects)
    if wanted is not None:
        model.to(wanted)
        for layer in model._flatten_layers():
            if layer.is_mixed:
                layer.dtype_policy = dtype
    return model


def _read(filepath: Any, custom_objects: Any) -> Any:
    with open_file(filepath) as file:
        read = _read_archive if isinstance(file, Archive) else _read_h5
        model = read(file, custom_objects, _called(filepath))
        for variable in model.weights:
            if variable.is_empty:
                variable.initialize()
    if model.load_report.origin.generation == 3:
        warn_of_lost_masks(model)
    return model


def _read_h5(file: Any, custom_objects: Any, called: str) -> Any:
    config = h5.read_config(file)
    stored = h5.read_layers(file)
    origin = h5.read_origin(file, stored)
    with reading_ahead(file.descriptor, (data for _, weights in stored for _, data in weights)):
        model = _made(config, custom_objects, origin, lambda: _named_weights(stored), called)
        if not model.built:
            _build(model, config)
        model.load_report = h5.fill(model, stored, config, origin)
    model._compile_config = h5.read_training_state(file)
    return model


def _read_archive(file: Archive, custom_objects: Any, called: str) -> Any:
    origin, config = archive.read_config(file)
    model = _made(config, custom_objects, origin, lambda: archive.stored_weights(file), called)
    if archive.lacks_layers(model, file):
        # Weights are stored at the first place alone of a model that several models hold.
        model = _made(sharing_alike(config), custom_objects, origin, dict, called)
    if not model.built:
        _build(model, config)
    model.load_report = archive.fill(model, file, origin)
    model._compile_config = archive.read_training_state(file, config)
    return model


def _made(
    config: Any, custom_objects: Any, origin: Origin, weights: Callable[[], Mapping[str, list[str]]], called: str
) -> Any:
    """A model without values in its weights. weights: gives those in the file, to be told of unknown layers."""
    with deferred_initialization():
        model = text.model_from_config(config, custom_objects, origin, weights)
    if not hasattr(model, "layers"):
        raise ValueError(f"{called} describes a {type(model).__name__}, which is no model.")
    return model


def _build(model: Any, config: Any) -> None:
    """Makes the weights of a model whose architecture is its class's code, for the shape that the file tells."""
    told = config.get("build_config")
    shape = told.get("input_shape") if isinstance(told, Mapping) else None
    if shape is None:
        raise ValueError(
            f"Model '{model.name}' is a {type(model).__name__}, whose file does not tell the shape of its inputs. Make it in "
            "code, call it on data, and then load_weights from the file."
        )
    with deferred_initialization():
        model.build(shape)


def _named_weights(stored: list[StoredLayer]) -> dict[str, list[str]]:
    """The names and shapes of the weights that an h5 file holds for each layer."""
    found = {name: [f"{w} {tuple(data.shape)}" for w, data in weights] for name, weights in stored}
    top = set(found)
    for name, shape in ((w, data.shape) for _, weights in stored for w, data in weights):
        for layer in name.split("/")[:-1]:  # one in a model within the model
            if layer not in top:
                found.setdefault(layer, []).append(f"{name} {tuple(shape)}")
    return found


@contextmanager
def made_on(device: Any) -> Iterator[None]:
    """Within the block, new weights lie on this device; None leaves it as it is."""
    before = get_device()
    set_device(device if device is not None else before)
    try:
        yield
    finally:
        set_device(before)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Within the block, Python does not look for garbage: among the many objects that a model is made of, which all stay, it
    would look again and again, a tenth of the time."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _float_dtype(dtype: Any) -> Any:
    found = torch_dtype(dtype)
    if not found.is_floating_point:
        raise ValueError(f"load_model: dtype must be a float type, got {dtype!r}.")
    return found


def load_weights(model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False) -> LoadReport:
    """Reads the weights in a file into a built model: by the order of layers or by their names from legacy h5, by their
    paths from `.weights.h5` and `.keras`, by the keys of `model.state_dict()` from `.safetensors`.

    Raises OSError for a file that cannot be read, ValueError where the model has no weights yet and, listing every layer
    that does not fit, where the file is of another model; the model is then as it was.
    """
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' has no weights yet: call it on data, or build(input_shape), before load_weights."
        )
    with reading(_called(filepath)):
        return _load_weights(model, filepath, by_name, skip_mismatch)


def _called(filepath: Any) -> str:
    return str(filepath) if isinstance(filepath, (str, os.PathLike)) else f"This {type(filepath).__name__}"


def _load_weights(model: Any, filepath: Any, by_name: bool, skip_mismatch: bool) -> LoadReport:
    if safetensors.is_safetensors(filepath):
        _refuse_names(by_name, filepath)
        return safetensors.load_weights(model, filepath, skip_mismatch)
    with open_file(filepath) as file:
        if isinstance(file, Archive):
            _refuse_names(by_name, filepath)
            return archive.fill(model, file, archive.read_config(file)[0], skip_mismatch)
        if h5.is_weights(file) or member(file, "model_weights") is not None:
            if skip_mismatch and not by_name:
                raise ValueError(
                    "load_weights: skip_mismatch=True goes with by_name=True for this file, as without names nothing can "
                    "be left out."
                )
            return h5.load_weights(model, file, by_name, skip_mismatch)
        _refuse_names(by_name, filepath)
        stored = datasets_in(file)
        if not any(path.startswith("vars/") or "/vars/" in path for path in stored) and member(file, "vars") is None:
            raise ValueError(
                f"{filepath} holds no Keras weights: neither the attribute layer_names nor paths with 'vars'. It holds "
                f"{list(stored)[:8]}."
            )
        return load_by_path(model, stored, skip_mismatch, LoadReport(Origin(3)))


def _refuse_names(by_name: bool, filepath: Any) -> None:
    if by_name:
        raise ValueError(
            f"load_weights: by_name=True is for legacy h5 files; {filepath} has its weights by path. Leave it out, or pass "
            "skip_mismatch=True to load what fits."
        )
