"""EinsumDense: equations, shapes, errors."""

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers
from kerastorch.nn.einsum import Einsum

CASES = [
    # equation, output_shape, bias_axes, input, kernel, bias, output, torch module
    ("ab,bc->ac", 6, "c", (3, 5), (5, 6), (6,), (3, 6), nn.Linear),
    ("abc,cd->abd", (None, 6), "d", (3, 4, 5), (5, 6), (6,), (3, 4, 6), nn.Linear),
    ("...x,xy->...y", 6, None, (3, 4, 5), (5, 6), None, (3, 4, 6), nn.Linear),
    ("abc,cd->abd", (4, 6), "bd", (3, 4, 5), (5, 6), (4, 6), (3, 4, 6), Einsum),
    ("abc,cde->abde", (None, 2, 3), "de", (3, 4, 5), (5, 2, 3), (2, 3), (3, 4, 2, 3), Einsum),
    ("abc,cde->abde", (None, 2, 3), "d", (3, 4, 5), (5, 2, 3), (2, 1), (3, 4, 2, 3), Einsum),
    ("abcd,cde->abe", (None, 6), "e", (3, 4, 2, 5), (2, 5, 6), (6,), (3, 4, 6), Einsum),
    ("ab...,bc->ac...", 6, "c", (3, 4, 5), (4, 6), (6, 1), (3, 6, 5), Einsum),
    ("ab...,bc->ac...", (6, 5), "c", (3, 4, 5), (4, 6), (6, 1), (3, 6, 5), Einsum),
    ("...x,xyz->...yz", (2, 3), "y", (3, 4, 5), (5, 2, 3), (2, 1), (3, 4, 2, 3), Einsum),
    ("ab,cb->ac", 6, "c", (3, 5), (6, 5), (6,), (3, 6), Einsum),
]


@pytest.mark.parametrize(("equation", "output", "bias_axes", "x", "kernel", "bias", "y", "module"), CASES)
def test_shapes_and_numbers(equation, output, bias_axes, x, kernel, bias, y, module):
    layer = layers.EinsumDense(
        equation, output, bias_axes=bias_axes, bias_initializer="random_normal", activation="tanh"
    )
    symbol = keras.Input(x[1:])
    model = keras.Model(symbol, layer(symbol))
    assert model.output_shape == (None, *y[1:]) and type(layer.product) is module
    weights = layer.get_weights()
    assert [w.shape for w in weights] == [kernel] + ([bias] if bias else [])
    data = np.random.default_rng(0).normal(size=x).astype("float32")
    want = np.einsum(equation, data, weights[0]) + (weights[1] if bias else 0)
    np.testing.assert_allclose(model(torch.tensor(data)).detach(), np.tanh(want), atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "output", "bias_axes", "words"),
    [
        ("ab,bc-ac", 6, None, "Invalid einsum equation"),
        ("...ab,bc->ac...", 6, None, "Invalid einsum equation"),
        ("ab,bc->ad", 6, None, "has no corresponding dim"),
        ("ab,bcd->ac", 6, None, "did not have a match"),
        ("ab,bc->ac", 6, "d", "not part of the output spec"),
        ("abc,cd->abd", (7, 6), None, "axes"),
        ("ab,bc->ac", (6, 7), None, "does not fit the output"),
        ("ab,bc->ac", (None,), None, "must be known"),
    ],
)
def test_bad_equations(equation, output, bias_axes, words):
    with pytest.raises(ValueError, match=words):
        layers.EinsumDense(equation, output, bias_axes=bias_axes)(keras.Input((5,)))


def test_contradicting_sizes():
    with pytest.raises(ValueError, match="do not match at shared dimension 'b'"):
        layers.EinsumDense("abc,cd->abd", (7, 6))(keras.Input((4, 5)))


def test_config_keeps_the_output_shape_that_was_given():
    layer = layers.EinsumDense("abc,cd->abd", (None, 6))
    layer(keras.Input((4, 5)))
    assert layer.get_config()["output_shape"] == [None, 6]


def test_keras3_arguments():
    assert "lora_rank" not in layers.EinsumDense("ab,bc->ac", 6, lora_rank=None).get_config()
    with pytest.raises(ValueError, match="lora_rank"):
        layers.EinsumDense("ab,bc->ac", 6, lora_rank=4)
