"""TensorFlow's functions over torch's: what the layers TFOpLambda and TensorFlowOpLayer of a file may name.

A name that is not in the table is never imported or evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from kerastorch.ops.table import Table, parameters
from kerastorch.ops.tensorflow.node_def import NodeDef

__all__ = ["find_function", "functions", "raw_function", "with_own_names"]


@functools.cache
def functions() -> Table:
    """The functions by TensorFlow's public names, without 'tf.'. (What makes them is imported when one is asked for.)"""
    from kerastorch.ops.tensorflow import array, backend, boxes, image, linalg, losses, math, nn, segments, signal

    table = Table()
    for part in (array, backend, math, segments, linalg, nn, losses, image, boxes, signal):
        for name, function in part.TABLE.items():
            table.named(name)(function)
    return table


_OLD_NAMES = {
    "keep_dims": "keepdims", "reduction_indices": "axis", "squeeze_dims": "axis", "dim": "axis", "dimension": "axis",
    "box_ind": "box_indices", "concat_dim": "axis",
    "filter": "filters", "filters": "filter", "value": "input", "features": "input", "dims": "axis",
    "strides": "stride", "tensor": "input", "input_tensor": "input", "ksizes": "sizes", "dilation_rate": "dilations",
}  # fmt: skip
"""Arguments that TensorFlow 1 named otherwise (tf.compat.v1)."""


def find_function(name: str) -> Callable[..., Any] | None:
    """The function of a name such as 'math.multiply', 'tf.nn.relu' or 'compat.v1.transpose'; None if there is none."""
    name = name.removeprefix("tf.")
    return functions().get(name) or functions().get(name.removeprefix("compat.v1."))


def raw_function(node: NodeDef) -> Callable[..., Any] | None:
    """What computes an operation of TensorFlow's graph from its inputs; None for one that is not known."""
    from kerastorch.ops.tensorflow import raw

    return raw.function_of(node, functions())


def with_own_names(function: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords as the function names them; `name`, which says nothing of the computation, is left out."""
    own = parameters(function)
    renamed = {}
    for key, value in kwargs.items():
        if key == "name" and "name" not in own:
            continue
        if key not in own and _OLD_NAMES.get(key) in own:
            key = _OLD_NAMES[key]
            if value is None:
                continue
        renamed[key] = value
    return renamed
