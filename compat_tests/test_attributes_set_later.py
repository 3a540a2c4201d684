"""Attributes that are set on a layer after it was built: what it then computes, in tf_keras and here."""

import numpy as np
import pytest
import tf_keras

import kerastorch

PICTURES, STEPS, FLAT = (2, 8, 8, 4), (2, 5, 4), (2, 3)
# layer, shape of the inputs (a list of several), attribute, value
CASES = [
    (lambda layers: layers.Conv2D(3, 3), PICTURES, "strides", (2, 2)),
    (lambda layers: layers.Conv2D(3, 3), PICTURES, "padding", "same"),
    (lambda layers: layers.Conv2D(3, 3), PICTURES, "dilation_rate", (2, 2)),
    (lambda layers: layers.Conv2D(3, 3, bias_initializer="ones"), PICTURES, "use_bias", False),
    (lambda layers: layers.Conv1D(3, 3), STEPS, "padding", "same"),
    (lambda layers: layers.DepthwiseConv2D(3), PICTURES, "strides", (2, 2)),
    (lambda layers: layers.DepthwiseConv2D(3), PICTURES, "dilation_rate", (2, 2)),
    (lambda layers: layers.SeparableConv2D(3, 3), PICTURES, "strides", (2, 2)),
    (lambda layers: layers.Conv2DTranspose(3, 3), PICTURES, "strides", (2, 2)),
    (lambda layers: layers.MaxPooling2D(2), PICTURES, "pool_size", (3, 3)),
    (lambda layers: layers.MaxPooling2D(2), PICTURES, "strides", (1, 1)),
    (lambda layers: layers.AveragePooling2D(3), PICTURES, "padding", "same"),
    (lambda layers: layers.UpSampling2D(2), PICTURES, "size", (3, 3)),
    (lambda layers: layers.UpSampling2D(2), PICTURES, "interpolation", "bilinear"),
    (lambda layers: layers.ZeroPadding2D(1), PICTURES, "padding", ((2, 2), (0, 1))),
    (lambda layers: layers.Cropping2D(1), PICTURES, "cropping", ((2, 2), (0, 1))),
    (lambda layers: layers.LSTM(3), STEPS, "return_sequences", True),
    (lambda layers: layers.LSTM(3), STEPS, "return_state", True),
    (lambda layers: layers.GRU(3), STEPS, "go_backwards", True),
    (lambda layers: layers.SimpleRNN(3), STEPS, "return_sequences", True),
    (lambda layers: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]), STEPS, "return_sequences", True),
    (lambda layers: layers.LayerNormalization(), PICTURES, "epsilon", 1.0),
    (lambda layers: layers.GroupNormalization(2), PICTURES, "epsilon", 1.0),
    (lambda layers: layers.BatchNormalization(), PICTURES, "epsilon", 1.0),
    (lambda layers: layers.Softmax(), PICTURES, "axis", 1),
    (lambda layers: layers.UnitNormalization(), PICTURES, "axis", 1),
    (lambda layers: layers.Concatenate(), [PICTURES, PICTURES], "axis", 1),
    (lambda layers: layers.LeakyReLU(), PICTURES, "alpha", 0.9),
    (lambda layers: layers.ReLU(), PICTURES, "max_value", 0.1),
    (lambda layers: layers.Permute((2, 1, 3)), PICTURES, "dims", (3, 1, 2)),
    (lambda layers: layers.RepeatVector(2), FLAT, "n", 4),
    (lambda layers: layers.Reshape((16, 16)), PICTURES, "target_shape", (32, 8)),
    (lambda layers: layers.GlobalAveragePooling2D(), PICTURES, "keepdims", True),
]


def _arrays(y):
    if isinstance(y, (list, tuple)):
        return [array for part in y for array in _arrays(part)]
    return [y.detach().cpu().numpy() if hasattr(y, "detach") else np.asarray(y)]


def _of(keras, make, x, attribute, value):
    layer = make(keras.layers)
    layer(x)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.1, 1.0, weight.shape).astype("float32") for weight in layer.get_weights()])
    setattr(layer, attribute, value)
    return _arrays(layer(x)), layer


@pytest.mark.parametrize(
    ("make", "shape", "attribute", "value"),
    CASES,
    ids=[f"{make(kerastorch.layers).name}.{a}" for make, _, a, _ in CASES],
)
def test_as_in_tf_keras(make, shape, attribute, value):
    rng = np.random.default_rng(0)
    shapes = shape if isinstance(shape, list) else [shape]
    x = [rng.normal(size=s).astype("float32") for s in shapes]
    x = x if isinstance(shape, list) else x[0]
    expected, _ = _of(tf_keras, make, x, attribute, value)
    got, layer = _of(kerastorch, make, x, attribute, value)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert layer.get_config()[attribute] == value
