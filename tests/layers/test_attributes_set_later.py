"""Attributes that are set on a built layer act on its next call, and leave its weights what they are."""

import numpy as np
import pytest
import torch

import kerastorch as keras

layers = keras.layers


def test_the_weights_stay_the_same_parameters_and_the_model_follows():
    x = keras.Input((8, 8, 3))
    convolution = layers.Conv2D(4, 3, padding="same")
    model = keras.Model(x, layers.GlobalMaxPooling2D()(convolution(x)))
    data = torch.randn(2, 8, 8, 3)
    before, kernel, keys = model(data), convolution.kernel.tensor, list(model.state_dict())
    convolution.dilation_rate = (2, 2)
    assert not torch.equal(model(data), before)
    assert convolution.kernel.tensor is kernel
    assert list(model.state_dict()) == keys
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model(data).sum().backward()
    optimizer.step()
    convolution.dilation_rate = (1, 1)
    assert not torch.equal(model(data), before)


def test_frozen_weights_stay_frozen():
    layer = layers.LSTM(3)
    layer(np.zeros((1, 4, 2), "float32"))
    layer.trainable = False
    layer.return_sequences = True
    assert tuple(layer(np.zeros((1, 4, 2), "float32")).shape) == (1, 4, 3)
    assert not any(p.requires_grad for p in layer.parameters())
    assert [w.name.rpartition("/")[2] for w in layer.weights] == ["kernel:0", "recurrent_kernel:0", "bias:0"]


def test_a_weight_that_is_no_longer_used_is_no_weight():
    layer = layers.Conv2D(4, 3)
    layer(np.zeros((1, 8, 8, 3), "float32"))
    layer.use_bias = False
    layer(np.zeros((1, 8, 8, 3), "float32"))
    assert [w.name.rpartition("/")[2] for w in layer.weights] == ["kernel:0"]


def test_what_was_built_for_unknown_inputs_says_so():
    layer = layers.Conv2D(4, 3)
    layer.build((None, 8, 8, 3))
    with pytest.raises(ValueError, match=r"was built by build\(\)"):
        layer.strides = (2, 2)


@pytest.mark.parametrize(
    ("make", "name"), [(lambda: layers.Dropout(0.5), "rate"), (lambda: layers.GaussianNoise(1.0), "stddev")]
)
def test_noise(make, name):
    layer, x = make(), torch.ones(1000)
    setattr(layer, name, 0.0)  # before its first call
    assert torch.equal(layer(x, training=True), x)
    setattr(layer, name, 0.5)
    assert not torch.equal(layer(x, training=True), x)
    setattr(layer, name, 0.0)
    assert torch.equal(layer(x, training=True), x)
