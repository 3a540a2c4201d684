"""A model from any file that holds one, or from an architecture and the weights beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerastorch.config import torch_dtype
from kerastorch.saving import load_model, model_from_json, model_from_yaml
from kerastorch.tools.stored import is_architecture

__all__ = ["read_model"]


def read_model(
    source: Any, weights: Any = None, custom_objects: Any = None, dtype: Any = None, device: Any = None
) -> Any:
    """The model in a file that load_model reads, or in an architecture (`.json`, `.yaml`), with the weights of another
    file where one is given.

    Raises as load_model; ValueError for an architecture without weights.
    """
    if not is_architecture(source):
        model = load_model(source, custom_objects, dtype=dtype, device=device)
    else:
        if weights is None:
            raise ValueError(f"{source} is an architecture without weights: give their file too (--weights FILE).")
        if not Path(source).is_file():
            raise OSError(f"No file found at {source}.")
        text = Path(source).read_text(encoding="utf-8", errors="replace")
        make = model_from_json if Path(source).suffix.lower() == ".json" else model_from_yaml
        model = make(text, custom_objects)
        if device is not None:
            model.to(device)
    if weights is not None:
        model.load_weights(weights)
    if dtype is not None and is_architecture(source):
        model.to(torch_dtype(dtype))
    return model
