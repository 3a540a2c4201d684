"""Projective transformations of batches of images, with the numbers of TensorFlow's ImageProjectiveTransformV3."""

from __future__ import annotations

import torch

__all__ = ["FILL_MODES", "homographies", "rotations", "sample", "shears", "translations", "warp", "zooms"]

FILL_MODES = ("reflect", "constant", "wrap", "nearest")
_BY_PIXEL = ("periodic", "mirror")
"""The elastic transform's 'wrap', where the last pixel stands beside the first, and 'mirror', which repeats no edge."""


def warp(
    images: torch.Tensor, transforms: torch.Tensor, fill_mode: str, interpolation: str, fill_value: float
) -> torch.Tensor:
    """Images (batch, height, width, channels), each pixel taken from where the transform of its place leads.

    transforms: (batch, 8), or (1, 8) for all: x, y -> ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1.
    """
    height, width = images.shape[1:3]
    y = torch.arange(height, dtype=torch.float32, device=images.device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=images.device)
    t = transforms.to(images.device, torch.float32).expand(images.shape[0], 8)[:, :, None, None]
    k = t[:, 6] * x + t[:, 7] * y + 1
    return sample(
        images,
        (t[:, 3] * x + t[:, 4] * y + t[:, 5]) / k,
        (t[:, 0] * x + t[:, 1] * y + t[:, 2]) / k,
        fill_mode,
        interpolation,
        fill_value,
    )


def sample(
    images: torch.Tensor, y: torch.Tensor, x: torch.Tensor, fill_mode: str, interpolation: str, fill_value: float
) -> torch.Tensor:
    """Images (batch, height, width, channels) read at the places y, x, each (batch, height, width)."""
    height, width = images.shape[1:3]
    y, x = _inside(y, height, fill_mode), _inside(x, width, fill_mode)

    def read(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return _read(images, _pixel(y, height, fill_mode), _pixel(x, width, fill_mode), fill_value)

    if interpolation == "nearest":
        return read((y + 0.5).floor(), (x + 0.5).floor())
    top, left = y.floor(), x.floor()
    down, right = (y - top)[..., None].to(images.dtype), (x - left)[..., None].to(images.dtype)
    upper = read(top, left) * (1 - right) + read(top, left + 1) * right
    lower = read(top + 1, left) * (1 - right) + read(top + 1, left + 1) * right
    return upper * (1 - down) + lower * down


def _pixel(index: torch.Tensor, size: int, fill_mode: str) -> torch.Tensor:
    """The pixel that stands for one outside, for the modes that find it so."""
    if fill_mode == "periodic":
        return index.remainder(size)
    if fill_mode == "mirror":
        last = max(size - 1, 1)
        return ((index + last).remainder(2 * last) - last).abs().clamp(max=size - 1)
    return index


def _inside(at: torch.Tensor, size: int, fill_mode: str) -> torch.Tensor:
    """Coordinates outside [0, size) brought inside; as they are where that is done pixel by pixel."""
    if fill_mode in ("constant", *_BY_PIXEL):
        return at
    if fill_mode == "reflect":
        at = at.remainder(2 * size)
        at = torch.where(at >= size, 2 * size - at - 1, at)
    elif fill_mode == "wrap":
        span = max(size - 1, 1)
        low = at + size * ((-at / span).trunc() + 1)
        high = at - size * (at / span).trunc()
        at = torch.where(at < 0, low, torch.where(at > size - 1, high, at))
    return at.clamp(0, size - 1)


def _read(images: torch.Tensor, y: torch.Tensor, x: torch.Tensor, fill_value: float) -> torch.Tensor:
    batch, height, width, channels = images.shape
    known = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    index = y.clamp(0, height - 1).long() * width + x.clamp(0, width - 1).long()
    flat = images.reshape(batch, height * width, channels)
    read = flat.gather(1, index.reshape(batch, -1, 1).expand(-1, -1, channels)).reshape(*index.shape, channels)
    return torch.where(known[..., None], read, torch.as_tensor(fill_value, dtype=images.dtype, device=images.device))


def _matrix(*columns: torch.Tensor | float) -> torch.Tensor:
    like = next(c for c in columns if isinstance(c, torch.Tensor))
    filled = [c if isinstance(c, torch.Tensor) else torch.full_like(like, c) for c in columns]
    return torch.stack(filled, dim=1)


def translations(height: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Transforms that move images by so many pixels, downwards and to the right: (batch,) each -> (batch, 8)."""
    return _matrix(1.0, 0.0, -width, 0.0, 1.0, -height, 0.0, 0.0)


def rotations(angles: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Transforms that turn images about their middle, counterclockwise: (batch,) in radians -> (batch, 8)."""
    cos, sin = angles.cos(), angles.sin()
    x = (width - 1 - (cos * (width - 1) - sin * (height - 1))) / 2
    y = (height - 1 - (sin * (width - 1) + cos * (height - 1))) / 2
    return _matrix(cos, -sin, x, sin, cos, y, 0.0, 0.0)


def zooms(vertical: torch.Tensor, horizontal: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Transforms that show so many times the image, in each direction: more than 1 zooms out."""
    x, y = (width - 1) / 2 * (1 - horizontal), (height - 1) / 2 * (1 - vertical)
    return _matrix(horizontal, 0.0, x, 0.0, vertical, y, 0.0, 0.0)


def shears(horizontal: torch.Tensor, vertical: torch.Tensor) -> torch.Tensor:
    """Transforms that take each pixel from so many times its row further right, and its column further down."""
    return _matrix(1.0, horizontal, 0.0, vertical, 1.0, 0.0, 0.0, 0.0)


def homographies(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Transforms that bring what is at four places to four others: (batch, 4, 2) each, x before y -> (batch, 8)."""
    x, y = end.double().unbind(-1)
    u, v = start.double().unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rows = torch.cat(
        [
            torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1),
            torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1),
        ],
        1,
    )
    return torch.linalg.solve(rows, torch.cat([u, v], 1)).float()
