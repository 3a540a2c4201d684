"""Zero padding, cropping, upsampling. Numbers worked out by hand, or recorded from tf_keras 2.21 where it says so."""

import pytest
import torch

import kerastorch as keras
from kerastorch import layers

FORMATS = ["channels_last", "channels_first"]


def image(height, width, data_format):
    x = torch.arange(1.0, height * width + 1).reshape(1, height, width)
    return x.unsqueeze(-1 if data_format == "channels_last" else 1)


def through_model(layer, x):
    """The layer's output in a model; the shape it states holds, and copies into plain torch compute the same."""
    inputs = keras.Input(tuple(x.shape[1:]))
    model = keras.Model(inputs, layer(inputs))
    y = model(x)
    assert model.output_shape == (None, *y.shape[1:])
    open_sizes = [None] * (x.ndim - 1)
    axis = x.ndim - 2 if getattr(layer, "data_format", "channels_last") == "channels_last" else 0
    open_sizes[axis] = x.shape[axis + 1]
    assert layer.compute_output_shape((None, *open_sizes)) == (
        None,
        *[n if i == axis else None for i, n in enumerate(y.shape[1:])],
    )
    torch.testing.assert_close(model.to_torch()(x), y)
    torch.testing.assert_close(layer(x), y)
    return y


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "padding, shape, at",
    [
        (1, (4, 5), (1, 1)),
        ((1, 2), (4, 7), (1, 2)),
        (((0, 2), (3, 0)), (4, 6), (0, 3)),
        ([[1, 0], [0, 1]], (3, 4), (1, 0)),
    ],
)
def test_zero_padding(data_format, padding, shape, at):
    x = image(2, 3, data_format)
    y = through_model(layers.ZeroPadding2D(padding, data_format), x).squeeze()
    assert y.shape == shape
    torch.testing.assert_close(y[at[0] : at[0] + 2, at[1] : at[1] + 3], x.squeeze())
    assert y.sum() == x.sum()


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "cropping, rows, columns",
    [(1, (1, 3), (1, 4)), ((1, 0), (1, 3), (0, 5)), (((0, 2), (3, 0)), (0, 2), (3, 5)), (0, (0, 4), (0, 5))],
)
def test_cropping(data_format, cropping, rows, columns):
    x = image(4, 5, data_format)
    y = through_model(layers.Cropping2D(cropping, data_format), x).squeeze()
    torch.testing.assert_close(y, x.squeeze()[slice(*rows), slice(*columns)])


def test_one_and_three_dimensions():
    steps = torch.arange(1.0, 6).reshape(1, 5, 1)
    assert through_model(layers.ZeroPadding1D((2, 1)), steps).flatten().tolist() == [0, 0, 1, 2, 3, 4, 5, 0]
    assert through_model(layers.Cropping1D((2, 1)), steps).flatten().tolist() == [3, 4]
    assert through_model(layers.UpSampling1D(3), steps[:, :2]).flatten().tolist() == [1, 1, 1, 2, 2, 2]
    volume = torch.rand(2, 3, 4, 5, 2)
    padded = through_model(layers.ZeroPadding3D(((1, 0), (0, 2), (3, 4))), volume)
    assert padded.shape == (2, 4, 6, 12, 2)
    torch.testing.assert_close(padded[:, 1:, :4, 3:8], volume)
    torch.testing.assert_close(layers.Cropping3D(((1, 0), (0, 2), (3, 4)))(padded), volume)
    larger = through_model(layers.UpSampling3D((1, 2, 3)), volume)
    torch.testing.assert_close(larger, volume.repeat_interleave(2, 2).repeat_interleave(3, 3))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("size", [2, 3, 7, 41, (1, 5)])
@pytest.mark.parametrize("interpolation", ["nearest", "area"])
def test_nearest_repeats(data_format, size, interpolation):
    x = image(6, 5, data_format)
    rows, columns = (size, size) if isinstance(size, int) else size
    axes = (1, 2) if data_format == "channels_last" else (2, 3)
    y = through_model(layers.UpSampling2D(size, data_format, interpolation), x)
    torch.testing.assert_close(y, x.repeat_interleave(rows, axes[0]).repeat_interleave(columns, axes[1]))


