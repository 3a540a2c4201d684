"""tf's own functions on arrays (tf.reshape, tf.concat, ...), by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.arithmetic import where
from kerastorch.ops.indexing import gather, gather_nd, get_item, pad, repeat, size_list, size_of
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, axes_of, dtype_of, is_tensor, new, rank, sizes_of, static_shape, to_dtype

__all__ = ["TABLE"]

TABLE = Table()

_MOST_PARTS = 10_000
"""Into how many parts a graph may split a tensor: a file could ask for any number."""


# Sizes


@TABLE.named("shape")
def _shape(input: Any, out_type: Any = "int32") -> Any:
    return tuple(sizes_of(input))


@TABLE.named("size")
def _size(input: Any, out_type: Any = "int32") -> Any:
    total: Any = 1
    for n in sizes_of(input):
        total = n if isinstance(total, int) and total == 1 else operator.mul(total, n)
    return total


@TABLE.named("rank")
def _rank(input: Any) -> Any:
    return rank(input)


# What there is, in another form


@TABLE.named("identity", "convert_to_tensor", "constant", "ensure_shape", "guarantee_const", "grad_pass_through")
def _identity(input: Any, dtype: Any = None, shape: Any = None, dtype_hint: Any = None) -> Any:
    x = as_tensor(input, dtype=dtype and torch_dtype(dtype))
    return x if dtype is None else to_dtype(x, torch_dtype(dtype))


@TABLE.named("stop_gradient")
def _stop_gradient(input: Any) -> Any:
    return as_tensor(input).detach()


@TABLE.named("cast", "dtypes.cast", "to_float")
def _cast(x: Any, dtype: Any = "float32") -> Any:
    return to_dtype(as_tensor(x), torch_dtype(dtype))


@TABLE.named("to_double")
def _to_double(x: Any) -> Any:
    return _cast(x, "float64")


@TABLE.named("to_int32")
def _to_int32(x: Any) -> Any:
    return _cast(x, "int32")


@TABLE.named("to_int64")
def _to_int64(x: Any) -> Any:
    return _cast(x, "int64")


@TABLE.named("saturate_cast", "dtypes.saturate_cast")
def _saturate_cast(value: Any, dtype: Any) -> Any:
    dtype = torch_dtype(dtype)
    if not dtype.is_floating_point and dtype_of(value) is not torch.bool:
        limits = torch.iinfo(dtype)
        value = torch.clamp(value, limits.min, limits.max)
    return to_dtype(value, dtype)


@TABLE.named("reshape")
def _reshape(tensor: Any, shape: Any) -> Any:
    return as_tensor(tensor).reshape(size_list(shape))


@TABLE.named("expand_dims")
def _expand_dims(input: Any, axis: Any = 0) -> Any:
    return torch.unsqueeze(as_tensor(input), axis[0] if isinstance(axis, (list, tuple)) else axis)


@TABLE.named("squeeze")
def _squeeze(input: Any, axis: Any = None) -> Any:
    if axis is None or axis == []:
        axis = [i for i, n in enumerate(static_shape(input)) if n == 1]
    return torch.squeeze(input, axes_of(input, axis)) if axis != [] else input


@TABLE.named("transpose")
def _transpose(a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    a = as_tensor(a)
    perm = range(rank(a) - 1, -1, -1) if perm is None else size_list(perm)
    return a.permute(*(p % max(rank(a), 1) for p in perm))


@TABLE.named("broadcast_to")
def _broadcast_to(input: Any, shape: Any) -> Any:
    return torch.broadcast_to(as_tensor(input), size_list(shape))


@TABLE.named("reverse")
def _reverse(tensor: Any, axis: Any) -> Any:
    return torch.flip(tensor, list(axes_of(tensor, axis)))


@TABLE.named("roll")
def _roll(input: Any, shift: Any, axis: Any) -> Any:
    many = isinstance(axis, (list, tuple))
    return torch.roll(input, tuple(shift) if many else size_of(shift), tuple(axis) if many else axis)


@TABLE.named("pad")
def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    return pad(as_tensor(tensor), paddings, mode.lower(), constant_values)


@TABLE.named("tile")
def _tile(input: Any, multiples: Any) -> Any:
    return torch.tile(as_tensor(input), size_list(multiples))


@TABLE.named("repeat")
def _repeat(input: Any, repeats: Any, axis: Any = None) -> Any:
    x = as_tensor(input)
    if isinstance(repeats, (list, tuple)):
        repeats = repeats[0] if len(repeats) == 1 else repeats
    if axis is None:
        x, axis = x.reshape([-1]), 0
    return repeat(x, repeats, axis)


# Several tensors


def _tensors(values: Any) -> list[Any]:
    if is_tensor(values):
        return list(values.unbind(0)) if isinstance(values, torch.Tensor) else [values]
    like = next((x for x in values if is_tensor(x)), None)
    return [as_tensor(x, like=like) for x in values]


@TABLE.named("concat")
def _concat(values: Any, axis: Any) -> Any:
    if is_tensor(values):
        return values
    tensors = _tensors(values)
    return torch.cat(tensors, dim=size_of(axis)) if len(tensors) > 1 else tensors[0]


@TABLE.named("stack", "parallel_stack")
def _stack(values: Any, axis: Any = 0) -> Any:
    return values if is_tensor(values) else torch.stack(_tensors(values), dim=axis)


@TABLE.named("unstack")
def _unstack(value: Any, num: Any = None, axis: Any = 0) -> Any:
    return torch.unbind(value, dim=axis)


@TABLE.named("split")
def _split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Any:
    sizes = num_or_size_splits
    if isinstance(sizes, int):
        if sizes > _MOST_PARTS:
            raise ValueError(f"Cannot split a tensor into {sizes} parts: at most {_MOST_PARTS}.")
        return torch.tensor_split(value, sizes, dim=axis)
    sizes = size_list(sizes)
    if -1 in [n for n in sizes if isinstance(n, int)]:
        rest = sizes_of(value)[axis]
        for n in sizes:
            rest = rest - n if n != -1 else rest
        sizes = [rest if n == -1 else n for n in sizes]
    return torch.split(value, sizes, dim=axis)


@TABLE.named("meshgrid")
def _meshgrid(*args: Any, indexing: str = "xy") -> Any:
    return torch.meshgrid(*_tensors(args), indexing=indexing)


@TABLE.named("where")
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return torch.nonzero(as_tensor(condition))
    return where(condition, x, y)


# Parts


@TABLE.named("__operators__.getitem")
def _getitem(tensor: Any, slice_spec: Any, var: Any = None) -> Any:
    if is_tensor(slice_spec) and dtype_of(slice_spec) is torch.bool:
        return operator.getitem(tensor, slice_spec)
    return get_item(tensor, slice_spec)


@TABLE.named("slice")
def _slice(input_: Any, begin: Any, size: Any) -> Any:
    parts, at = [], begin if isinstance(begin, (list, tuple)) else size_list(begin)
    for axis, (start, n) in enumerate(zip(at, size_list(size), strict=True)):
        if is_tensor(start) and isinstance(n, int) and n != -1:  # without reading the tensor
            input_ = torch.index_select(input_, axis, start + new(torch.arange, n, dtype=dtype_of(start)))
            start, n = 0, -1
        start = size_of(start)
        start = None if isinstance(start, int) and start == 0 else start
        whole = isinstance(n, int) and n == -1
        parts.append(slice(start, None if whole else (n if start is None else start + n), None))
    return get_item(input_, parts)


@TABLE.named("strided_slice")
def _strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
) -> Any:
    begin, end = size_list(begin), size_list(end)
    strides = [1] * len(begin) if strides is None else size_list(strides)
    parts: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        if ellipsis_mask >> i & 1:
            parts.append(Ellipsis)
        elif new_axis_mask >> i & 1:
            parts.append(None)
        elif shrink_axis_mask >> i & 1:
            parts.append(start)
        else:
            start, stop = None if begin_mask >> i & 1 else start, None if end_mask >> i & 1 else stop
            parts.append(slice(start, stop, None if isinstance(step, int) and step == 1 else step))
    return get_item(input_, parts)


@TABLE.named("gather")
def _gather(params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0) -> Any:
    return gather(params, indices, batch_dims if axis is None else axis, batch_dims)


@TABLE.named("batch_gather")
def _batch_gather(params: Any, indices: Any) -> Any:
    return gather(params, indices, rank(indices) - 1, rank(indices) - 1)


@TABLE.named("gather_nd")
def _gather_nd(params: Any, indices: Any, batch_dims: int = 0, bad_indices_policy: str = "") -> Any:
    return gather_nd(params, indices, batch_dims)


@TABLE.named("boolean_mask")
def _boolean_mask(tensor: Any, mask: Any, axis: Any = None) -> Any:
    if isinstance(mask, list) and not any(isinstance(m, list) for m in mask):
        return torch.index_select(tensor, axis or 0, as_tensor([i for i, kept in enumerate(mask) if kept]))
    mask = as_tensor(mask, dtype=torch.bool)
    return operator.getitem(tensor, (*[slice(None)] * (axis or 0), mask))


@TABLE.named("scatter_nd")
def _scatter_nd(indices: Any, updates: Any, shape: Any, bad_indices_policy: str = "") -> Any:
    return _tensor_scatter_nd_add(updates.new_zeros(size_list(shape)), indices, updates)


def _points(indices: Any) -> tuple[Any, ...]:
    indices = as_tensor(indices).to(torch.int64)
    return tuple(indices[..., i] for i in range(static_shape(indices)[-1] or 0))


@TABLE.named("tensor_scatter_nd_add")
def _tensor_scatter_nd_add(tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "") -> Any:
    return torch.index_put(tensor, _points(indices), as_tensor(updates, like=tensor), accumulate=True)


@TABLE.named("tensor_scatter_nd_sub")
def _tensor_scatter_nd_sub(tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "") -> Any:
    return _tensor_scatter_nd_add(tensor, indices, -as_tensor(updates, like=tensor))


@TABLE.named("tensor_scatter_nd_max")
def _tensor_scatter_nd_max(tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "") -> Any:
    return _tensor_scatter_extreme(tensor, indices, updates, "amax")


@TABLE.named("tensor_scatter_nd_min")
def _tensor_scatter_nd_min(tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "") -> Any:
    return _tensor_scatter_extreme(tensor, indices, updates, "amin")


def _tensor_scatter_extreme(tensor: Any, indices: Any, updates: Any, reduce: str) -> Any:
    places = torch.arange(math.prod(sizes_of(tensor)), device=tensor.device).reshape(sizes_of(tensor))
    at = places[_points(indices)].reshape([-1])
    flat = tensor.reshape([-1]).scatter_reduce(0, at, as_tensor(updates, like=tensor).reshape([-1]), reduce)
    return flat.reshape(sizes_of(tensor))


@TABLE.named("identity_n")
def _identity_n(input: Any) -> Any:
    return [as_tensor(x) for x in input]


@TABLE.named("tensor_scatter_nd_update")
def _tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "") -> Any:
    return torch.index_put(tensor, _points(indices), as_tensor(updates, like=tensor))


@TABLE.named("reverse_sequence")
def _reverse_sequence(
    input: Any, seq_lengths: Any, seq_axis: Any = None, batch_axis: Any = 0, seq_dim: Any = None, batch_dim: Any = None
) -> Any:
    axis = seq_axis if seq_axis is not None else seq_dim
    batch = batch_axis if batch_dim is None else batch_dim
    lengths = as_tensor(seq_lengths).to(torch.int64)
    shape = [1] * rank(input)
    shape[axis] = sizes_of(input)[axis]
    steps = new(torch.arange, shape[axis], dtype=torch.int64).reshape(shape)
    shape[axis], shape[batch] = 1, sizes_of(input)[batch]
    ends = lengths.reshape(shape)
    at = torch.where(steps < ends, ends - 1 - steps, steps)
    return torch.gather(input, axis, at + torch.zeros_like(input, dtype=torch.int64))


# Order


@TABLE.named("sort")
def _sort(values: Any, axis: Any = -1, direction: str = "ASCENDING") -> Any:
    return torch.sort(values, dim=axis, descending=direction == "DESCENDING", stable=True)[0]


@TABLE.named("argsort")
def _argsort(values: Any, axis: Any = -1, direction: str = "ASCENDING", stable: bool = False) -> Any:
    return torch.argsort(values, dim=axis, descending=direction == "DESCENDING", stable=True).to(torch.int32)


@TABLE.named("searchsorted")
def _searchsorted(sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = "int32") -> Any:
    sequence, values = as_tensor(sorted_sequence, like=values), as_tensor(values, like=sorted_sequence)
    return torch.searchsorted(sequence, values, side=side).to(torch_dtype(out_type))


@TABLE.named("math.invert_permutation")
def _invert_permutation(x: Any) -> Any:
    return torch.argsort(as_tensor(x)).to(dtype_of(x))


# New tensors


@TABLE.named("zeros")
def _zeros(shape: Any, dtype: Any = "float32") -> Any:
    return new(torch.zeros, size_list(shape), dtype=torch_dtype(dtype))


@TABLE.named("ones")
def _ones(shape: Any, dtype: Any = "float32") -> Any:
    return new(torch.ones, size_list(shape), dtype=torch_dtype(dtype))


@TABLE.named("fill")
def _fill(dims: Any, value: Any) -> Any:
    if is_tensor(value):
        return value.expand(size_list(dims))
    return new(torch.full, size_list(dims), value, dtype=dtype_of(value))


@TABLE.named("zeros_like")
def _zeros_like(input: Any, dtype: Any = None, optimize: bool = True) -> Any:
    return torch.zeros_like(as_tensor(input), dtype=None if dtype is None else torch_dtype(dtype))


@TABLE.named("ones_like")
def _ones_like(input: Any, dtype: Any = None, optimize: bool = True) -> Any:
    return torch.ones_like(as_tensor(input), dtype=None if dtype is None else torch_dtype(dtype))


@TABLE.named("range")
def _range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    bounds = [size_of(n) for n in ((0, start, delta) if limit is None else (start, limit, delta))]
    floats = any(isinstance(n, float) for n in bounds)
    return new(torch.arange, *bounds, dtype=torch_dtype(dtype or ("float32" if floats else "int32")))


@TABLE.named("linspace")
def _linspace(start: Any, stop: Any, num: Any, axis: int = 0) -> Any:
    if is_tensor(start) or is_tensor(stop):
        like = start if is_tensor(start) else stop
        start, stop = as_tensor(start, like=like), as_tensor(stop, like=like)
        axis = axis % (rank(start) + 1)
        shape = [-1, *[1] * (rank(start) - axis)]
        part = new(torch.linspace, 0, 1, size_of(num), dtype=dtype_of(like)).reshape(shape)
        return torch.unsqueeze(start, axis) + torch.unsqueeze(stop - start, axis) * part
    return new(torch.linspace, start, stop, size_of(num), dtype=torch.float32)


@TABLE.named("eye", "linalg.eye")
def _eye(num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = "float32") -> Any:
    columns = num_rows if num_columns is None else num_columns
    made = new(torch.eye, size_of(num_rows), size_of(columns), dtype=torch_dtype(dtype))
    if batch_shape is None:
        return made
    return made.expand([*size_list(batch_shape), size_of(num_rows), size_of(columns)])


@TABLE.named("one_hot")
def _one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Any:
    indices = as_tensor(indices)
    axis = rank(indices) if axis is None or axis == -1 else axis
    shape = [-1, *[1] * (rank(indices) - axis)]
    hot = torch.unsqueeze(indices, axis) == new(torch.arange, size_of(depth), dtype=torch.int64).reshape(shape)
    if on_value is None and off_value is None:
        return hot.to(torch_dtype(dtype))
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    found = where(hot, on, off)
    return found if dtype is None else to_dtype(found, torch_dtype(dtype))


@TABLE.named("sequence_mask")
def _sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool") -> Any:
    lengths = as_tensor(lengths)
    maxlen = lengths.max().item() if maxlen is None else size_of(maxlen)
    mask = new(torch.arange, maxlen, dtype=torch.int64) < torch.unsqueeze(lengths, -1)
    return to_dtype(mask, torch_dtype(dtype))


# Random numbers


@TABLE.named("random.normal", "random_normal")
def _random_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None) -> Any:
    return new(torch.randn, size_list(shape), dtype=torch_dtype(dtype)) * stddev + mean


@TABLE.named("random.uniform", "random_uniform")
def _random_uniform(shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", seed: Any = None) -> Any:
    dtype = torch_dtype(dtype)
    if not dtype.is_floating_point:
        return new(torch.randint, minval, maxval, size_list(shape), dtype=dtype)
    top = 1 if maxval is None else maxval
    return new(torch.rand, size_list(shape), dtype=dtype) * (top - minval) + minval


@TABLE.named("random.truncated_normal", "truncated_normal")
def _truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None) -> Any:
    inside = math.erf(2 / math.sqrt(2))
    even = new(torch.rand, size_list(shape), dtype=torch_dtype(dtype)) * (2 * inside) - inside
    return torch.erfinv(even) * math.sqrt(2) * stddev + mean


@TABLE.named("nn.dropout")
def _dropout(x: Any, rate: Any = 0.5, noise_shape: Any = None, seed: Any = None, keep_prob: Any = None) -> Any:
    rate = rate if keep_prob is None else 1 - keep_prob
    if noise_shape is None:
        return torch.nn.functional.dropout(x, rate, training=True)
    shape = [n if given is None or given == -1 else given for n, given in zip(sizes_of(x), noise_shape, strict=True)]
    kept = new(torch.rand, shape, dtype=torch.float32) >= rate
    return x * kept.to(dtype_of(x)) / (1 - rate)
