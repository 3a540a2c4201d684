"""Weights of CuDNNLSTM and CuDNNGRU for LSTM and GRU, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastorch.saving.report import LoadReport

__all__ = ["converted_cudnn"]

_GATES = {"LSTM": 4, "CuDNNLSTM": 4, "GRU": 3, "CuDNNGRU": 3}
_CUDNN = ("CuDNNLSTM", "CuDNNGRU")


def converted_cudnn(layer: Any, stored: list[tuple[str, Any]], report: LoadReport) -> list[tuple[str, Any]]:
    """The weights of a recurrent layer in its own form, where a file holds them in the other; else as they are.

    A GRU takes a CuDNNGRU's only with reset_after=True: the other kind computes another function, and its bias of another
    shape is left for the comparison of shapes to refuse.
    """
    name = next((cls.__name__ for cls in type(layer).__mro__ if cls.__name__ in _GATES), None)
    if name is None or len(stored) != 3:
        return stored
    gates, shape = _GATES[name], tuple(stored[2][1].shape)
    of_cudnn = shape == (2 * gates * layer.units,)
    plain = shape == ((gates * layer.units,) if gates == 4 else (2, gates * layer.units))
    wanted = name in _CUDNN
    if wanted == of_cudnn or not (of_cudnn or plain) or (not wanted and gates == 3 and not layer.reset_after):
        return stored
    arrays = [np.asarray(data[()]) for _, data in stored]
    change = _kernel_to_cudnn if wanted else _kernel_from_cudnn
    made = [np.concatenate([change(k) for k in np.split(kernel, gates, axis=1)], axis=1) for kernel in arrays[:2]]
    made.append(_bias(arrays[2], gates, wanted))
    report.notes.append(
        f"layer '{layer.name}': weights of {'LSTM' if gates == 4 else 'GRU'} converted "
        f"{'to' if wanted else 'from'} cuDNN's form"
    )
    return [(name, value) for (name, _), value in zip(stored, made, strict=True)]


def _kernel_from_cudnn(kernel: np.ndarray) -> np.ndarray:
    """One gate's (in, units), in whose place cuDNN keeps the numbers of (units, in) in a row."""
    return kernel.reshape(kernel.shape[1], kernel.shape[0]).T


def _kernel_to_cudnn(kernel: np.ndarray) -> np.ndarray:
    return kernel.T.reshape(kernel.shape)


def _bias(bias: np.ndarray, gates: int, to_cudnn: bool) -> np.ndarray:
    """cuDNN has a bias for the input and one for the state. An LSTM adds them, so halves serve as well."""
    if gates == 3:
        return bias.reshape(-1) if to_cudnn else bias.reshape(2, -1)
    return np.tile(bias / 2, 2) if to_cudnn else bias[: bias.size // 2] + bias[bias.size // 2 :]
