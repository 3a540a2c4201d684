"""Arguments that no layer can use raise what Keras raises, and say what was given and expected; those that Keras takes are taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import constraints, initializers, layers, regularizers

# ruff: noqa: E501
CASES = {
    "Rescaling by a word": (lambda: layers.Rescaling("x"), ValueError, "scale must be a number.*'x'"),
    "Rescaling by nothing": (lambda: layers.Rescaling(1.0, None), ValueError, "offset must be a number.*None"),
    "an argument of Zeros": (lambda: initializers.Zeros(foo=1), TypeError, "'foo'"),
    "an argument of Ones": (lambda: initializers.Ones(foo=1), TypeError, "'foo'"),
    "an argument of NonNeg": (lambda: constraints.NonNeg(foo=1), TypeError, "'foo'"),
    "an argument of RadialConstraint": (lambda: constraints.RadialConstraint(foo=1), TypeError, "'foo'"),
}  # fmt: skip


@pytest.mark.parametrize(("mistake", "error", "message"), CASES.values(), ids=CASES)
def test_bad_argument(mistake, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        mistake()


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_upsampling_of_integers(rank, dtype):
    kind = getattr(layers, f"UpSampling{rank}D")
    x = (np.arange(2 * 2**rank * 3) % 5).reshape(2, *[2] * rank, 3).astype(dtype)
    expected = x
    for axis in range(1, rank + 1):
        expected = expected.repeat(3, axis)
    drawn = keras.Input(x.shape[1:], dtype=dtype)
    model = keras.Model(drawn, kind(3)(drawn))
    for found in (kind(3)(x), model(torch.as_tensor(x)), model.to_torch()(torch.as_tensor(x))):
        assert str(found.dtype) == f"torch.{dtype}"
        np.testing.assert_array_equal(found, expected)


def test_upsampling_of_floats_and_then_of_integers():
    layer, x = layers.UpSampling2D(2), np.ones((1, 2, 2, 1))
    assert layer(x).dtype == torch.float32
    assert layer(x.astype("int64")).dtype == torch.int64


FUNCTIONS = [
    regularizers.L1(0.1), regularizers.L2(0.1), regularizers.L1L2(0.1, 0.2), regularizers.OrthogonalRegularizer(0.1),
    constraints.MaxNorm(1), constraints.NonNeg(), constraints.UnitNorm(), constraints.MinMaxNorm(),
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: type(f).__name__)
def test_functions_of_weights_take_arrays(function):
    weight = np.array([[1.0, -2.0], [3.0, 4.0]])
    expected = function(torch.as_tensor(weight))
    assert torch.equal(function(weight), expected)
    torch.testing.assert_close(function(weight.tolist()).double(), expected)


def test_rescaling_whose_numbers_are_set():
    layer, x = layers.Rescaling(scale=np.array([1.0, 2.0]), offset=[3, 4]), np.ones((1, 2))
    np.testing.assert_array_equal(layer(x), [[4, 6]])
    drawn = keras.Input((2,))
    model = keras.Model(drawn, layer(drawn))
    layer.scale = 3.0
    assert layer.get_config()["scale"] == 3.0
    np.testing.assert_array_equal(model.predict(x), [[6, 7]])
    layer.scale, layer.offset = [5.0, 6.0], 0.0
    assert (layer.get_config()["scale"], layer.get_config()["offset"]) == ([5.0, 6.0], 0.0)
    np.testing.assert_array_equal(model.predict(x), [[5, 6]])
