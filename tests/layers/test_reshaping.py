"""Flatten, Reshape, Permute, RepeatVector."""

import numpy as np
import pytest

import kerastorch as keras
from kerastorch import layers

X = np.arange(24.0, dtype="float32").reshape(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("layer", "x", "want"),
    [
        (layers.Flatten(), X, X.reshape(1, 24)),
        (layers.Flatten("channels_first"), X, X.transpose(0, 2, 3, 1).reshape(1, 24)),
        (layers.Flatten(), X[0], X[0].reshape(2, 12)),
        (layers.Flatten(), X[0, 0, 0], X[0, 0, 0][:, None]),
        (layers.Reshape((4, 6)), X, X.reshape(1, 4, 6)),
        (layers.Reshape((-1, 6)), X, X.reshape(1, 4, 6)),
        (layers.Reshape(()), X[0, 0, 0].reshape(4, 1), X[0, 0, 0]),
        (layers.Permute((3, 1, 2)), X, X.transpose(0, 3, 1, 2)),
        (layers.RepeatVector(3), X[0, 0], np.repeat(X[0, 0][:, None], 3, 1)),
    ],
)
def test_numbers(layer, x, want):
    np.testing.assert_array_equal(layer(x), want)
    assert layer.compute_output_shape(x.shape) == want.shape


@pytest.mark.parametrize(
    ("make", "shape", "want"),
    [
        (lambda: layers.Flatten(), (None, 3), (None, None)),
        (lambda: layers.Flatten(), (), (None, 1)),
        (lambda: layers.Reshape((-1, 6)), (None, 3), (None, None, 6)),
        (lambda: layers.Reshape((3, -1)), (4, 6), (None, 3, 8)),
        (lambda: layers.Permute((2, 1)), (None, 3), (None, 3, None)),
    ],
)
def test_shapes(make, shape, want):
    assert make()(keras.Input(shape)).shape == want


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.Reshape((5, 5))(keras.Input((24,))), ValueError, "total size of new array must be unchanged"),
        (lambda: layers.Reshape((-1, 5))(keras.Input((24,))), ValueError, "total size of new array must be unchanged"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "at most one unknown"),
        (lambda: layers.Permute((0, 1)), ValueError, "1, ..., 2"),
        (lambda: layers.Permute((1, 3)), ValueError, "1, ..., 2"),
        (lambda: layers.Permute((2, 1))(keras.Input((3,))), ValueError, "expected ndim=3"),
        (lambda: layers.RepeatVector(2.5), TypeError, "integer"),
        (lambda: layers.RepeatVector(2)(keras.Input((3, 4))), ValueError, "expected ndim=2"),
        (lambda: layers.Flatten("first"), ValueError, "channels_last"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_flatten_takes_the_default_layout():
    keras.backend.set_image_data_format("channels_first")
    try:
        assert layers.Flatten().get_config()["data_format"] == "channels_first"
    finally:
        keras.backend.set_image_data_format("channels_last")
