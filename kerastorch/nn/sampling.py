"""Arrays and images read between their numbers: at given coordinates, in boxes, and scaled and moved along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

__all__ = ["crop_and_resize", "map_coordinates", "scale_and_translate"]


def map_coordinates(
    x: torch.Tensor, coordinates: torch.Tensor, order: int, fill_mode: str, fill_value: float
) -> torch.Tensor:
    """`x` read at coordinates (axes of x, *shape) -> (*shape): the nearest number (order 0) or between two (order 1).

    fill_mode, for what is outside: 'constant' (fill_value), 'nearest', 'wrap', 'mirror' (the edge is not repeated) or
    'reflect' (it is). Raises NotImplementedError for another order, ValueError for another fill_mode.
    """
    if order not in (0, 1):
        raise NotImplementedError(f"map_coordinates: order must be 0 or 1, got {order!r}.")
    # All corners around each place, axis by axis: their indices, which are inside, and their weights.
    corners: list[tuple[list[torch.Tensor], torch.Tensor | None, torch.Tensor | float]] = [([], None, 1.0)]
    for place, size in zip(coordinates.unbind(0), x.shape, strict=True):
        low = place.round() if order == 0 else place.floor()
        part = place - low
        near = [(low, torch.ones_like(part))] if order == 0 else [(low, 1 - part), (low + 1, part)]
        more: list[tuple[list[torch.Tensor], torch.Tensor | None, torch.Tensor | float]] = []
        for indices, inside, weight in corners:
            for index, share in near:
                at, here = _index_within(index.long(), size, fill_mode)
                more.append(([*indices, at], here if inside is None or here is None else inside & here, weight * share))
        corners = more
    total = torch.zeros_like(coordinates[0])
    for indices, inside, weight in corners:
        read = x[tuple(indices)].to(total.dtype)
        total = total + weight * (read if inside is None else torch.where(inside, read, fill_value))
    return (total if x.is_floating_point() else total.round()).to(x.dtype)


def _index_within(index: torch.Tensor, size: int, fill_mode: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Indices brought inside [0, size), and, for 'constant', which were inside."""
    if fill_mode == "constant":
        return index.clamp(0, size - 1), (index >= 0) & (index < size)
    if fill_mode == "nearest":
        return index.clamp(0, size - 1), None
    if fill_mode == "wrap":
        return index.remainder(size), None
    if fill_mode == "mirror":
        last = max(size - 1, 1)
        return ((index + last).remainder(2 * last) - last).abs().clamp(max=size - 1), None
    if fill_mode == "reflect":
        index = index.remainder(2 * size)
        return torch.minimum(index, 2 * size - 1 - index), None
    raise ValueError(f"fill_mode must be 'constant', 'nearest', 'wrap', 'mirror' or 'reflect', got {fill_mode!r}.")


def scale_and_translate(
    x: torch.Tensor, sizes: Sequence[int], axes: Sequence[int], scale: torch.Tensor, translation: torch.Tensor, method: str,
    antialias: bool,
) -> torch.Tensor:  # fmt: skip
    """`x` with each of `axes` resampled to its size: what was at p is at p * scale + translation.

    method: 'linear', 'cubic', 'lanczos3' or 'lanczos5' (or a name of the first two for images). antialias: the kernel
    widens where the scale is below 1. Integers are rounded. Raises ValueError for another method.
    """
    y = x if x.is_floating_point() else x.float()
    for i, axis in enumerate(axes):
        weights = _weights(x.shape[axis], sizes[i], scale[i], translation[i], method, antialias).to(y.dtype)
        y = torch.movedim(torch.matmul(torch.movedim(y, axis, -1), weights), -1, axis)
    if x.is_floating_point():
        return y
    return torch.minimum(torch.maximum(y.round(), x.min()), x.max()).to(x.dtype)


def _weights(
    given: int, size: int, scale: torch.Tensor, translation: torch.Tensor, method: str, antialias: bool
) -> torch.Tensor:
    """(given, size): what each new place takes from each old one."""
    step = 1 / scale
    at = (torch.arange(size, dtype=scale.dtype, device=scale.device) + 0.5) * step - translation * step - 0.5
    old = torch.arange(given, dtype=scale.dtype, device=scale.device)[:, None]
    weights = _kernel((at - old).abs() / (step.clamp(min=1) if antialias else 1.0), method)
    total = weights.sum(0, keepdim=True)
    known = total.abs() > 1000 * torch.finfo(torch.float32).eps
    weights = torch.where(known, weights / torch.where(known, total, 1), 0)
    return torch.where((at >= -0.5) & (at <= given - 0.5), weights, 0)


def _kernel(x: torch.Tensor, method: str) -> torch.Tensor:
    if method in ("linear", "bilinear", "trilinear", "triangle"):
        return (1 - x).clamp(min=0)
    if method in ("cubic", "bicubic", "tricubic"):
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return torch.where(x >= 2, 0, torch.where(x >= 1, far, (1.5 * x - 2.5) * x * x + 1))
    if method not in ("lanczos3", "lanczos5"):
        raise ValueError(f"scale_and_translate: unknown method {method!r}; give linear, cubic, lanczos3 or lanczos5.")
    radius = float(method[-1])
    px = math.pi * torch.where(x > 1e-3, x, 1)
    lobes = radius * px.sin() * (px / radius).sin() / px**2
    return torch.where(x > radius, 0, torch.where(x > 1e-3, lobes, 1))


def crop_and_resize(
    images: torch.Tensor,
    boxes: torch.Tensor,
    indices: torch.Tensor,
    size: Sequence[int],
    method: str,
    fill_value: float,
) -> torch.Tensor:
    """Parts of images (batch, height, width, channels), each at a size -> (boxes, *size, channels), float32.

    boxes: (boxes, 4): y1, x1, y2, x2 as parts of height - 1 and width - 1. indices: of which image each is a part.
    method: 'bilinear' or 'nearest'. What lies outside is fill_value. Raises ValueError for another method.
    """
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"crop_and_resize: method must be 'bilinear' or 'nearest', got {method!r}.")
    height, width = images.shape[1:3]
    y, x = (
        _places(boxes[:, i], boxes[:, i + 2], n, count) for i, n, count in ((0, height, size[0]), (1, width, size[1]))
    )
    inside = ((y >= 0) & (y <= height - 1))[:, :, None] & ((x >= 0) & (x <= width - 1))[:, None]
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    which = indices.long()[:, None, None]

    def read(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        return images[which, rows.long()[:, :, None], columns.long()[:, None]].float()

    if method == "nearest":
        found = read((y + 0.5).floor(), (x + 0.5).floor())
    else:
        top, left = y.floor(), x.floor()
        down, right = (y - top)[:, :, None, None], (x - left)[:, None, :, None]
        upper, lower = (torch.lerp(read(rows, left), read(rows, x.ceil()), right) for rows in (top, y.ceil()))
        found = torch.lerp(upper, lower, down)
    return torch.where(inside[..., None], found, fill_value)


def _places(first: torch.Tensor, last: torch.Tensor, given: int, count: int) -> torch.Tensor:
    """(boxes, count): where on an axis of `given` pixels those of a box are."""
    if count == 1:
        return (0.5 * (first + last) * (given - 1))[:, None]
    steps = torch.arange(count, dtype=first.dtype, device=first.device)
    return first[:, None] * (given - 1) + steps * ((last - first) * (given - 1) / (count - 1))[:, None]
