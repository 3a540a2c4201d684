"""Convolutions of every kind. The expected numbers are worked out by hand: kernels of ones over 1, 2, 3, ..."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers

# (window, stride, dilation, padding, length of the input) -> output.
CONVOLVED = [
    (1, 1, 1, "valid", 3, [1, 2, 3]),
    (2, 1, 1, "valid", 5, [3, 5, 7, 9]),
    (2, 1, 1, "same", 5, [3, 5, 7, 9, 5]),
    (3, 1, 1, "same", 5, [3, 6, 9, 12, 9]),
    (3, 2, 1, "same", 5, [3, 9, 9]),
    (3, 2, 1, "same", 4, [6, 7]),
    (2, 2, 1, "same", 5, [3, 7, 5]),
    (1, 3, 1, "same", 5, [1, 4]),
    (4, 2, 1, "same", 4, [6, 9]),
    (5, 3, 1, "same", 4, [6, 9]),
    (3, 2, 1, "valid", 6, [6, 12]),
    (3, 1, 2, "valid", 6, [9, 12]),
    (3, 1, 2, "same", 5, [4, 6, 9, 6, 8]),
    (2, 1, 3, "same", 5, [3, 5, 7, 3, 4]),
]
CAUSAL = [(3, 1, 1, 5, [1, 3, 6, 9, 12]), (2, 1, 2, 5, [1, 2, 4, 6, 8]), (2, 2, 1, 5, [1, 5, 9])]

# (window, stride, dilation, padding, output_padding) -> output for the input 1, 2, 3.
SPREAD = [
    (3, 2, 1, "valid", None, [1, 1, 3, 2, 5, 3, 3]),
    (3, 2, 1, "same", None, [1, 1, 3, 2, 5, 3]),
    (4, 2, 1, "same", None, [1, 3, 3, 5, 5, 3]),
    (2, 3, 1, "valid", None, [1, 1, 0, 2, 2, 0, 3, 3, 0]),
    (2, 3, 1, "same", None, [1, 1, 0, 2, 2, 0, 3, 3, 0]),
    (3, 2, 1, "same", 0, [1, 3, 2, 5, 3]),
    (3, 2, 1, "same", 1, [1, 1, 3, 2, 5, 3]),
    (3, 2, 1, "valid", 1, [1, 1, 3, 2, 5, 3, 3, 0]),
    (2, 1, 2, "valid", None, [1, 2, 4, 2, 3]),
    (2, 1, 2, "same", None, [2, 4, 2]),
    (2, 1, 1, "same", None, [1, 3, 5]),
]


def along_first(n, rank):
    return (n, *[1] * (rank - 1))


def line(length, rank, data_format):
    """1, 2, 3, ... along the first spatial axis."""
    x = torch.arange(1.0, length + 1).reshape(1, *along_first(length, rank))
    return x.unsqueeze(-1 if data_format == "channels_last" else 1)


def run_with_ones(layer, x, known):
    """The layer's output in a model, for an input of known or of unknown sizes; weights are ones, biases zeros."""
    sizes = tuple(x.shape[1:]) if known else tuple(1 if n == 1 else None for n in x.shape[1:])
    inputs = keras.Input(sizes)
    outputs = layer(inputs)
    layer.set_weights([np.zeros(w.shape) if "bias" in w.name else np.ones(w.shape) for w in layer.weights])
    model = keras.Model(inputs, outputs)
    got = model(x)
    assert all(n in (None, m) for n, m in zip(outputs.shape, got.shape, strict=True))
    assert not known or None not in outputs.shape[1:]
    return got


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "kind", ["Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]
)
@pytest.mark.parametrize("window, stride, dilation, padding, length, expected", CONVOLVED)
def test_windows_lie_where_tensorflow_puts_them(
    kind, data_format, known, window, stride, dilation, padding, length, expected
):
    rank = int(kind[-2])
    filters = {} if kind.startswith("Depthwise") else {"filters": 1}
    layer = getattr(layers, kind)(
        kernel_size=along_first(window, rank),
        strides=along_first(stride, rank),
        dilation_rate=along_first(dilation, rank),
        padding=padding,
        data_format=data_format,
        **filters,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = run_with_ones(layer, line(length, rank, data_format), known)
    torch.testing.assert_close(got.flatten(), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("kind", ["Conv1D", "SeparableConv1D"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("window, stride, dilation, length, expected", CAUSAL)
def test_causal_outputs_see_nothing_later(kind, data_format, window, stride, dilation, length, expected):
    layer = getattr(layers, kind)(1, window, stride, "causal", data_format=data_format, dilation_rate=dilation)
    got = run_with_ones(layer, line(length, 1, data_format), known=False)
    assert got.flatten().tolist() == expected


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("window, stride, dilation, padding, output_padding, expected", SPREAD)
def test_transposed_convolution(rank, data_format, window, stride, dilation, padding, output_padding, expected):
    layer = getattr(layers, f"Conv{rank}DTranspose")(
        1,
        along_first(window, rank),
        along_first(stride, rank),
        padding,
        None if output_padding is None else (output_padding, *[0] * (rank - 1)),
        data_format,
        along_first(dilation, rank),
    )
    got = run_with_ones(layer, line(3, rank, data_format), known=rank != 2)
    assert got.flatten().tolist() == expected


def test_groups_see_their_own_channels_only():
    layer = layers.Conv1D(4, 1, groups=2, use_bias=False)
    x = torch.tensor([[[1.0, 10.0, 100.0, 1000.0]]])
    layer(x)
    assert layer.kernel.shape == (1, 2, 4)
    layer.set_weights([np.arange(1.0, 9).reshape(1, 2, 4)])
    # filters 0 and 1 read channels 0 and 1; kernel rows are [1 2 3 4] and [5 6 7 8].
    assert layer(x).flatten().tolist() == [51, 62, 7300, 8400]


def test_depthwise_outputs_are_ordered_by_channel_then_multiplier():
    layer = layers.DepthwiseConv2D(1, depth_multiplier=3, use_bias=False)
    x = torch.tensor([1.0, 10.0]).reshape(1, 1, 1, 2)
    layer(x)
    layer.set_weights([np.arange(1.0, 7).reshape(1, 1, 2, 3)])
    assert layer(x).flatten().tolist() == [1, 2, 3, 40, 50, 60]
    np.testing.assert_array_equal(layer.get_weights()[0].flatten(), np.arange(1, 7))


@pytest.mark.parametrize(
    "layer, shape, shapes, names",
    [
        (layers.Conv2D(6, (3, 2), groups=2), (8, 8, 4), [(3, 2, 2, 6), (6,)], ["kernel", "bias"]),
        (layers.Conv3D(2, 2), (4, 4, 4, 3), [(2, 2, 2, 3, 2), (2,)], ["kernel", "bias"]),
        (layers.Conv2DTranspose(5, (3, 2)), (8, 8, 4), [(3, 2, 5, 4), (5,)], ["kernel", "bias"]),
        (layers.DepthwiseConv1D(3, depth_multiplier=2), (8, 4), [(3, 4, 2), (8,)], ["depthwise_kernel", "bias"]),
        (
            layers.SeparableConv2D(6, 3, depth_multiplier=2),
            (8, 8, 4),
            [(3, 3, 4, 2), (1, 1, 8, 6), (6,)],
            ["depthwise_kernel", "pointwise_kernel", "bias"],
        ),
        (
            layers.SeparableConv1D(6, 3, use_bias=False),
            (8, 4),
            [(3, 4, 1), (1, 4, 6)],
            ["depthwise_kernel", "pointwise_kernel"],
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else "",
)
def test_weights(layer, shape, shapes, names):
    layer(keras.Input(shape))
    assert [w.shape for w in layer.weights] == shapes
    assert [w.name for w in layer.weights] == [f"{layer.name}/{name}:0" for name in names]


@pytest.mark.parametrize("sizes", [(8, 7), (None, None)])
def test_extra_batch_axes(sizes):
    layer = layers.Conv2D(3, 3, strides=2, padding="same")
    inputs = keras.Input((None, *sizes, 2))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, *(n if n is None else 4 for n in sizes), 3)
    x = torch.randn(2, 5, 8, 7, 2)
    expected = torch.stack([layer(x[:, i].contiguous().unsqueeze(1)).squeeze(1) for i in range(5)], 1)
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D", "SeparableConv2D"])
def test_one_layer_on_two_sizes(kind):
    arguments = {"kernel_size": 3, "strides": 2, "padding": "same"} | ({} if kind[0] == "D" else {"filters": 2})
    layer = getattr(layers, kind)(**arguments)
    models = []
    for size in (8, 7):  # 8 needs its zeros after, 7 on both sides
        inputs = keras.Input((size, size, 1))
        models.append(keras.Model(inputs, layer(inputs)))
    for size, model in zip((8, 7), models, strict=True):
        x = torch.randn(1, size, size, 1)
        alone = getattr(layers, kind)(**arguments)
        alone(x)
        alone.set_weights(layer.get_weights())
        torch.testing.assert_close(model(x), alone(x))
        torch.testing.assert_close(layer(x), alone(x))
    eager = getattr(layers, kind)(**arguments)
    eager(torch.randn(1, 8, 8, 1))
    eager.set_weights(layer.get_weights())
    torch.testing.assert_close(eager(x), alone(x))


def test_where_torch_can_pad_nothing_else_does():
    def modules(**arguments):
        inputs = keras.Input((8, 8, 3))
        model = keras.Model(inputs, layers.Conv2D(2, **arguments)(inputs))
        return [type(m) for m in model.modules() if type(m).__module__.startswith("torch.nn")]

    assert modules(kernel_size=3, padding="same") == [nn.Conv2d]
    assert modules(kernel_size=1, strides=2, padding="same") == [nn.Conv2d]
    assert modules(kernel_size=3) == [nn.Conv2d]
    assert set(modules(kernel_size=3, strides=2, padding="same")) == {nn.ZeroPad2d, nn.Conv2d}


def small_cnn(size):
    x = inputs = keras.Input((size, size, 3))
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = layers.SeparableConv2D(6, 4, padding="same", activation="relu")(x)
    x = layers.Cropping2D(1)(layers.UpSampling2D(3)(x))
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = layers.AveragePooling2D(3, 2, padding="same")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("size", [16, None])
def test_a_convnet_has_one_permute_at_its_door(size):
    model = small_cnn(size)
    model._prepare()
    permutes = [n for n in model._lowered.graph.nodes if n.target == "permute"]
    assert [n.args[0].op for n in permutes] == ["placeholder"]


@pytest.mark.parametrize("size", [16, None])
def test_exported_and_copied_models_compute_the_same(size):
    model, x = small_cnn(size), torch.randn(2, 16, 16, 3)
    expected = model(x)
    torch.testing.assert_close(model.to_torch()(x), expected)
    torch.testing.assert_close(copy.deepcopy(model)(x), expected)
    layer_by_layer = x
    for layer in model.layers[1:]:
        layer_by_layer = layer(layer_by_layer)
    torch.testing.assert_close(layer_by_layer, expected)


def test_an_overridden_convolution_op_is_used():
    class Doubled(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel * 2)

    layer, x = Doubled(2, 3, strides=2, padding="same"), torch.randn(1, 8, 8, 3)
    got = layer(x)
    plain = layers.Conv2D(2, 3, strides=2, padding="same")
    plain(x)
    plain.set_weights([2 * layer.get_weights()[0], layer.get_weights()[1]])
    torch.testing.assert_close(got, plain(x))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.Conv2D(0, 3), "filters must be a positive integer, got filters=0"),
        (lambda: layers.Conv2D(None, 3), "filters"),
        (lambda: layers.Conv2D(4, 0), "kernel_size must be an integer or 2 integers"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), r"kernel_size.*got kernel_size=\(3, 3, 3\)"),
        (lambda: layers.Conv2D(4, "3"), "kernel_size"),
        (lambda: layers.Conv2D(4, 3, strides=0), "strides"),
        (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), "strides > 1 cannot go with dilation_rate > 1"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "padding must be one of 'valid', 'same'"),
        (lambda: layers.Conv2D(4, 3, padding="full"), "padding"),
        (lambda: layers.Conv2D(4, 3, data_format="NHWC"), "data_format"),
        (lambda: layers.Conv2D(4, 3, groups=3), "filters=4 and groups=3"),
        (lambda: layers.Conv2D(4, 3, groups=2)(keras.Input((8, 8, 3))), "groups=2 and 3 channels"),
        (lambda: layers.Conv2D(4, 3)(keras.Input((8, 8, None))), "number of channels"),
        (lambda: layers.Conv2D(4, 9)(keras.Input((8, 8, 3))), "<= 0"),
        (lambda: layers.Conv2D(4, 3)(keras.Input((8, 3))), "min_ndim=4"),
        (
            lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2),
            "strides must be greater than output_padding",
        ),
        (lambda: layers.Conv2DTranspose(4, 3)(keras.Input((8, 3))), "ndim=4"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier"),
        (lambda: layers.DepthwiseConv2D(3)(keras.Input((2, 8, 8, 3))), "ndim=4"),
        (lambda: layers.SeparableConv2D(3, 3, padding="causal"), "padding"),
        (lambda: layers.SeparableConv2D(3, 9)(keras.Input((8, 8, 3))), "<= 0"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "layer, more",
    [
        (layers.Conv2D(2, 3), {"filters", "groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"}),
        (
            layers.Conv2DTranspose(2, 3),
            {"filters", "groups", "output_padding", "kernel_initializer", "kernel_regularizer", "kernel_constraint"},
        ),
        (
            layers.DepthwiseConv2D(3),
            {"groups", "depth_multiplier", "depthwise_initializer", "depthwise_regularizer", "depthwise_constraint"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else "",
)
def test_config_keys_are_those_of_tf_keras(layer, more):
    common = {
        "name", "trainable", "dtype", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
        "use_bias", "bias_initializer", "bias_regularizer", "activity_regularizer", "bias_constraint",
    }  # fmt: skip
    config = layer.get_config()
    assert set(config) == common | more
    assert config["kernel_size"] == (3, 3) and config["strides"] == (1, 1)
    assert type(layer).from_config(config).get_config() == config


def test_three_dimensional_transposed_convolution_writes_dilation_only_where_it_dilates():
    assert "dilation_rate" not in layers.Conv3DTranspose(2, 3).get_config()
    assert layers.Conv3DTranspose(2, 3, dilation_rate=2).get_config()["dilation_rate"] == (2, 2, 2)


def test_old_names_are_the_same_classes():
    assert layers.Convolution2D is layers.Conv2D
    assert layers.Convolution3DTranspose is layers.Deconvolution3D is layers.Conv3DTranspose
    assert layers.SeparableConvolution1D is layers.SeparableConv1D


def test_default_data_format_follows_the_setting_except_in_one_dimension():
    keras.backend.set_image_data_format("channels_first")
    try:
        assert layers.Conv2D(1, 1).data_format == "channels_first"
        assert layers.Conv1D(1, 1).data_format == "channels_last"
    finally:
        keras.backend.set_image_data_format("channels_last")


def test_same_seed_same_weights():
    def weights():
        keras.utils.set_random_seed(3)
        layer = layers.SeparableConv2D(3, 3)
        layer.build((None, 8, 8, 2))
        return layer.get_weights()

    for a, b in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("known", [True, False])
def test_strides_of_a_kernel_of_one_and_their_gradients(rank, padding, known):
    """torch's own gradient writes past the end of such pictures, which may or may not be seen: it must not be asked."""
    size = 8
    layer = getattr(layers, f"Conv{rank}D")(4, 1, strides=2, padding=padding)
    inputs = keras.Input((size if known else None,) * rank + (3,))
    model = keras.Model(inputs, layer(inputs))
    for _ in range(30):
        x = torch.randn(3, *[size] * rank, 3, requires_grad=True)
        y = model(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
    every = (slice(None), *(slice(None, None, 2) for _ in range(rank)))
    torch.testing.assert_close(y, x[every] @ layer.kernel.value.reshape(3, 4) + layer.bias.value)
    expected = torch.zeros_like(x)
    expected[every] = layer.kernel.value.reshape(3, 4).sum(1)
    torch.testing.assert_close(gradient, expected)
    assert layer.get_config()["strides"] == (2,) * rank and layer.convolution.stride == (1,) * rank


@pytest.mark.parametrize("output_padding", [None, 0, 1, (2, 0)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_strides_of_a_transposed_kernel_of_one(padding, output_padding):
    """torch's kernel writes past the end of what it computes: see the test above."""
    layer = layers.Conv2DTranspose(
        4, 1, strides=(3, 2), padding=padding, output_padding=output_padding, bias_initializer="ones"
    )
    for _ in range(30):
        x = torch.randn(3, 3, 4, 5, requires_grad=True)
        y = layer(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
    assert tuple(y.shape) == layer.compute_output_shape((3, 3, 4, 5))
    assert layer.convolution.output_padding == (0, 0)
    kernel = layer.kernel.value[0, 0].T
    expected = torch.ones_like(y)
    expected[:, ::3, ::2] += x @ kernel
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(gradient, kernel.sum(1).expand_as(x))


@pytest.mark.parametrize("make", [layers.DepthwiseConv2D, lambda k, **options: layers.SeparableConv2D(4, k, **options)])
def test_depthwise_convolutions_take_strides_and_dilation(make):
    """As Keras 3's files have them."""
    x = torch.randn(2, 13, 12, 3)
    layer, every = make(3, strides=2, dilation_rate=2), make(3, dilation_rate=2)
    layer(x), every(x)
    every.set_weights(layer.get_weights())
    torch.testing.assert_close(layer(x), every(x)[:, ::2, ::2])
