"""Keras 3's reductions, cumulative functions and orders."""

from __future__ import annotations

import operator
from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.arithmetic import counted, prod, reduced, sorted_top_k
from kerastorch.ops.keras3.elementwise import as_float, wide_int
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, axes_of, dtype_of, rank, sizes_of, to_dtype

__all__ = ["TABLE"]

TABLE = Table()


@TABLE.named("numpy.Sum")
def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_tensor(x)
    dtype = dtype_of(x)
    if dtype.is_floating_point or dtype.is_complex:
        return reduced(torch.sum, x, axis, keepdims)
    return reduced(torch.sum, x, axis, keepdims, dtype=wide_int(dtype))


@TABLE.named("numpy.Mean")
def _mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.mean, as_float(x), axis, keepdims)


def _extreme(function: Any, x: Any, axis: Any, keepdims: bool, initial: Any, both: Any) -> Any:
    y = reduced(function, as_tensor(x), axis, keepdims)
    return y if initial is None else both(y, as_tensor(initial, like=y))


@TABLE.named("numpy.Max")
def _max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    return _extreme(torch.amax, x, axis, keepdims, initial, torch.maximum)


@TABLE.named("numpy.Min")
def _min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    return _extreme(torch.amin, x, axis, keepdims, initial, torch.minimum)


TABLE.named("numpy.Amax")(_max)
TABLE.named("numpy.Amin")(_min)


@TABLE.named("numpy.Prod")
def _prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    x = as_tensor(x)
    return prod(x, axis, keepdims, wide_int(dtype_of(x)) if dtype is None else torch_dtype(dtype))


@TABLE.named("numpy.All")
def _all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.all, to_dtype(as_tensor(x), torch.bool), axis, keepdims)


@TABLE.named("numpy.Any")
def _any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.any, to_dtype(as_tensor(x), torch.bool), axis, keepdims)


@TABLE.named("numpy.Std")
def _std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.std, as_float(x), axis, keepdims, correction=0)


@TABLE.named("numpy.Var")
def _var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.var, as_float(x), axis, keepdims, correction=0)


@TABLE.named("numpy.Ptp")
def _ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _max(x, axis, keepdims) - _min(x, axis, keepdims)


@TABLE.named("math.Logsumexp")
def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.logsumexp, as_float(x), axis, keepdims)


@TABLE.named("numpy.Average")
def _average(x: Any, weights: Any = None, axis: Any = None) -> Any:
    x = as_float(x)
    if weights is None:
        return _mean(x, axis)
    weights = as_tensor(weights, like=x)
    if rank(weights) != rank(x):
        weights = weights.reshape([-1 if i == axes_of(x, axis)[0] else 1 for i in range(rank(x))])
    return _sum(x * weights, axis) / _sum(torch.broadcast_to(weights, sizes_of(x)), axis)


@TABLE.named("numpy.CountNonzero")
def _count_nonzero(x: Any, axis: Any = None) -> Any:
    return reduced(torch.sum, operator.ne(x, 0), axis, False, dtype=torch.int32)


def _flat(x: Any, axis: Any) -> tuple[Any, int]:
    x = as_tensor(x)
    return (x.reshape([-1]), 0) if axis is None else (x, axis)


