"""Process-wide settings: float type, image layout, device, seeds. Keras: `tf.keras.backend`'s and `tf.keras.utils`'s setters."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

__all__ = [
    "epsilon",
    "floatx",
    "get_device",
    "image_data_format",
    "set_device",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_random_seed",
    "standardize_dtype",
    "torch_dtype",
]

_settings: dict[str, Any] = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last", "device": None}

_DTYPES = {
    name: getattr(torch, name)
    for name in (
        "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128"
    ).split()
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def floatx() -> str:
    """The default float type, a string such as `'float32'`."""
    return _settings["floatx"]


def set_floatx(value: str) -> None:
    """Sets the default float type: 'float16', 'bfloat16', 'float32' or 'float64'; ValueError for another."""
    if value not in ("float16", "bfloat16", "float32", "float64"):
        raise ValueError(
            f"set_floatx: unknown float type {value!r}; give 'float16', 'bfloat16', 'float32' or 'float64'."
        )
    _settings["floatx"] = value


def epsilon() -> float:
    """The small number that keeps divisions finite, 1e-7 unless set."""
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Sets the number that `epsilon()` returns."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """The default image layout: 'channels_last' or 'channels_first'."""
    return _settings["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Sets the default image layout; ValueError for an unknown one."""
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"set_image_data_format: unknown layout {data_format!r}; give 'channels_last' or 'channels_first'."
        )
    _settings["image_data_format"] = data_format


def get_device() -> torch.device:
    """The device on which new weights are made: the one given to `set_device`, else CUDA where there is one, else CPU."""
    if _settings["device"] is not None:
        return _settings["device"]
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_device(device: str | torch.device | None) -> None:
    """Sets the device on which new weights are made (`'cuda'`, `'cpu'`, `torch.device(...)`); None chooses by itself.
    RuntimeError for CUDA where torch finds none."""
    chosen = None if device is None else torch.device(device)
    if chosen is not None and chosen.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            f"set_device: {str(chosen)!r} was asked for, and torch {torch.__version__} finds no CUDA device here. Give 'cpu', or "
            "no device, which takes a GPU where there is one."
        )
    _settings["device"] = chosen


def set_random_seed(seed: int) -> None:
    """Seeds Python's, NumPy's and torch's generators. Keras: `tf.keras.utils.set_random_seed`."""
    if not isinstance(seed, int):
        raise ValueError(f"set_random_seed: the seed must be an int, got {seed!r}.")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as a string, a torch dtype, a NumPy dtype or type, or None (the float default)."""
    if dtype is None:
        return floatx()
    if isinstance(dtype, torch.dtype):
        return _NAMES[dtype]
    if isinstance(dtype, str):
        if dtype in _DTYPES or dtype == "string":
            return dtype
        if dtype in ("half", "float", "double", "int"):
            return {"half": "float16", "float": "float32", "double": "float64", "int": "int32"}[dtype]
    else:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = getattr(dtype, "name", None)
        if name in _DTYPES:
            return name
        if name is not None and name.startswith(("str", "object", "bytes")):
            return "string"
    raise ValueError(f"Unknown dtype {dtype!r}; known are {', '.join(_DTYPES)} and 'string'.")


def torch_dtype(dtype: Any) -> torch.dtype:
    """The torch dtype of whatever `standardize_dtype` takes; ValueError for strings, of which torch has no tensors."""
    name = standardize_dtype(dtype)
    if name not in _DTYPES:
        raise ValueError(f"torch has no tensors of dtype {name!r}.")
    return _DTYPES[name]
