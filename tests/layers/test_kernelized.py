"""RandomFourierFeatures: numbers by hand; those of tf_keras are in the fixtures."""

import math

import numpy as np
import pytest
import torch

import kerastorch as keras

layers = keras.layers.experimental


def test_features_by_hand():
    layer = layers.RandomFourierFeatures(2, scale=2.0)
    layer(keras.Input((2,)))
    layer.set_weights([np.array([0.5]), np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.0, math.pi])])
    got = layer(torch.tensor([[1.0, 2.0]]))
    np.testing.assert_allclose(got.numpy(), [[math.cos(2.0), math.cos(8.0 + math.pi)]], rtol=1e-5)
    assert [v.name for v in layer.weights] == [
        f"{layer.name}/{n}:0" for n in ("kernel_scale", "unscaled_kernel", "bias")
    ]
    assert layer.trainable_weights == []
    layer.trainable = True
    assert [v.name.rpartition("/")[2] for v in layer.trainable_weights] == ["kernel_scale:0"]


@pytest.mark.parametrize(("kernel", "scale"), [("gaussian", math.sqrt(4.5)), ("laplacian", 1.0), ("ones", None)])
def test_default_scale_and_what_the_kernel_approximates(kernel, scale):
    keras.config.set_random_seed(0)
    if scale is None:
        layer = layers.RandomFourierFeatures(3, keras.initializers.Ones())
        layer.build((None, 9))
        assert layer.scale == 1.0 and layer.unscaled_kernel.numpy().tolist() == [[1.0] * 3] * 9
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
        return
    layer = layers.RandomFourierFeatures(100_000, kernel)
    layer.build((None, 9))
    assert layer.scale == pytest.approx(scale)
    x = torch.zeros(2, 9)
    x[1, :3] = torch.tensor([0.5, -1.0, 0.8])
    a, b = layer(x)
    distance = {"gaussian": (x[1].square().sum() / (2 * scale**2)), "laplacian": x[1].abs().sum() / scale}[kernel]
    # Twice the mean product of the features is the kernel.
    assert abs(float(2 * (a * b).mean()) - math.exp(-float(distance))) < 0.02


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"output_dim": 0}, "output_dim"),
        ({"output_dim": 2, "scale": -1.0}, "scale"),
        ({"output_dim": 2, "kernel_initializer": "ones"}, "'gaussian', 'laplacian'"),
    ],
)
def test_bad_arguments(kwargs, words):
    with pytest.raises(ValueError, match=words):
        layers.RandomFourierFeatures(**kwargs)


@pytest.mark.parametrize("shape", [(None,), (3, 4)])
def test_inputs_must_be_a_matrix_of_known_width(shape):
    with pytest.raises(ValueError, match="known number of features"):
        layers.RandomFourierFeatures(2)(keras.Input(shape))


def test_old_namespaces_have_the_same_classes():
    assert layers.preprocessing.RandomFlip is keras.layers.RandomFlip
    assert layers.SyncBatchNormalization is keras.layers.SyncBatchNormalization
    described = keras.layers.serialize(keras.layers.Dense(3, name="a"))
    assert described["class_name"] == "Dense"
    assert keras.layers.deserialize(described).get_config() == described["config"]
