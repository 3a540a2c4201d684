"""Layers of several inputs: shapes, broadcasting, masks, errors, functions."""

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

A, B = np.array([[1.0, -2.0], [3.0, 4.0]], "float32"), np.array([[5.0, 6.0], [-7.0, 0.5]], "float32")


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("add", A + B), ("subtract", A - B), ("multiply", A * B), ("average", (A + B) / 2),
        ("maximum", np.maximum(A, B)), ("minimum", np.minimum(A, B)), ("concatenate", np.concatenate([A, B], -1)),
    ],
)  # fmt: skip
def test_numbers_as_layer_and_as_function(name, want):
    layer = getattr(layers, name.capitalize())()
    np.testing.assert_allclose(layer([A, B]), want)
    x, y = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([x, y], getattr(layers, name)([x, y], name="merged"))
    np.testing.assert_allclose(model([A, B]), want)
    assert model.layers[-1].name == "merged"


@pytest.mark.parametrize(
    ("shapes", "want"),
    [
        ([(3, 4), (3, 1)], (None, 3, 4)),
        ([(3, 4), (4,)], (None, 3, 4)),
        ([(4,), (2, 3, 4)], (None, 2, 3, 4)),
        ([(None, 4), (3, 1)], (None, 3, 4)),  # as tf_keras 2.21 has it
        ([(None, 4), (1, 1)], (None, None, 4)),
        ([(3, 1), (1, 4), (3, 4)], (None, 3, 4)),
        ([(3,)], (None, 3)),
    ],
)
def test_broadcasting(shapes, want):
    inputs = [keras.Input(s) for s in shapes]
    model = keras.Model(inputs, layers.Add()(inputs))
    assert model.output_shape == want
    real = [np.ones([2, *(3 if n is None else n for n in s)], "float32") for s in shapes]
    assert model(real if len(real) > 1 else real[0]).shape == (2, *(3 if n is None else n for n in want[1:]))


@pytest.mark.parametrize(
    ("make", "shapes", "words"),
    [
        (lambda: layers.Add(), [(2,), (3,)], "incompatible shapes"),
        (lambda: layers.Add(), None, "list of inputs"),
        (lambda: layers.Subtract(), [(2,)] * 3, "exactly 2 inputs"),
        (lambda: layers.Concatenate(), [(2, 3), (4, 3)], "matching shapes"),
        (lambda: layers.Concatenate(axis=1), [(2, 3), (3,)], "matching shapes"),
        (lambda: layers.Concatenate(), None, "list of inputs"),
        (lambda: layers.Dot(axes=1), [(2,), (3,)], "Incompatible input shapes"),
        (lambda: layers.Dot(axes=0), [(2,), (2,)], "axis 0 is the batch"),
        (lambda: layers.Dot(axes=1), [(2,)] * 3, "exactly 2 inputs"),
        (lambda: layers.Dot(axes=(1, 2, 3)), [(2,), (2,)], "pair of ints"),
    ],
)
def test_bad_inputs(make, shapes, words):
    with pytest.raises(ValueError, match=words):
        make()(keras.Input((2,)) if shapes is None else [keras.Input(s) for s in shapes])


def test_different_batches_do_not_merge():
    with pytest.raises(ValueError, match="different batch sizes"):
        layers.Add()([keras.Input(batch_shape=(2, 3)), keras.Input(batch_shape=(4, 3))])


def test_axes_of_dot_must_be_ints():
    with pytest.raises(TypeError, match="axes"):
        layers.Dot(axes="12")


@pytest.mark.parametrize(
    ("axes", "a", "b", "equation"),
    [
        (1, (3, 4), (3, 4), "bi,bi->b"),
        ((2, 1), (3, 2, 4), (3, 4, 5), "bij,bjk->bik"),
        (-1, (3, 2, 4), (3, 5, 4), "bij,bkj->bik"),
        (1, (3, 4, 2), (3, 4), "bij,bi->bj"),
        ((3, 1), (3, 2, 2, 4), (3, 4, 3), "bijk,bkl->bijl"),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot(axes, a, b, equation, normalize):
    x, y = (np.random.default_rng(i).normal(size=s).astype("float32") for i, s in enumerate((a, b)))
    first, second = (axes, axes) if isinstance(axes, int) else axes
    u, v = (
        (x / np.linalg.norm(x, axis=first, keepdims=True), y / np.linalg.norm(y, axis=second, keepdims=True))
        if normalize
        else (x, y)
    )
    want = np.einsum(equation, u, v)
    layer = layers.Dot(axes, normalize=normalize)
    got = layer([x, y]).numpy()
    np.testing.assert_allclose(got, want[:, None] if want.ndim == 1 else want, atol=1e-5)
    assert layer.compute_output_shape([a, b]) == got.shape


MASKS = torch.tensor([[True, True, False]]), torch.tensor([[True, False, True]])


@pytest.mark.parametrize(
    ("layer", "masks", "want"),
    [
        (layers.Add(), MASKS, [True, False, False]),
        (layers.Multiply(), (MASKS[0], None), [True, True, False]),
        (layers.Average(), (None, None), None),
        (layers.Concatenate(), MASKS, [True, False, False]),
        (layers.Concatenate(), (MASKS[0], None), [True, True, False]),
        (layers.Concatenate(axis=1), MASKS, [True, True, False, True, False, True]),
        (layers.Concatenate(axis=1), (None, MASKS[1]), [True, True, True, True, False, True]),
        (layers.Dot(axes=2), MASKS, None),
    ],
)
def test_masks(layer, masks, want):
    x = [torch.ones(1, 3, 2), torch.ones(1, 3, 2)]
    for tensor, mask in zip(x, masks, strict=True):
        if mask is not None:
            tensor._keras_mask = mask
    mask = getattr(layer(x), "_keras_mask", None)
    assert (None if mask is None else mask[0].tolist()) == want


def test_masks_must_match_the_inputs():
    with pytest.raises(ValueError, match="same length"):
        layers.Add().compute_mask([1, 2], [None])


def test_integers_stay_integers():
    x = keras.Input((2,), dtype="int32")
    y = layers.Add()([x, x])
    assert y.dtype == "int32"
    assert keras.Model(x, y)(np.array([[1, 2]], "int32")).dtype == torch.int32
