"""Slices whose bounds are tensors, or sizes that are open until the model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import kerastorch as keras
from kerastorch.layers import SlicingOpLambda, TFOpLambda

X = torch.arange(2 * 7 * 3, dtype=torch.float32).reshape(2, 7, 3)


def part(x: Any, *spec: Any) -> Any:
    return SlicingOpLambda("__operators__.getitem")(x, list(spec))


def bounds(start: Any = None, stop: Any = None, step: Any = None) -> dict[str, Any]:
    return {"start": start, "stop": stop, "step": step}


def size(x: Any) -> Any:
    return part(TFOpLambda("shape")(x), 1)


def less(x: Any, n: int) -> Any:
    return TFOpLambda("math.subtract")(x, n)


ALL = bounds()


@pytest.mark.parametrize(
    ("drawn", "want"),
    [
        (lambda x, n: part(x, ALL, n), lambda x, n: x[:, n]),
        (lambda x, n: part(x, ALL, less(n, 5)), lambda x, n: x[:, n - 5]),
        (lambda x, n: part(x, Ellipsis, less(n, 1), None), lambda x, n: x[..., n - 1, None]),
        (lambda x, n: part(x, ALL, bounds(n)), lambda x, n: x[:, n:]),
        (lambda x, n: part(x, ALL, bounds(None, n), bounds(1)), lambda x, n: x[:, :n, 1:]),
        (lambda x, n: TFOpLambda("slice")(x, [0, n, 1], [-1, 3, 2]), lambda x, n: x[:, n : n + 3, 1:3]),
        (lambda x, n: TFOpLambda("slice")(x, [0, n, 0], [-1, -1, -1]), lambda x, n: x[:, n:]),
        (lambda x, n: part(x, ALL, bounds(1, less(size(x), 1))), lambda x, n: x[:, 1:-1]),
        (lambda x, n: part(x, ALL, less(size(x), 1)), lambda x, n: x[:, -1]),
        (lambda x, n: part(x, ALL, bounds(less(size(x), 1), None, -2)), lambda x, n: x.flip(1)[:, ::2]),
    ],
)
def test_slices_by_tensors(drawn: Callable[..., Any], want: Callable[..., Any]) -> None:
    x, n = keras.Input((None, 3)), keras.Input(batch_shape=(), dtype="int32")
    model = keras.Model([x, n], drawn(x, n))
    inputs = [X, torch.tensor(2, dtype=torch.int32)]
    torch.testing.assert_close(model(inputs), want(X, 2))
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(inputs), want(X, 2))


def test_a_choice_between_sizes() -> None:
    x = keras.Input((None, 3))
    flat = TFOpLambda("where")(TFOpLambda("math.greater")(size(x), 5), 21, 3)
    model = keras.Model(x, TFOpLambda("reshape")(x, [-1, flat]))
    assert model(X).shape == (2, 21)
    assert model(X[:, :5]).shape == (10, 3)


@pytest.mark.parametrize("condition", [(2, 4, 3), (2, 4), (2,), ()])
def test_switch_with_a_condition_of_fewer_axes(condition: tuple[int, ...]) -> None:
    x, z = torch.ones(2, 4, 3), torch.zeros(2, 4, 3)
    chosen = torch.rand(condition, generator=torch.Generator().manual_seed(0)) > 0.5
    got = TFOpLambda("keras.backend.switch")(chosen, x, z)
    want = chosen.reshape(*condition, *[1] * (3 - len(condition))).expand(2, 4, 3).float()
    torch.testing.assert_close(got, want)


def test_a_hint_of_a_dtype_changes_none() -> None:
    """As tf.experimental.numpy's functions draw it."""
    x = torch.ones(2, 3, dtype=torch.float64)
    assert TFOpLambda("convert_to_tensor")(x, dtype=None, dtype_hint="float32").dtype == torch.float64
