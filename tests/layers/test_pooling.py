"""Pooling over windows, global and adaptive. The expected numbers are worked out by hand for 1, 2, 3, ..."""

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers
from tests.fixture_files import Fixture, close, fixture_names
from tests.layers.test_convolution import along_first, line

# (window, stride, padding, length) -> maxima, means.
POOLED = [
    (2, None, "valid", 5, [2, 4], [1.5, 3.5]),
    (3, 2, "valid", 5, [3, 5], [2, 4]),
    (2, None, "same", 5, [2, 4, 5], [1.5, 3.5, 5]),
    (2, 1, "same", 5, [2, 3, 4, 5, 5], [1.5, 2.5, 3.5, 4.5, 5]),
    (3, 1, "same", 4, [2, 3, 4, 4], [1.5, 2, 3, 3.5]),
    (3, 2, "same", 5, [2, 4, 5], [1.5, 3, 4.5]),
    (3, 2, "same", 4, [3, 4], [2, 3.5]),
    (4, 1, "same", 5, [3, 4, 5, 5, 5], [2, 2.5, 3.5, 4, 4.5]),
    (4, 2, "same", 5, [3, 5, 5], [2, 3.5, 4.5]),
    (1, 3, "same", 5, [1, 4], [1, 4]),
    (2, 4, "same", 5, [2, 5], [1.5, 5]),
]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("window, stride, padding, length, maxima, means", POOLED)
def test_windows(rank, data_format, known, window, stride, padding, length, maxima, means):
    x = line(length, rank, data_format)
    sizes = tuple(x.shape[1:]) if known else tuple(1 if n == 1 else None for n in x.shape[1:])
    for kind, expected in (("MaxPooling", maxima), ("AveragePooling", means)):
        layer = getattr(layers, f"{kind}{rank}D")(
            along_first(window, rank), stride and along_first(stride, rank), padding, data_format
        )
        inputs = keras.Input(sizes)
        model = keras.Model(inputs, layer(inputs))
        assert model(x).flatten().tolist() == expected
        assert (model(-x) < 0).all()  # padding wins over no negative value
        assert not known or model.output_shape[1:] == tuple(model(x).shape[1:])
        if data_format == "channels_last":
            assert model.to_torch()(x).flatten().tolist() == expected


def test_where_torch_can_pad_nothing_else_does():
    def module(layer):
        layer(keras.Input((8, 8, 3)))
        return type(layer.pool)

    assert module(layers.MaxPooling2D()) is nn.MaxPool2d
    assert module(layers.MaxPooling2D(3, 2, padding="same")) is nn.MaxPool2d
    assert module(layers.AveragePooling2D(2, padding="same")) is nn.AvgPool2d


@pytest.mark.parametrize("kind", ["MaxPooling2D", "AveragePooling2D"])
def test_one_layer_on_two_sizes(kind):
    layer = getattr(layers, kind)(3, 2, padding="same")
    for size in (8, 7):
        inputs = keras.Input((size, size, 1))
        model = keras.Model(inputs, layer(inputs))
        x = torch.randn(1, size, size, 1)
        torch.testing.assert_close(model(x), getattr(layers, kind)(3, 2, padding="same")(x))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_global_pooling(rank, data_format):
    x = torch.arange(1.0, 2 * 3**rank * 2 + 1).reshape(2, 3**rank, 2)
    means, maxima = x.mean(1), x.amax(1)
    x = x.reshape(2, *[3] * rank, 2)
    x = x if data_format == "channels_last" else x.movedim(-1, 1)
    ones = [1] * rank
    kept = (2, *ones, 2) if data_format == "channels_last" else (2, 2, *ones)
    for name, expected in (("Average", means), ("Max", maxima)):
        layer = getattr(layers, f"Global{name}Pooling{rank}D")
        torch.testing.assert_close(layer(data_format=data_format)(x), expected)
        torch.testing.assert_close(layer(data_format=data_format, keepdims=True)(x), expected.reshape(kept))
        assert layer(data_format=data_format, keepdims=True).compute_output_shape((None, *x.shape[1:])) == (
            None,
            *kept[1:],
        )