# Recorded from tf_keras 2.21: UpSampling2D((1, 3), interpolation=...) of the row 1, 4, 2.
INTERPOLATED = {
    "bilinear": [1.0, 1.0, 2.0, 3.0, 4.0, 3.333333, 2.666667, 2.0, 2.0],
    "bicubic": [0.684381, 1.0, 1.89539, 3.179784, 4.0, 3.572243, 2.654314, 2.0, 1.789587],
    "lanczos3": [0.415734, 1.0, 1.955482, 3.186272, 4.0, 3.690043, 2.778689, 2.0, 1.536019],
    "lanczos5": [0.345058, 1.0, 1.983476, 3.193768, 4.0, 3.756683, 2.86563, 2.0, 1.377264],
    "gaussian": [1.103336, 1.357609, 2.017731, 2.959649, 3.467465, 3.268051, 2.678487, 2.238406, 2.06889],
    "mitchellcubic": [0.854104, 1.176471, 1.982072, 3.050302, 3.722222, 3.420523, 2.691234, 2.117647, 1.902736],
}


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("interpolation, expected", INTERPOLATED.items())
def test_interpolations(data_format, interpolation, expected):
    x = torch.tensor([1.0, 4.0, 2.0]).reshape(1, 1, 3, 1)
    x = x if data_format == "channels_last" else x.permute(0, 3, 1, 2)
    y = through_model(layers.UpSampling2D((1, 3), data_format, interpolation), x)
    torch.testing.assert_close(y.flatten(), torch.tensor(expected), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "padding must be an integer, 2 integers, or 2 pairs of integers"),
        (lambda: layers.ZeroPadding2D(-1), "padding"),
        (lambda: layers.ZeroPadding2D("same"), "padding"),
        (lambda: layers.ZeroPadding1D((1, 2, 3)), "padding"),
        (lambda: layers.ZeroPadding3D((1, 2)), "padding"),
        (lambda: layers.Cropping2D(((1, 2), (1,))), "cropping"),
        (lambda: layers.Cropping2D(2)(keras.Input((4, 8, 1))), "<= 0"),
        (lambda: layers.Cropping1D(2)(torch.zeros(1, 4, 1)), "<= 0"),
        (lambda: layers.Cropping3D()(keras.Input((4, 8, 1))), "ndim=5"),
        (lambda: layers.UpSampling2D(0), "size"),
        (lambda: layers.UpSampling1D(0), "size"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "layer, arguments",
    [
        (layers.ZeroPadding1D(2), {"padding": (2, 2)}),
        (layers.ZeroPadding2D(2), {"padding": ((2, 2), (2, 2)), "data_format": "channels_last"}),
        (layers.ZeroPadding1D(2, data_format="channels_first"), {"padding": (2, 2), "data_format": "channels_first"}),
        (layers.Cropping1D(), {"cropping": (1, 1)}),
        (layers.Cropping2D((1, 2)), {"cropping": ((1, 1), (2, 2)), "data_format": "channels_last"}),
        (layers.UpSampling1D(), {"size": 2}),
        (layers.UpSampling2D(), {"size": (2, 2), "data_format": "channels_last", "interpolation": "nearest"}),
        (layers.UpSampling3D(3), {"size": (3, 3, 3), "data_format": "channels_last"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else "",
)
def test_config(layer, arguments):
    config = layer.get_config()
    assert config == {"name": layer.name, "trainable": True, "dtype": "float32", **arguments}
    assert type(layer).from_config(config).get_config() == config


def test_zero_padding_of_steps_takes_keras_3_s_data_format():
    x = torch.ones(1, 2, 3)
    assert layers.ZeroPadding1D(1, data_format="channels_first")(x).shape == (1, 2, 5)


@pytest.mark.parametrize(
    "make", [lambda: keras.layers.UpSampling2D(interpolation="cubic"), lambda: keras.layers.Resizing(2, 2, "no")]
)
def test_unknown_interpolation(make):
    with pytest.raises(NotImplementedError, match="interpolation must be one of"):
        make()
