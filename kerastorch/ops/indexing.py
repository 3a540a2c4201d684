"""Reading parts of tensors: slices as Python writes them, also backwards, and gathering."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch

from kerastorch.ops.values import as_tensor, is_tensor, mark_sizes, rank, sizes_of, static_shape

__all__ = ["gather", "gather_nd", "get_item", "pad", "repeat", "size_list", "size_of"]


def size_of(x: Any) -> Any:
    """One size, given as a number or as a tensor that holds one."""
    return mark_sizes(x.item()) if is_tensor(x) else x


def size_list(shape: Any) -> list[Any]:
    """Sizes as a list of numbers, given so or as a tensor."""
    if is_tensor(shape):
        count = static_shape(shape)
        return [shape.item()] if not count else [shape[i].item() for i in range(count[0] or 0)]
    return [size_of(n) for n in shape] if isinstance(shape, (list, tuple)) else [shape]


def _as_index(part: Any) -> Any:
    if isinstance(part, Mapping):
        return slice(part["start"], part["stop"], part["step"])
    return part


def get_item(x: Any, key: Any) -> Any:
    """`x[key]`, with slices of a negative step, which torch lacks. In `key` a slice may stand as a dict."""
    parts = [_as_index(part) for part in (key if isinstance(key, (list, tuple)) else [key])]
    if not is_tensor(x):
        found = x
        for part in parts:
            found = found[part] if part is not Ellipsis else found
        return found
    used = sum(part is not None and part is not Ellipsis for part in parts)
    axis, index, flipped = 0, [], []
    x, parts = _selected(x, parts, used)
    for part in parts:
        if part is Ellipsis:
            axis += rank(x) - used
        elif part is not None:
            if isinstance(part, slice):
                part = slice(*(size_of(n) for n in (part.start, part.stop, part.step)))
                if isinstance(part.step, int) and part.step < 0:
                    flipped.append(axis)
                    part = _mirrored(part, x, axis)
            axis += 1
        index.append(part)
    if flipped:
        x = torch.flip(x, flipped)
    if all(part is Ellipsis or _is_whole(part) for part in index):
        return x
    return operator.getitem(x, tuple(index) if len(index) > 1 else index[0])


def _is_whole(part: Any) -> bool:
    return isinstance(part, slice) and part.start is None and part.stop is None and part.step is None


def _selected(x: Any, parts: list[Any], used: int) -> tuple[Any, list[Any]]:
    """`x` with what its single places, where tensors tell them, select; in `parts` they are then the only place, 0.

    Without reading the tensors: the graph needs not wait for their values.
    """
    axis, left = 0, []
    for part in parts:
        if part is Ellipsis:
            axis += rank(x) - used
        elif part is not None:
            if is_tensor(part) and rank(part) == 0:
                at = part.reshape([1])
                x, part = torch.index_select(x, axis, torch.where(at < 0, at + sizes_of(x)[axis], at)), 0
            axis += 1
        left.append(part)
    return x, left


def _mirrored(part: slice, x: Any, axis: int) -> slice:
    """The slice that takes from the flipped axis what `part`, of a negative step, takes from the axis."""

    def mirror(n: Any) -> Any:
        return -1 - n if not isinstance(n, int) or n < 0 else sizes_of(x)[axis] - 1 - n

    start = None if part.start is None else mirror(part.start)
    stop = None if part.stop is None else mirror(part.stop)
    return slice(start, stop, None if part.step == -1 else -part.step)


def gather(x: Any, indices: Any, axis: int, batch_dims: int = 0) -> Any:
    """What stands at `indices` along an axis; the first `batch_dims` axes of both go together."""
    x = as_tensor(x)
    axis = axis % rank(x)
    if not is_tensor(indices) and isinstance(indices, int):
        return torch.select(x, axis, indices)
    indices = as_tensor(indices)
    if not batch_dims:
        return operator.getitem(x, (*[slice(None)] * axis, indices) if axis else indices)
    sizes, inner = sizes_of(x), sizes_of(indices)[batch_dims:]
    flat = indices.reshape([*sizes[:batch_dims], *[1] * (axis - batch_dims), -1, *[1] * (len(sizes) - axis - 1)])
    expanded = flat.expand([*sizes[:axis], -1, *sizes[axis + 1 :]])
    found = torch.gather(x, axis, expanded.to(torch.int64))
    return found if len(inner) == 1 else found.reshape([*sizes[:axis], *inner, *sizes[axis + 1 :]])


def gather_nd(x: Any, indices: Any, batch_dims: int = 0) -> Any:
    """What stands at the points that the last axis of `indices` holds."""
    indices = as_tensor(indices)
    count = static_shape(indices)[-1]
    if count is None:
        raise ValueError("gather_nd: the last axis of the indices must be known.")
    points = tuple(indices[..., i] for i in range(count))
    if not batch_dims:
        return operator.getitem(x, points)
    batch = [torch.cumsum(torch.ones_like(points[0]), axis) - 1 for axis in range(batch_dims)]
    return operator.getitem(x, (*batch, *points))


def repeat(x: Any, counts: Any, axis: int) -> Any:
    """Each part along an axis as often as `counts`, a number or one for each part, says."""
    if isinstance(counts, (list, tuple)):
        places = [i for i, n in enumerate(counts) for _ in range(n)]
        return torch.index_select(x, axis, as_tensor(places))
    return torch.repeat_interleave(x, counts, dim=axis)


def pad(x: Any, paddings: Any, mode: str = "constant", value: Any = 0) -> Any:
    """`x` with margins: `paddings` has (before, after) for each axis; mode 'constant', 'reflect', 'symmetric' or 'edge'."""
    pairs = [(size_of(before), size_of(after)) for before, after in paddings]
    if mode == "constant":
        amounts = [n for pair in reversed(pairs) for n in pair]
        while len(amounts) > 2 and amounts[-2:] == [0, 0]:
            del amounts[-2:]
        return torch.nn.functional.pad(x, amounts, value=value)
    for axis, (before, after) in enumerate(pairs):
        if (before, after) != (0, 0):
            x = torch.cat(_margins(x, axis, before, after, mode), dim=axis)
    return x


def _margins(x: Any, axis: int, before: Any, after: Any, mode: str) -> list[Any]:
    size = sizes_of(x)[axis]
    if mode == "edge":
        ends = [x.narrow(axis, 0, 1), x.narrow(axis, size - 1, 1)]
        ends = [torch.repeat_interleave(end, n, dim=axis) for end, n in zip(ends, (before, after), strict=True)]
    else:
        skip = 1 if mode == "reflect" else 0
        ends = [
            torch.flip(x.narrow(axis, skip, before), [axis]),
            torch.flip(x.narrow(axis, size - skip - after, after), [axis]),
        ]
    return [ends[0], x, ends[1]]
