"""Keras 3's operations on the shape and the parts of arrays."""

from __future__ import annotations

import operator
from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.indexing import gather, get_item, pad, repeat, size_list, size_of
from kerastorch.ops.keras3.elementwise import as_float
from kerastorch.ops.table import Table
from kerastorch.ops.values import (
    apply,
    as_tensor,
    axes_of,
    dtype_of,
    is_tensor,
    new,
    rank,
    sizes_of,
    static_shape,
    to_dtype,
)

__all__ = ["TABLE"]

TABLE = Table()

_MOST_PARTS = 10_000
"""Into how many parts a graph may split a tensor: a file could ask for any number."""


def _dtype(dtype: Any) -> Any:
    return None if dtype is None else torch_dtype(dtype)


def _list(tensors: Any) -> list[Any]:
    if is_tensor(tensors):
        return [tensors[i] for i in range(static_shape(tensors)[0] or 0)]
    like = next((x for x in tensors if is_tensor(x)), None)
    return [as_tensor(x, like=like) for x in tensors]


# Shape


@TABLE.named("numpy.Reshape")
def _reshape(x: Any, newshape: Any) -> Any:
    return as_tensor(x).reshape(size_list(newshape))


@TABLE.named("numpy.Ravel")
def _ravel(x: Any) -> Any:
    return as_tensor(x).reshape([-1])


@TABLE.named("numpy.ExpandDims")
def _expand_dims(x: Any, axis: Any) -> Any:
    x = as_tensor(x)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    total = rank(x) + len(axes)
    for a in sorted(a % total for a in axes):
        x = torch.unsqueeze(x, a)
    return x


@TABLE.named("numpy.Squeeze")
def _squeeze(x: Any, axis: Any = None) -> Any:
    if axis is None:
        axis = [i for i, n in enumerate(static_shape(x)) if n == 1]
    axes = axes_of(x, axis)
    return torch.squeeze(x, axes) if axes else x


@TABLE.named("numpy.Transpose")
def _transpose(x: Any, axes: Any = None) -> Any:
    x = as_tensor(x)
    return x.permute(*(range(rank(x) - 1, -1, -1) if axes is None else axes_of(x, list(axes))))


@TABLE.named("numpy.Swapaxes")
def _swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    return torch.transpose(x, axis1, axis2)


@TABLE.named("numpy.Moveaxis")
def _moveaxis(x: Any, source: Any, destination: Any) -> Any:
    def axes(value: Any) -> Any:
        return value if isinstance(value, int) else tuple(value)

    return torch.movedim(x, axes(source), axes(destination))


@TABLE.named("numpy.BroadcastTo")
def _broadcast_to(x: Any, shape: Any) -> Any:
    return torch.broadcast_to(as_tensor(x), size_list(shape))


@TABLE.named("numpy.Flip")
def _flip(x: Any, axis: Any = None) -> Any:
    return torch.flip(x, list(axes_of(x, axis)))


TABLE.named("numpy.Fliplr")(lambda x: torch.flip(x, [1]))
TABLE.named("numpy.Flipud")(lambda x: torch.flip(x, [0]))


@TABLE.named("numpy.Rot90")
def _rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    return torch.rot90(array, k, list(axes))


@TABLE.named("numpy.Roll")
def _roll(x: Any, shift: Any, axis: Any = None) -> Any:
    shifts, dims = (tuple(v) if isinstance(v, (list, tuple)) else v for v in (shift, axis))
    return torch.roll(x, shifts, dims)


@TABLE.named("numpy.Tile")
def _tile(x: Any, repeats: Any) -> Any:
    return torch.tile(as_tensor(x), size_list(repeats))


@TABLE.named("numpy.Repeat")
def _repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    x = as_tensor(x)
    if isinstance(repeats, (list, tuple)):
        repeats = repeats[0] if len(repeats) == 1 else repeats
    if axis is None:
        x, axis = x.reshape([-1]), 0
    return repeat(x, repeats, axis)


