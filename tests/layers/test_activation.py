"""Activation layers: numbers by hand, arguments, learned slopes, masks in Softmax."""

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers

X = np.array([[-3.0, -1.0, 0.0, 0.25, 1.0, 2.0, 7.0]], "float32")


@pytest.mark.parametrize(
    ("layer", "want"),
    [
        (layers.ReLU(), [0, 0, 0, 0.25, 1, 2, 7]),
        (layers.ReLU(max_value=1.5), [0, 0, 0, 0.25, 1, 1.5, 1.5]),
        (layers.ReLU(6.0), [0, 0, 0, 0.25, 1, 2, 6]),
        (layers.ReLU(negative_slope=0.5), [-1.5, -0.5, 0, 0.25, 1, 2, 7]),
        (layers.ReLU(threshold=1.0), [0, 0, 0, 0, 0, 2, 7]),
        (layers.ReLU(max_value=4.0, negative_slope=0.5, threshold=1.0), [-2, -1, -0.5, -0.375, 0, 2, 4]),
        (layers.LeakyReLU(), [-0.9, -0.3, 0, 0.25, 1, 2, 7]),
        (layers.LeakyReLU(negative_slope=0.5), [-1.5, -0.5, 0, 0.25, 1, 2, 7]),
        (layers.ELU(0.5), [0.5 * (np.exp(-3) - 1), 0.5 * (np.exp(-1) - 1), 0, 0.25, 1, 2, 7]),
        (layers.ThresholdedReLU(0.5), [0, 0, 0, 0, 1, 2, 7]),
        (layers.PReLU(alpha_initializer="ones"), X[0]),
    ],
)
def test_numbers(layer, want):
    np.testing.assert_allclose(layer(X).detach().numpy()[0], want, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.ReLU(max_value=-1),
        lambda: layers.ReLU(negative_slope=-0.1),
        lambda: layers.ReLU(negative_slope=None),
        lambda: layers.ReLU(threshold=-1),
        lambda: layers.LeakyReLU(alpha=None),
        lambda: layers.ELU(alpha=None),
        lambda: layers.ThresholdedReLU(theta=-1),
        lambda: layers.ThresholdedReLU(theta=None),
        lambda: layers.PReLU()(keras.Input((None, 3))),
        lambda: layers.Softmax(axis=4)(keras.Input((3,))),
    ],
)
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="must|known|fit"):
        make()


def test_numbers_are_rounded_as_tf_keras_rounds_them():
    assert layers.LeakyReLU().get_config()["alpha"] == 0.30000001192092896  # recorded from tf_keras 2.21
    assert layers.ReLU().get_config()["max_value"] is None


@pytest.mark.parametrize(
    ("shape", "shared", "alpha", "module"),
    [
        ((4,), None, (4,), nn.PReLU),
        ((3, 4), None, (3, 4), None),
        ((3, 4, 2), [1, 2], (1, 1, 2), nn.PReLU),
        ((3, 4, 2), [2, 3], (3, 1, 1), nn.PReLU),
        ((3, 4, 2), [1, 2, 3], (1, 1, 1), nn.PReLU),
        ((3, 4, 2), 1, (1, 4, 2), None),
    ],
)
def test_prelu_slopes(shape, shared, alpha, module):
    layer = layers.PReLU("random_normal", shared_axes=shared)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    y = layer(x).detach().numpy()
    (slope,) = layer.get_weights()
    assert slope.shape == alpha and (module is None or type(layer.prelu) is module)
    np.testing.assert_allclose(y, np.where(x > 0, x, slope * x), atol=1e-6)


def test_prelu_with_open_sizes_needs_them_shared():
    x = keras.Input((None, None, 3))
    assert keras.Model(x, layers.PReLU(shared_axes=[1, 2])(x))(np.ones((1, 5, 2, 3), "float32")).shape == (1, 5, 2, 3)


@pytest.mark.parametrize("file", [None, "m.h5", "m.keras"])
@pytest.mark.parametrize(
    ("owner", "activation"),
    [
        (lambda a: layers.Dense(3, a), layers.Softmax()),
        (lambda a: layers.Dense(3, a), layers.PReLU()),
        (lambda a: layers.Conv1D(3, 2, activation=a), layers.Softmax(axis=1)),
        (lambda a: layers.Activation(a), layers.ReLU(max_value=0.5)),
        (lambda a: layers.EinsumDense("abc,cd->abd", (None, 3), a), layers.Softmax()),
        (lambda a: layers.SimpleRNN(3, a), layers.LeakyReLU(0.5)),
    ],
)
def test_a_layer_as_activation_of_another(owner, activation, file, tmp_path):
    x = keras.Input((4, 2))
    activation = type(activation).from_config(activation.get_config())
    model = keras.Model(x, owner(activation)(x))

    model.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in model.weights])
    data = torch.linspace(-1, 1, 16).reshape(2, 4, 2)
    want = model.layers[-1].call(data)
    if file:
        model.save(tmp_path / file)
        model = keras.models.load_model(tmp_path / file)
    torch.testing.assert_close(model(data), want)


class TestSoftmax:
    def test_several_axes_together(self):
        y = layers.Softmax(axis=[1, 2])(torch.randn(2, 3, 4))
        np.testing.assert_allclose(y.sum((1, 2)), np.ones(2), atol=1e-6)

    @pytest.mark.parametrize("robust", [False, True])
    def test_mask(self, robust):
        x = torch.tensor([[1.0, 2.0, 1.0]])
        y = layers.Softmax(robust_masking=robust)(x, mask=torch.tensor([[True, False, True]]))
        np.testing.assert_allclose(y, [[0.5, 0.0, 0.5]], atol=1e-6)

    def test_mask_in_half_precision(self):
        x = torch.tensor([[1.0, 2.0, 1.0]], dtype=torch.float16)
        y = layers.Softmax(dtype="float16")(x, mask=torch.tensor([[1, 0, 1]]))
        np.testing.assert_allclose(y, [[0.5, 0.0, 0.5]], atol=1e-3)

    def test_mask_in_a_model(self):
        x, m = keras.Input((3,)), keras.Input((3,), dtype="bool")
        model = keras.Model([x, m], layers.Softmax()(x, mask=m))
        np.testing.assert_allclose(
            model([np.array([[1.0, 2, 1]], "float32"), np.array([[True, False, True]])]), [[0.5, 0, 0.5]], atol=1e-6
        )

    def test_config(self):
        assert layers.Softmax(axis=(1, 2)).get_config()["axis"] == [1, 2]
        assert "robust_masking" not in layers.Softmax().get_config()
        assert layers.Softmax(robust_masking=True).get_config()["robust_masking"] is True
