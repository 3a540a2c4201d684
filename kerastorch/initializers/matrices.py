"""Initializers that make a weight as a whole: orthogonal, identity, Fourier."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from kerastorch.arrays import tensor_of
from kerastorch.initializers.base import Initializer, Shape, as_seed, default_device, drawn, float_dtype, shapes_of

__all__ = ["STFT", "Identity", "Orthogonal"]


class Orthogonal(Initializer):
    """`gain` times an orthogonal matrix: of the weight seen as (all but the last axis, last axis), the rows are
    orthonormal where they are fewer than the columns, else the columns are.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.Orthogonal (Saxe et al., 2014).
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError for fewer than two axes, a part of a weight, and a dtype that is no float."""
        shape, _ = _whole_shape(self, shape, kwargs)
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: the weight must have at least two axes, got shape {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            q, r = torch.linalg.qr(values.normal_(generator=generator))
            # QR leaves the columns' signs to the algorithm; r's make the draw uniform over the orthogonal matrices.
            q = q * torch.sign(torch.diagonal(r))
            return self.gain * (q.T if rows < columns else q)

        flat = (max(rows, columns), min(rows, columns))
        return drawn(flat, float_dtype(self, dtype), self.seed, fill).reshape(shape)


class Identity(Initializer):
    """`gain` times the identity matrix, cut or filled with zeros to the shape.

    Keras: tf.keras.initializers.Identity.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A matrix; ValueError for other than two axes, a part of a weight, and a dtype that is no float."""
        shape, _ = _whole_shape(self, shape, kwargs)
        if len(shape) != 2:
            raise ValueError(f"Identity: the weight must have two axes, got shape {shape}.")
        return self.gain * torch.eye(*shape, dtype=float_dtype(self, dtype))


def _whole_shape(
    owner: Initializer, shape: Shape, kwargs: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if "partition_shape" in kwargs or "partition_offset" in kwargs:
        raise ValueError(f"{type(owner).__name__}: makes whole weights only, got {sorted(kwargs)}.")
    return shapes_of(owner, shape, kwargs)


class STFT(Initializer):
    """The kernel of a convolution that computes a short-time Fourier transform: its real or its imaginary side.

    window: the name of one of `torch.signal.windows`, an array of frame_length numbers, or None. scaling: 'density'
    (the window has L2 norm 1), 'spectrum' (it has L1 norm 1), or None. periodic: whether a named window is periodic.
    Raises ValueError for an unknown side, window or scaling.
    Keras 3: keras.initializers.STFT, which takes scipy's windows.
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: unknown side {side!r}; expected 'real' or 'imag'.")
        if isinstance(window, str) and window not in _WINDOWS:
            raise ValueError(f"STFT: unknown window {window!r}; expected one of {sorted(_WINDOWS)}, an array, or None.")
        if scaling not in ("density", "spectrum", None):
            raise ValueError(f"STFT: unknown scaling {scaling!r}; expected 'density', 'spectrum' or None.")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A kernel of shape (frame_length, 1, fft_length // 2 + 1); ValueError for a window of another length."""
        shape, _ = _whole_shape(self, shape, kwargs)
        if len(shape) != 3:
            raise ValueError(f"STFT: the shape must be (frame_length, 1, fft_length // 2 + 1), got {shape}.")
        dtype = float_dtype(self, dtype)
        frame_length, _, bins = shape
        time = torch.arange(frame_length, dtype=torch.float64).reshape(-1, 1, 1)
        frequency = torch.arange(bins, dtype=torch.float64) / max(1, 2 * (bins - 1))
        angle = -2 * math.pi * time * frequency
        kernel = torch.cos(angle) if self.side == "real" else torch.sin(angle)
        if self.window is None:
            return kernel.to(dtype)
        if isinstance(self.window, str):
            window = _WINDOWS[self.window](frame_length, sym=not self.periodic, dtype=torch.float64)
        else:
            window = tensor_of(self.window, default_device()).to(torch.float64)
        if tuple(window.shape) != (frame_length,):
            raise ValueError(
                f"STFT: the window must have shape ({frame_length},), the frame's, got {tuple(window.shape)}."
            )
        norm = {"density": 2, "spectrum": 1}.get(self.scaling or "")
        if norm is not None:
            window = window / torch.linalg.vector_norm(window, norm)
        return (kernel * window.reshape(-1, 1, 1)).to(dtype)


def _boxcar(length: int, *, sym: bool, dtype: torch.dtype) -> torch.Tensor:
    return torch.ones(length, dtype=dtype)


_WINDOWS: dict[str, Callable[..., torch.Tensor]] = {
    name: getattr(torch.signal.windows, name)
    for name in ("bartlett", "blackman", "cosine", "hamming", "hann", "nuttall")
}
_WINDOWS["boxcar"] = _boxcar
