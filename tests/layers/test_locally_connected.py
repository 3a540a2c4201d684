"""Locally connected layers. The expected numbers are worked out by hand."""

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

STEPS = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 3, 1)


def built(layer, x, kernel):
    layer(x)
    layer.set_weights([np.asarray(kernel, dtype="float32").reshape(layer.kernel.shape), *layer.get_weights()[1:]])
    return layer(x)


def test_each_place_has_its_own_kernel():
    layer = layers.LocallyConnected1D(1, 2)
    assert built(layer, STEPS, [[[1], [2]], [[3], [4]]]).flatten().tolist() == [21, 430]
    assert layer.kernel.shape == (2, 2, 1) and layer.bias.shape == (2, 1)


def test_dense_weights_count_within_the_windows_only():
    layer = layers.LocallyConnected1D(1, 2, implementation=2)
    # kernel[input, 0, output, 0]; kernel[2, 0, 0, 0] and kernel[0, 0, 1, 0] lie outside the windows.
    assert built(layer, STEPS, [[1, 7], [2, 3], [7, 4]]).flatten().tolist() == [21, 430]
    layer(STEPS).sum().backward()
    assert layer.kernel.grad.flatten().tolist() == [1, 0, 10, 10, 0, 100]


def test_listed_weights_are_ordered_by_output_then_input():
    layer = layers.LocallyConnected1D(2, 2, implementation=3)
    assert built(layer, STEPS, range(1, 9)).tolist() == [[[21, 43], [650, 870]]]
    first = layers.LocallyConnected1D(2, 2, implementation=3, data_format="channels_first")
    # (filter 0: place 0, place 1), then (filter 1: place 0, place 1)
    assert built(first, STEPS.permute(0, 2, 1), range(1, 9)).tolist() == [[[21, 430], [65, 870]]]


@pytest.mark.parametrize("implementation", [2, 3])
def test_same_centres_the_window_as_tf_keras_does(implementation):
    # The window begins kernel_size // 2 before i * stride: for an even one not where a convolution's would.
    for window, stride, expected in ((2, 1, [1, 11, 110]), (3, 2, [11, 110]), (3, 1, [11, 111, 110])):
        layer = layers.LocallyConnected1D(1, window, stride, "same", implementation=implementation)
        layer(STEPS)
        assert built(layer, STEPS, np.ones(layer.kernel.shape)).flatten().tolist() == expected


@pytest.mark.parametrize("implementation", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_equal_kernels_make_a_convolution(implementation, data_format):
    x = torch.randn(2, 6, 5, 2) if data_format == "channels_last" else torch.randn(2, 2, 6, 5)
    layer = layers.LocallyConnected2D(3, (2, 3), (2, 1), data_format=data_format, implementation=implementation)
    convolution = layers.Conv2D(3, (2, 3), (2, 1), data_format=data_format)
    for one in (layer, convolution):
        one(x)
        one.set_weights([np.ones(w.shape) for w in one.weights])
    torch.testing.assert_close(layer(x), convolution(x))
    inputs = keras.Input(tuple(x.shape[1:]))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, *layer(x).shape[1:])
    torch.testing.assert_close(model(x), layer(x))
    torch.testing.assert_close(model.to_torch()(x), layer(x))


@pytest.mark.parametrize(
    "implementation, data_format, shape",
    [
        (1, "channels_last", (12, 8, 3)),
        (2, "channels_last", (4, 5, 2, 3, 4, 3)),
        (2, "channels_first", (2, 4, 5, 3, 3, 4)),
        (3, "channels_last", (12 * 8 * 3,)),
    ],
)
def test_kernel_shapes(implementation, data_format, shape):
    layer = layers.LocallyConnected2D(3, 2, data_format=data_format, implementation=implementation)
    layer.build((None, 4, 5, 2) if data_format == "channels_last" else (None, 2, 4, 5))
    assert layer.kernel.shape == shape
    assert layer.bias.shape == (3, 4, 3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.LocallyConnected1D(1, 2, padding="same"), "'valid' where implementation is 1"),
        (lambda: layers.LocallyConnected1D(1, 2, implementation=4), "implementation must be 1, 2 or 3"),
        (lambda: layers.LocallyConnected1D(0, 2), "filters"),
        (lambda: layers.LocallyConnected1D(1, 2)(keras.Input((None, 2))), "spatial sizes"),
        (lambda: layers.LocallyConnected1D(1, 2)(keras.Input((4, None))), "number of channels"),
        (lambda: layers.LocallyConnected2D(1, 5)(keras.Input((4, 4, 1))), "<= 0"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_config_has_no_dilation_and_no_groups():
    config = layers.LocallyConnected2D(3, 2, implementation=2).get_config()
    assert not {"dilation_rate", "groups"} & set(config)
    assert config["kernel_size"] == (2, 2) and config["implementation"] == 2
    assert layers.LocallyConnected2D.from_config(config).get_config() == config
