"""NumPy arrays as torch tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["operand", "tensor_of"]


def tensor_of(value: Any, device: Any = None) -> torch.Tensor:
    """Numbers as a tensor of their own dtype, on the device (None: the CPU, or where the tensor is).

    The tensor has an array's memory where torch takes that: axes that do not run backwards, in the machine's order of bytes,
    and writable, as torch would write to what an array says must not be written to. Two bytes without a type are bfloat16,
    which NumPy and HDF5 do not know. Raises TypeError for what is no numbers.
    """
    if isinstance(value, torch.Tensor):
        return torch.as_tensor(value, device=device)
    array = np.asarray(value)
    if array.dtype.kind == "V" and array.dtype.itemsize == 2 and array.dtype.names is None:
        return torch.as_tensor(np.ascontiguousarray(array).view("int16"), device=device).view(torch.bfloat16)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype("float64")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    elif not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()
    return torch.as_tensor(array, device=device)


def operand(value: Any, device: Any) -> Any:
    """What torch computes with: an array, a list or a number as a tensor on the device, all else as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        return tensor_of(value, device)
    return torch.as_tensor(value, device=device) if isinstance(value, (list, tuple, int, float)) else value
