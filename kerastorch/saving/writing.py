"""Writing files: which form a name asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerastorch.saving import archive, h5, safetensors
from kerastorch.saving.atomic import check_overwrite

__all__ = ["save_model", "save_weights"]

_H5 = (".h5", ".hdf5", ".keras_h5")


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
    dialect: str | None = None,
) -> None:
    """Writes architecture and weights to one file, atomically: `.keras` as Keras 3 has it, else h5.

    filepath: a path, or an open h5py.File to write into.
    save_format: 'keras' or 'h5', where the file's name does not tell. dialect: whose form an h5 file gets: 'keras2', which
    tf.keras and Keras 3 read wherever they have the layers, or 'keras3'; by default the first, unless the model holds what
    only Keras 3 has.
    Raises ValueError for another format and for masks that would give other numbers where the file is read, FileExistsError
    where a file is there and `overwrite` is false.
    """
    form = "h5" if _is_open_h5(filepath) else _form(filepath, save_format)
    if dialect not in (None, "keras2", "keras3") or (form == "keras" and dialect == "keras2"):
        raise ValueError(
            f"Cannot write {filepath} with dialect={dialect!r}: an h5 file takes 'keras2' or 'keras3'; .keras is Keras 3's."
        )
    if not _is_open_h5(filepath):
        check_overwrite(filepath, overwrite)
    if form == "keras":
        archive.save_model(model, filepath, include_optimizer)
    else:
        h5.save_model(model, filepath, include_optimizer, dialect)


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, save_format: str | None = None, dialect: str | None = None
) -> None:
    """Writes the weights, atomically: `.weights.h5` as Keras 3 has it, `.safetensors` under their torch names, else tf.keras
    2's h5.

    dialect: 'keras2' writes a `.weights.h5` as tf.keras since 2.15 has it, which calls some layers within layers otherwise.
    Raises as `save_model`, and ValueError for a model without weights yet.
    """
    by_path = str(filepath).endswith(".weights.h5")
    as_tensors = safetensors.is_safetensors(filepath)
    if not by_path and not as_tensors and _form(filepath, save_format) == "keras":
        raise ValueError(
            f"Cannot write weights to {filepath}: name the file '*.weights.h5' (Keras 3) or '*.h5' (tf.keras)."
        )
    if dialect is not None and not (by_path and dialect in ("keras2", "keras3")):
        raise ValueError(
            f"Cannot write weights to {filepath} with dialect={dialect!r}: a '.weights.h5' takes 'keras2' or "
            "'keras3', others none."
        )
    check_overwrite(filepath, overwrite)
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' has no weights to save yet: call it on data, or build(input_shape), first."
        )
    if by_path:
        archive.save_weights(model, filepath, dialect)
    else:
        (safetensors if as_tensors else h5).save_weights(model, filepath)


def _is_open_h5(filepath: Any) -> bool:
    return hasattr(filepath, "create_dataset")


def _form(filepath: Any, save_format: str | None) -> str:
    """'keras' or 'h5', by what is asked for, else by the file's name."""
    suffix = Path(filepath).suffix.lower()
    asked = {"h5": "h5", "hdf5": "h5", "keras_h5": "h5", "keras": "keras", None: None}
    if save_format not in asked:
        raise ValueError(
            f"Cannot write {filepath} as {save_format!r}: kerastorch writes '.keras' and tf.keras's '.h5'. A SavedModel is "
            "TensorFlow's own: load the .h5 there, and save it."
        )
    form = asked[save_format] or ("keras" if suffix == ".keras" else "h5" if suffix in _H5 else None)
    if form is None:
        raise ValueError(
            f"Cannot tell the format of {filepath}: name the file '*.keras' or '*.h5', or pass save_format='h5'."
        )
    return form