@TABLE.named("numpy.Pad")
def _pad(x: Any, constant_values: Any = None, pad_width: Any = 0, mode: str = "constant") -> Any:
    n = rank(x)
    if isinstance(pad_width, int):
        pad_width = [(pad_width, pad_width)] * n
    pairs = [(w, w) if isinstance(w, int) else tuple(w) for w in pad_width]
    if len(pairs) == 1:
        pairs = pairs * n
    elif len(pairs) == 2 and all(isinstance(w, int) for w in pad_width) and n != 2:
        pairs = [tuple(pad_width)] * n
    return pad(as_tensor(x), pairs, mode, 0 if constant_values is None else constant_values)


TABLE.named("numpy.Ndim")(lambda x: rank(x))


@TABLE.named("numpy.Size")
def _size(x: Any) -> Any:
    total: Any = 1
    for n in sizes_of(x):
        total = n if isinstance(total, int) and total == 1 else total * n
    return total


# Several tensors


@TABLE.named("numpy.Concatenate")
def _concatenate(xs: Any, axis: Any = 0) -> Any:
    tensors = _list(xs)
    if axis is None:
        return torch.cat([x.reshape([-1]) for x in tensors])
    return torch.cat(tensors, dim=axis)


@TABLE.named("numpy.Append")
def _append(x1: Any, x2: Any, axis: Any = None) -> Any:
    return _concatenate([x1, x2], axis)


@TABLE.named("numpy.Stack")
def _stack(x: Any, axis: int = 0) -> Any:
    return torch.stack(_list(x), dim=axis)


TABLE.named("numpy.Hstack")(lambda xs: torch.hstack(_list(xs)))
TABLE.named("numpy.Vstack")(lambda xs: torch.vstack(_list(xs)))
TABLE.named("numpy.Dstack")(lambda xs: torch.dstack(_list(xs)))


@TABLE.named("core.Unstack")
def _unstack(x: Any, num: Any = None, axis: int = 0) -> Any:
    return torch.unbind(x, dim=axis)


@TABLE.named("numpy.Split", "numpy.ArraySplit")
def _split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    parts = indices_or_sections
    if isinstance(parts, int) and parts > _MOST_PARTS:
        raise ValueError(f"Cannot split a tensor into {parts} parts: at most {_MOST_PARTS}.")
    return torch.tensor_split(x, parts if isinstance(parts, int) else size_list(parts), dim=axis)


TABLE.named("numpy.Hsplit")(lambda x, indices_or_sections: _split(x, indices_or_sections, 0 if rank(x) == 1 else 1))
TABLE.named("numpy.Vsplit")(lambda x, indices_or_sections: _split(x, indices_or_sections, 0))
TABLE.named("numpy.Dsplit")(lambda x, indices_or_sections: _split(x, indices_or_sections, 2))


@TABLE.named("numpy.Meshgrid")
def _meshgrid(*x: Any, indexing: str = "xy") -> Any:
    return torch.meshgrid(*_list(x), indexing=indexing)


# Parts


@TABLE.named("numpy.GetItem")
def _get_item(x: Any, key: Any) -> Any:
    return get_item(x, tuple(key) if isinstance(key, list) else key)


@TABLE.named("numpy.Take")
def _take(x: Any, indices: Any, axis: Any = None) -> Any:
    x = as_tensor(x)
    if axis is None:
        x, axis = x.reshape([-1]), 0
    return gather(x, indices, axis)


@TABLE.named("numpy.TakeAlongAxis")
def _take_along_axis(x: Any, indices: Any, axis: Any = None) -> Any:
    x, indices = as_tensor(x), as_tensor(indices).to(torch.int64)
    if axis is None:
        return torch.take_along_dim(x.reshape([-1]), indices.reshape([-1]), 0)
    return torch.take_along_dim(x, indices, axis)


@TABLE.named("core.Slice")
def _slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    parts = zip(size_list(start_indices), size_list(shape), strict=True)
    return get_item(inputs, tuple(slice(start, start + n) for start, n in parts))


