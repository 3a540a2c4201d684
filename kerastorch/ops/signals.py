"""Frames of signals (..., time), windows on them, and their Fourier and cosine transforms."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.ops.values import constant, dtype_of, new, sizes_of

__all__ = ["dct", "frames_of", "overlap_and_add", "raised_cosine", "resized", "vorbis"]


def resized(x: Any, size: Any) -> Any:
    """The last axis cut, or filled up with zeros, to `size`."""
    return F.pad(x, [0, size - sizes_of(x)[-1]])


def frames_of(x: Any, length: Any, step: Any, axis: int = -1, pad_end: bool = False, fill: float = 0) -> Any:
    """The parts of `length` that begin at each `step` of an axis, in place of that axis: (..., frames, length, ...).

    pad_end: each step begins a frame, what it lacks being `fill`.
    """
    axis = axis % len(sizes_of(x))
    if pad_end:
        size = sizes_of(x)[axis]
        count = -(-size // step)
        x = F.pad(x, [*(0, 0) * (len(sizes_of(x)) - 1 - axis), 0, (count - 1) * step + length - size], value=fill)
    return torch.movedim(x.unfold(axis, length, step), -1, axis + 1)


def overlap_and_add(x: Any, step: int) -> Any:
    """(..., frames, length) -> (..., (frames - 1) * step + length): each frame added in at its place."""
    frames, length = sizes_of(x)[-2:]
    pieces = -(-length // step)
    parts = resized(x, pieces * step).unflatten(-1, [pieces, step])
    total = sum(F.pad(torch.select(parts, -2, i), [0, 0, i, pieces - 1 - i]) for i in range(pieces))
    return torch.flatten(total, -2).narrow(-1, 0, (frames - 1) * step + length)  # type: ignore[arg-type]


def raised_cosine(high: float, low: float, length: Any, periodic: bool, dtype: torch.dtype) -> Any:
    """A window of Hann's kind, (length,). One of an odd length is symmetric, as TensorFlow has it, whatever `periodic` says."""
    if isinstance(length, int) and length == 1:
        return constant([1.0], dtype)
    period = length - 1 + (1 - length % 2 if periodic else 0)
    if isinstance(length, int):
        return constant([high - low * math.cos(2 * math.pi * i / period) for i in range(length)], dtype)
    return high - low * torch.cos(new(torch.arange, length, dtype=dtype) * (2 * math.pi) / period)


def vorbis(length: int, dtype: torch.dtype) -> Any:
    """Vorbis's window, (length,)."""
    sines = (math.sin(math.pi / length * (i + 0.5)) for i in range(length))
    return constant([math.sin(math.pi / 2 * s * s) for s in sines], dtype)


def dct(x: Any, kind: int, ortho: bool) -> Any:
    """The discrete cosine transform of kind 1 to 4 of the last axis, by a Fourier transform of twice its length."""
    size, dtype = sizes_of(x)[-1], dtype_of(x)
    if kind == 1:
        return torch.real(torch.fft.rfft(torch.cat([x, torch.flip(x.narrow(-1, 1, size - 2), [-1])], dim=-1)))
    if kind == 4:
        y = dct(resized(x, 2 * size), 2, False)[..., 1::2]
        return y * (0.5 / size) ** 0.5 if ortho else y
    steps = new(torch.arange, size, dtype=dtype)
    angle = steps * math.pi / (2 * size)
    if kind == 2:
        found = torch.fft.rfft(x, 2 * size).narrow(-1, 0, size)
        y = 2 * (torch.real(found) * torch.cos(angle) + torch.imag(found) * torch.sin(angle))
        return y * torch.where(steps < 1, 0.5 / size**0.5, (0.5 / size) ** 0.5) if ortho else y
    x = x * (torch.where(steps < 1, size**0.5, (0.5 * size) ** 0.5) if ortho else size)
    turned = torch.complex(2 * x * torch.cos(angle), 2 * x * torch.sin(angle))
    return torch.fft.irfft(turned, 2 * size).narrow(-1, 0, size)