def _index(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    flat, at = _flat(x, axis)
    found = function(flat, dim=at, keepdim=bool(keepdims) and axis is not None).to(torch.int32)
    return found.reshape([1] * rank(x)) if keepdims and axis is None else found


@TABLE.named("numpy.Argmax")
def _argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _index(torch.argmax, x, axis, keepdims)


@TABLE.named("numpy.Argmin")
def _argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _index(torch.argmin, x, axis, keepdims)


@TABLE.named("numpy.Median")
def _median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _quantile(x, 0.5, axis, "linear", keepdims)


@TABLE.named("numpy.Quantile")
def _quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    # Keras 3 (seen in 3.15) does not pass the method on.
    return _over_axes(torch.quantile, as_float(x), q, axis, "linear", keepdims)


def _over_axes(function: Any, x: Any, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
    axes = axes_of(x, axis)
    q = as_tensor(q, like=x)
    if len(axes) > 1:
        kept = [a for a in range(rank(x)) if a not in axes]
        sizes = sizes_of(x)
        x = x.permute(*kept, *axes).reshape([*(sizes[a] for a in kept), -1])
        y = function(x, q, dim=-1, interpolation=method)
        if not keepdims:
            return y
        return y.reshape([*sizes_of(q), *(1 if a in axes else sizes[a] for a in range(len(sizes)))])
    return function(x, q, dim=axes[0], keepdim=keepdims, interpolation=method)


@TABLE.named("numpy.Percentile")
def _percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _quantile(x, as_tensor(q, like=as_float(x)) / 100, axis, method, keepdims)


# Without what is not a number


def _known(x: Any, fill: float) -> Any:
    x = as_tensor(x)
    return torch.where(torch.isnan(x), fill, x) if dtype_of(x).is_floating_point else x


@TABLE.named("numpy.Nansum")
def _nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _sum(_known(x, 0.0), axis, keepdims)


@TABLE.named("numpy.Nanprod")
def _nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _prod(_known(x, 1.0), axis, keepdims)


@TABLE.named("numpy.Nanmean")
def _nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(torch.nanmean, as_float(x), axis, keepdims)


@TABLE.named("numpy.Nanvar")
def _nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_float(x)
    return reduced(torch.nanmean, torch.square(x - reduced(torch.nanmean, x, axis, True)), axis, keepdims)


@TABLE.named("numpy.Nanstd")
def _nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.sqrt(_nanvar(x, axis, keepdims))


def _nan_extreme(function: Any, fill: float, x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor(x)
    if not dtype_of(x).is_floating_point:
        return reduced(function, x, axis, keepdims)
    empty = reduced(torch.all, torch.isnan(x), axis, keepdims)
    return torch.where(empty, float("nan"), reduced(function, _known(x, fill), axis, keepdims))


@TABLE.named("numpy.Nanmax")
def _nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _nan_extreme(torch.amax, float("-inf"), x, axis, keepdims)


@TABLE.named("numpy.Nanmin")
def _nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _nan_extreme(torch.amin, float("inf"), x, axis, keepdims)


def _nan_index(function: Any, fill: float, x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor(x)
    found = _index(function, _known(x, fill), axis, keepdims)
    if not dtype_of(x).is_floating_point:
        return found
    empty = reduced(torch.all, torch.isnan(x), axis, keepdims)
    return torch.where(empty, -1, found)


@TABLE.named("numpy.Nanargmax")
def _nanargmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _nan_index(torch.argmax, float("-inf"), x, axis, keepdims)


@TABLE.named("numpy.Nanargmin")
def _nanargmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _nan_index(torch.argmin, float("inf"), x, axis, keepdims)


@TABLE.named("numpy.Nanquantile")
def _nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _over_axes(torch.nanquantile, as_float(x), q, axis, method, keepdims)


@TABLE.named("numpy.Nanpercentile")
def _nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    return _nanquantile(x, as_tensor(q, like=as_float(x)) / 100, axis, method, keepdims)


@TABLE.named("numpy.Nanmedian")
def _nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _nanquantile(x, 0.5, axis, "linear", keepdims)


# Along an axis


def _cumulative(function: Any, x: Any, axis: Any, dtype: Any) -> Any:
    x, axis = _flat(x, axis)
    dtype = wide_int(dtype_of(x)) if dtype is None else torch_dtype(dtype)
    return function(x, dim=axis, dtype=dtype)


@TABLE.named("numpy.Cumsum")
def _cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _cumulative(torch.cumsum, x, axis, dtype)


@TABLE.named("numpy.Cumprod")
def _cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _cumulative(torch.cumprod, x, axis, dtype)


@TABLE.named("numpy.Nancumsum")
def _nancumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _cumsum(_known(x, 0.0), axis, dtype)


@TABLE.named("numpy.Nancumprod")
def _nancumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    return _cumprod(_known(x, 1.0), axis, dtype)


@TABLE.named("numpy.Sort")
def _sort(x: Any, axis: Any = -1) -> Any:
    x, axis = _flat(x, axis)
    return torch.sort(x, dim=axis, stable=True)[0]


@TABLE.named("numpy.Argsort")
def _argsort(x: Any, axis: Any = -1) -> Any:
    x, axis = _flat(x, axis)
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)


@TABLE.named("math.TopK")
def _top_k(x: Any, k: int, sorted: bool = True) -> Any:
    values, indices = sorted_top_k(as_tensor(x), k)
    return [values, indices.to(torch.int32)]


@TABLE.named("math.InTopK")
def _in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    at = torch.gather(predictions, 1, as_tensor(targets).to(torch.int64).unsqueeze(1))
    return torch.sum(operator.gt(predictions, at), dim=1) < k


@TABLE.named("numpy.Diff")
def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    return torch.diff(as_tensor(a), n, axis)


@TABLE.named("numpy.Trapezoid")
def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = as_float(y)
    return torch.trapezoid(y, as_tensor(x, like=y), dim=axis) if x is not None else torch.trapezoid(y, dx=dx, dim=axis)


@TABLE.named("numpy.Digitize")
def _digitize(x: Any, bins: Any) -> Any:
    x = as_tensor(x)
    bins = as_tensor(bins, like=x)
    return torch.searchsorted(bins, x, side="right").to(torch.int32)


@TABLE.named("numpy.SearchSorted")
def _search_sorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    sequence, values = as_tensor(sorted_sequence, like=values), as_tensor(values, like=sorted_sequence)
    return torch.searchsorted(sequence, values, side=side).to(torch.int32)


@TABLE.named("numpy.Bincount")
def _bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    x = as_tensor(x)
    weights = None if weights is None else as_tensor(weights)
    dtype = torch.int32 if weights is None else dtype_of(weights)
    if rank(x) == 2:
        return counted(x, weights, minlength, None, dtype)
    rows = None if weights is None else torch.unsqueeze(weights, 0)
    return torch.squeeze(counted(torch.unsqueeze(x, 0), rows, minlength, None, dtype), 0)


def _segments(reduce: str, data: Any, ids: Any, num_segments: Any, fill: Any) -> Any:
    ids = as_tensor(ids).to(torch.int64)
    index = ids.reshape([-1, *[1] * (rank(data) - 1)]).expand_as(data)
    count = (torch.max(ids) + 1).item() if num_segments is None else num_segments
    empty = data.new_full([count, *sizes_of(data)[1:]], fill)
    return empty.scatter_reduce(0, index, data, reduce)


def _limit(x: Any, which: str) -> Any:
    dtype = dtype_of(x)
    return getattr(torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype), which)


@TABLE.named("math.SegmentSum")
def _segment_sum(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    return _segments("sum", data, segment_ids, num_segments, 0)


@TABLE.named("math.SegmentProd")
def _segment_prod(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    return _segments("prod", data, segment_ids, num_segments, 1)


@TABLE.named("math.SegmentMax")
def _segment_max(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    return _segments("amax", data, segment_ids, num_segments, _limit(data, "min"))


@TABLE.named("math.SegmentMin")
def _segment_min(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    return _segments("amin", data, segment_ids, num_segments, _limit(data, "max"))