@TABLE.named("core.SliceUpdate")
def _slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    updates = as_tensor(updates, like=inputs)
    sizes, starts = sizes_of(inputs), size_list(start_indices)
    inside = sizes_of(updates)
    for axis in range(len(starts) - 1, -1, -1):
        # Outer axes are still to be cut out: fill in around the part, axis by axis.
        part = inputs
        for outer in range(axis):
            part = part.narrow(outer, starts[outer], inside[outer])
        updates = torch.slice_scatter(part, updates, axis, starts[axis], starts[axis] + inside[axis])
    return updates if sizes else inputs


def _points(indices: Any) -> tuple[Any, ...]:
    indices = as_tensor(indices).to(torch.int64)
    return tuple(indices[..., i] for i in range(static_shape(indices)[-1] or 0))


@TABLE.named("core.Scatter")
def _scatter(indices: Any, values: Any, shape: Any) -> Any:
    values = as_tensor(values)
    return torch.index_put(values.new_zeros(size_list(shape)), _points(indices), values, accumulate=True)


@TABLE.named("core.ScatterUpdate")
def _scatter_update(inputs: Any, indices: Any, updates: Any, reduction: Any = None) -> Any:
    updates = as_tensor(updates, like=inputs)
    if reduction in (None, "add"):
        return torch.index_put(inputs, _points(indices), updates, accumulate=reduction == "add")
    flat = inputs.reshape([-1])
    place: Any = 0
    for point, n in zip(_points(indices), sizes_of(inputs), strict=True):
        place = place * n + point
    reduce = {"max": "amax", "min": "amin", "mul": "prod"}[reduction]
    return flat.scatter_reduce(0, place.reshape([-1]), updates.reshape([-1]), reduce).reshape(list(sizes_of(inputs)))


@TABLE.named("numpy.Nonzero")
def _nonzero(x: Any) -> Any:
    return [part.to(torch.int32) for part in torch.nonzero(as_tensor(x), as_tuple=True)]