def test_global_average_counts_what_the_mask_keeps():
    x = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [7.0], [9.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    layer = layers.GlobalAveragePooling1D()
    assert layer(x, mask=mask).flatten().tolist() == [2, 7]
    assert layers.GlobalAveragePooling1D(keepdims=True)(x, mask=mask).shape == (2, 1, 1)
    first = layers.GlobalAveragePooling1D(data_format="channels_first")
    assert first(x.permute(0, 2, 1), mask=mask).flatten().tolist() == [2, 7]
    inputs = keras.Input((3, 1))
    model = keras.Model(inputs, layer(layers.Masking(100.0)(inputs)))
    assert model(x).flatten().tolist() == [2, 7]
    assert layer.compute_mask(x, mask) is None


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_adaptive_pooling(rank, data_format):
    x = line(5, rank, data_format)  # in 2 windows: 1 2 3 and 3 4 5
    for name, expected in (("Average", [2, 4]), ("Max", [3, 5])):
        layer = getattr(layers, f"Adaptive{name}Pooling{rank}D")(along_first(2, rank), data_format)
        assert layer(x).flatten().tolist() == expected
        assert layer.compute_output_shape(tuple(x.shape)) == tuple(layer(x).shape)
        assert layer.get_config()["output_size"] == along_first(2, rank)


@pytest.mark.parametrize("name", fixture_names("k3", "Adaptive"))
def test_adaptive_pooling_as_keras_3_recorded_it(name):
    fixture = Fixture("k3", name)
    x = torch.tensor(fixture.arrays["x0"], requires_grad=True)
    size = int(name[-1]) if name[-1].isdigit() else 3
    data_format = "channels_first" if "first" in name else "channels_last"
    y = getattr(layers, name.split("__")[0])(size, data_format)(x)
    close(y, fixture.arrays["y0"])
    if "gx0" in fixture.arrays:
        (y * torch.tensor(fixture.arrays["r0"])).sum().backward()
        close(x.grad, fixture.arrays["gx0"], 1e-4)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.MaxPooling2D(0), "pool_size must be an integer or 2 integers, of at least 1, got pool_size=0"),
        (lambda: layers.MaxPooling2D((2, 2, 2)), "pool_size"),
        (lambda: layers.AveragePooling3D(2, strides=(1, 1)), "pool_size|strides"),
        (lambda: layers.MaxPooling1D(2, padding="causal"), "padding"),
        (lambda: layers.MaxPooling1D(2, data_format="last"), "data_format"),
        (lambda: layers.MaxPooling2D(4)(keras.Input((3, 8, 1))), "<= 0"),
        (lambda: layers.MaxPooling2D()(keras.Input((8, 1))), "ndim=4"),
        (lambda: layers.GlobalMaxPooling2D()(keras.Input((8, 1))), "ndim=4"),
        (lambda: layers.GlobalAveragePooling1D()(torch.zeros(2, 0, 3)), "nothing to pool"),
        (lambda: layers.AdaptiveAveragePooling2D(0), "output_size"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_config():
    config = layers.MaxPooling2D(3, name="pool").get_config()
    assert config == {
        "name": "pool",
        "trainable": True,
        "dtype": "float32",
        "pool_size": (3, 3),
        "strides": (3, 3),
        "padding": "valid",
        "data_format": "channels_last",
    }
    assert layers.MaxPooling2D.from_config(config).get_config() == config
    assert layers.GlobalAveragePooling1D(name="mean").get_config() == {
        "name": "mean",
        "trainable": True,
        "dtype": "float32",
        "data_format": "channels_last",
        "keepdims": False,
    }


def test_old_names_are_the_same_classes():
    for rank in (1, 2, 3):
        assert getattr(layers, f"MaxPool{rank}D") is getattr(layers, f"MaxPooling{rank}D")
        assert getattr(layers, f"AvgPool{rank}D") is getattr(layers, f"AveragePooling{rank}D")
        assert getattr(layers, f"GlobalAvgPool{rank}D") is getattr(layers, f"GlobalAveragePooling{rank}D")
        assert getattr(layers, f"GlobalMaxPool{rank}D") is getattr(layers, f"GlobalMaxPooling{rank}D")


def test_global_maximum_shares_the_gradient_among_equals():
    x = torch.tensor([[[1.0], [2.0], [2.0]]], requires_grad=True)
    layers.GlobalMaxPooling1D()(x).sum().backward()
    np.testing.assert_array_equal(x.grad.flatten(), [0, 0.5, 0.5])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_])
def test_the_mean_of_whole_numbers_is_a_float(dtype):
    numbers = np.arange(16).reshape(2, 4, 2).astype(dtype)
    x = keras.Input((4, 2), dtype=np.dtype(dtype).name)
    model = keras.Model(x, layers.GlobalAveragePooling1D()(x))
    for y in (layers.GlobalAveragePooling1D()(numbers), model(numbers)):
        np.testing.assert_allclose(y, numbers.astype("float32").mean(1))
