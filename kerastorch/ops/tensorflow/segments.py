"""tf.math's sums and others by segments, and counts, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.arithmetic import counted
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, dtype_of, is_tensor, rank, sizes_of

__all__ = ["TABLE"]

TABLE = Table()


def _sorted(name: str, unsorted: Callable[[Any, Any, Any], Any]) -> None:
    """Enters the function for ids in order, of which the last one tells how many there are."""

    @TABLE.named(f"math.segment_{name}")
    def function(data: Any, segment_ids: Any) -> Any:
        last = segment_ids[-1]
        return unsorted(data, segment_ids, (last.item() if is_tensor(last) else last) + 1)


def _scattered(reduce: str, fill: float, data: Any, segment_ids: Any, num_segments: Any) -> Any:
    ids = as_tensor(segment_ids).to(torch.int64)
    inner = rank(data) - rank(ids)
    data = data.reshape([-1, *sizes_of(data)[rank(ids) :]]) if rank(ids) != 1 else data
    index = ids.reshape([-1, *[1] * inner]).expand_as(data)
    empty = data.new_full([num_segments, *sizes_of(data)[1:]], fill)
    return empty.scatter_reduce(0, index, data, reduce)


@TABLE.named("math.unsorted_segment_sum")
def _unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    return _scattered("sum", 0, data, segment_ids, num_segments)


@TABLE.named("math.unsorted_segment_prod")
def _unsorted_segment_prod(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    return _scattered("prod", 1, data, segment_ids, num_segments)


@TABLE.named("math.unsorted_segment_max")
def _unsorted_segment_max(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    return _scattered("amax", _limits(data).min, data, segment_ids, num_segments)


@TABLE.named("math.unsorted_segment_min")
def _unsorted_segment_min(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    return _scattered("amin", _limits(data).max, data, segment_ids, num_segments)


@TABLE.named("math.unsorted_segment_mean")
def _unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    total = _scattered("sum", 0, data, segment_ids, num_segments)
    count = _scattered("sum", 0, torch.ones_like(data), segment_ids, num_segments)
    return total / torch.clamp(count, min=1)


@TABLE.named("math.unsorted_segment_sqrt_n")
def _unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    total = _scattered("sum", 0, data, segment_ids, num_segments)
    count = _scattered("sum", 0, torch.ones_like(data), segment_ids, num_segments)
    return total / torch.sqrt(torch.clamp(count, min=1))


for _name, _function in {
    "sum": _unsorted_segment_sum, "prod": _unsorted_segment_prod, "max": _unsorted_segment_max,
    "min": _unsorted_segment_min, "mean": _unsorted_segment_mean,
}.items():  # fmt: skip
    _sorted(_name, _function)


def _limits(x: Any) -> Any:
    dtype = dtype_of(x)
    return torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)


@TABLE.named("math.confusion_matrix")
def _confusion_matrix(
    labels: Any, predictions: Any, num_classes: Any, weights: Any = None, dtype: Any = "int32"
) -> Any:
    cell = labels.to(torch.int64) * num_classes + predictions.to(torch.int64)
    dtype = torch_dtype(dtype)
    counts = torch.ones_like(cell, dtype=dtype) if weights is None else as_tensor(weights).to(dtype)
    return _scattered("sum", 0, counts, cell, num_classes * num_classes).reshape([num_classes, num_classes])


@TABLE.named("math.bincount")
def _bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = "int32", axis: Any = None,
    binary_output: bool = False,
) -> Any:  # fmt: skip
    arr, weights = as_tensor(arr), None if weights is None else as_tensor(weights)
    by_row = axis == -1 and rank(arr) == 2
    x, rows = (a if a is None or by_row else a.reshape([1, -1]) for a in (arr, weights))
    kind = torch_dtype(dtype) if rows is None else dtype_of(rows)
    counts = counted(x, rows, minlength or 0, maxlength, kind)
    counts = torch.clamp(counts, max=1) if binary_output else counts
    return counts if by_row else torch.squeeze(counts, 0)