@TABLE.named("numpy.IsIn")
def _is_in(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return torch.isin(as_tensor(x1, like=x2), as_tensor(x2, like=x1), assume_unique=assume_unique, invert=invert)


@TABLE.named("numpy.UnravelIndex")
def _unravel_index(indices: Any, shape: Any) -> Any:
    indices, found = as_tensor(indices), []
    for n in reversed(size_list(shape)):
        found.append(torch.remainder(indices, n))
        indices = indices // n
    return found[::-1]


@TABLE.named("math.ExtractSequences")
def _extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    return x.unfold(-1, sequence_length, sequence_stride)


# Diagonals and triangles


@TABLE.named("numpy.Diag")
def _diag(x: Any, k: int = 0) -> Any:
    return torch.diag(as_tensor(x), k)


@TABLE.named("numpy.Diagflat")
def _diagflat(x: Any, k: int = 0) -> Any:
    return torch.diagflat(as_tensor(x), k)


@TABLE.named("numpy.Diagonal")
def _diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return torch.diagonal(x, offset, axis1, axis2)


@TABLE.named("numpy.Trace")
def _trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    diagonal = torch.diagonal(x, offset, axis1, axis2)
    dtype = dtype_of(x)
    return torch.sum(
        diagonal, dim=-1, dtype=dtype if dtype not in (torch.bool, torch.int8, torch.int16) else torch.int32
    )


@TABLE.named("numpy.Tril")
def _tril(x: Any, k: int = 0) -> Any:
    return torch.tril(as_tensor(x), k)


@TABLE.named("numpy.Triu")
def _triu(x: Any, k: int = 0) -> Any:
    return torch.triu(as_tensor(x), k)


@TABLE.named("numpy.Vander")
def _vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = as_tensor(x)
    powers = list(range(sizes_of(x)[0] if N is None else N))
    return torch.unsqueeze(x, -1) ** as_tensor(powers if increasing else powers[::-1], like=x)


# New tensors


@TABLE.named("numpy.ZerosLike", "numpy.EmptyLike")
def _zeros_like(x: Any, dtype: Any = None) -> Any:
    return torch.zeros_like(x, dtype=_dtype(dtype))


@TABLE.named("numpy.OnesLike")
def _ones_like(x: Any, dtype: Any = None) -> Any:
    return torch.ones_like(x, dtype=_dtype(dtype))


@TABLE.named("numpy.FullLike")
def _full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    made = torch.zeros_like(x, dtype=_dtype(dtype))
    return made + to_dtype(fill_value, dtype_of(made)) if is_tensor(fill_value) else torch.full_like(made, fill_value)


@TABLE.named("numpy.Full")
def _full(fill_value: Any, shape: Any, dtype: Any = None) -> Any:
    if is_tensor(fill_value):
        made = torch.broadcast_to(fill_value, size_list(shape))
        return made if dtype is None else to_dtype(made, torch_dtype(dtype))
    return new(torch.full, size_list(shape), fill_value, dtype=torch_dtype(dtype or "float32"))


@TABLE.named("numpy.Arange")
def _arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    bounds = [0, start] if stop is None else [start, stop]
    bounds = [size_of(n) for n in (*bounds, 1 if step is None else step)]
    floats = any(isinstance(n, float) for n in bounds)
    return new(torch.arange, *bounds, dtype=torch_dtype(dtype or ("float32" if floats else "int32")))


def _spaced(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> tuple[Any, Any]:
    like = start if is_tensor(start) else stop
    start, stop = (as_float(as_tensor(x, like=like)) for x in (start, stop))
    count = num - 1 if endpoint else num
    steps = new(torch.arange, num, dtype=torch.float32) / max(count, 1)
    step = (stop - start) / max(count, 1)
    place = axis % (rank(step) + 1)
    wide = steps.reshape([-1 if i == place else 1 for i in range(rank(step) + 1)])
    first, last = torch.unsqueeze(torch.broadcast_to(start, sizes_of(step)), place), torch.unsqueeze(stop, place)
    return first + (last - first) * wide, step


@TABLE.named("numpy.Linspace")
def _linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    values, step = _spaced(start, stop, num, endpoint, axis)
    values = values if dtype is None else to_dtype(values, torch_dtype(dtype))
    return [values, step] if retstep else values


@TABLE.named("numpy.Logspace")
def _logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10, dtype: Any = None, axis: int = 0
) -> Any:
    values = torch.pow(base, _spaced(start, stop, num, endpoint, axis)[0])
    return values if dtype is None else to_dtype(values, torch_dtype(dtype))


@TABLE.named("numpy.Geomspace")
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    like = start if is_tensor(start) else stop
    first, last = (torch.log(as_float(as_tensor(x, like=like))) for x in (start, stop))
    values = torch.exp(_spaced(first, last, num, endpoint, axis)[0])
    return values if dtype is None else to_dtype(values, torch_dtype(dtype))


@TABLE.named("nn.OneHot")
def _one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    x = as_tensor(x)
    axis = rank(x) if axis == -1 else axis
    classes = new(torch.arange, num_classes, dtype=torch.int64).reshape([-1, *[1] * (rank(x) - axis)])
    return operator.eq(torch.unsqueeze(x, axis), classes).to(torch_dtype(dtype))


@TABLE.named("nn.MultiHot")
def _multi_hot(
    inputs: Any, num_classes: Any = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **_: Any
) -> Any:
    # Keras takes the maximum over the axis after the batch, or over the only one.
    hot = _one_hot(inputs, num_classes, axis, dtype)
    return torch.amax(hot, dim=1 if rank(inputs) > 1 else 0)


@TABLE.named("numpy.Histogram")
def _histogram(x: Any, bins: int = 10, range: Any = None) -> Any:
    x = as_float(x).reshape([-1])
    low, high = range or (torch.min(x).item(), torch.max(x).item())
    counts = apply(torch.histc, x, bins, low, high).to(torch.int32)
    return [counts, new(torch.linspace, low, high, bins + 1, dtype=torch.float32)]
