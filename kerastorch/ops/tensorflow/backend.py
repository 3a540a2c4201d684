"""What tf.keras.backend has of its own, and tf.debugging's checks, by TensorFlow's names."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.arithmetic import where
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, rank, to_dtype

__all__ = ["TABLE"]

TABLE = Table()


@TABLE.named(
    "debugging.check_numerics", "check_numerics", "debugging.assert_all_finite", "verify_tensor_all_finite",
    "keras.backend.print_tensor",
)  # fmt: skip
def _as_it_is(x: Any, message: Any = "", summarize: int = 3) -> Any:
    return as_tensor(x)


@TABLE.named("keras.backend.cast_to_floatx")
def _cast_to_floatx(x: Any) -> Any:
    return to_dtype(as_tensor(x), torch_dtype(None))


@TABLE.named("keras.backend.batch_flatten")
def _batch_flatten(x: Any) -> Any:
    return torch.flatten(as_tensor(x), 1)


@TABLE.named("keras.backend.switch")
def _switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    condition = to_dtype(as_tensor(condition), torch.bool)
    more = max(rank(then_expression), rank(else_expression)) - rank(condition)
    for _ in range(more if rank(condition) else 0):
        condition = torch.unsqueeze(condition, -1)
    return where(condition, then_expression, else_expression)
