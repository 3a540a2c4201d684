"""Wrapper and TimeDistributed."""

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers


@pytest.mark.parametrize("cls", [layers.TimeDistributed, layers.Wrapper])
def test_wraps_layers_only(cls):
    with pytest.raises(ValueError, match="wraps a layer"):
        cls(torch.nn.Linear(2, 3))


def test_needs_time():
    with pytest.raises(ValueError, match="at least 3 axes"):
        layers.TimeDistributed(layers.Dense(2))(keras.Input((3,)))


@pytest.mark.parametrize("steps", [4, None])
@pytest.mark.parametrize(
    ("make", "shape", "want"),
    [
        (lambda: layers.Dense(2), (5,), (2,)),
        (lambda: layers.Flatten(), (5, 3), (15,)),
        (lambda: layers.TimeDistributed(layers.Dense(2)), (3, 5), (3, 2)),
        (lambda: layers.Reshape((-1, 2)), (6,), (3, 2)),
    ],
)
def test_every_step_is_the_layers_own(make, shape, want, steps):
    inner = make()
    x = keras.Input((steps, *shape))
    model = keras.Model(x, layers.TimeDistributed(inner)(x))
    assert model.output_shape == (None, steps, *want)
    data = torch.randn(2, 4, *shape)
    got = model(data)
    for t in range(4):
        torch.testing.assert_close(got[:, t], inner(data[:, t]))
    assert layers.TimeDistributed(make()).compute_output_shape((2, 4, *shape)) == (2, 4, *want)


def test_names_and_config():
    layer = layers.TimeDistributed(layers.Dense(2, name="inner"), name="outer")
    layer(keras.Input((4, 5)))
    assert [v.name for v in layer.weights] == ["outer/kernel:0", "outer/bias:0"]
    again = layers.TimeDistributed.from_config(layer.get_config())
    assert again.layer.name == "inner" and again.get_config() == layer.get_config()


def test_model_inside():
    x = keras.Input((5,))
    inner = keras.Model(x, layers.Dense(2)(layers.Dropout(0.5)(x)))
    outer = keras.Input((4, 5))
    model = keras.Model(outer, layers.TimeDistributed(inner)(outer))
    data = torch.randn(2, 4, 5)
    torch.testing.assert_close(model(data), inner(data.reshape(8, 5)).reshape(2, 4, 2))
    assert not torch.equal(model(data, training=True), model(data))
    assert len(model.trainable_weights) == 2
    inner.trainable = False
    assert not model.trainable_weights


def test_structures():
    class Both(keras.layers.Layer):
        def call(self, inputs):
            return inputs[0] + inputs[1], inputs[0] - inputs[1]

        def compute_output_shape(self, input_shape):
            return input_shape[0], input_shape[1]

    a, b = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    total, difference = layers.TimeDistributed(Both())([a, b])
    torch.testing.assert_close(total, a + b)
    torch.testing.assert_close(difference, a - b)


class TestMask:
    def test_passes_through_a_layer_without_mask(self):
        x = torch.ones(1, 3, 2)
        x._keras_mask = torch.tensor([[True, True, False]])
        assert layers.TimeDistributed(layers.Dense(2))(x)._keras_mask.tolist() == [[True, True, False]]

    def test_of_the_layer_inside(self):
        x = np.array([[[1, 2, 0], [3, 0, 0]]])
        y = layers.TimeDistributed(layers.Embedding(5, 2, mask_zero=True))(x)
        assert y._keras_mask.tolist() == [[[True, True, False], [True, False, False]]]

    def test_reaches_what_follows(self):
        x = keras.Input((3, 2))
        model = keras.Model(
            x,
            layers.GlobalAveragePooling1D()(
                layers.TimeDistributed(layers.Dense(1, kernel_initializer="ones"))(layers.Masking()(x))
            ),
        )
        assert model(np.array([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]], "float32")).item() == pytest.approx(5.0)


def test_one_layer_for_several_lengths():
    short, long = torch.randn(4, 4, 3), torch.randn(4, 5, 3)
    layer = layers.TimeDistributed(layers.Dense(2))
    a, b = keras.Input((4, 3)), keras.Input((5, 3))
    model = keras.Model([a, b], [layer(a), layer(b)])
    dense = layer.layer
    for x, y in zip((short, long), model([short, long]), strict=True):
        torch.testing.assert_close(y, dense(x))
    alone = layers.TimeDistributed(dense)
    for x in (short, long, short):
        torch.testing.assert_close(alone(x), dense(x))


@pytest.mark.parametrize("wrap", [layers.TimeDistributed, lambda model: model])
@pytest.mark.parametrize(
    ("frozen", "trained", "others"),
    # Of tf_keras 2.21 and Keras 3.15, whose h5 files hold the weights in this order: the first letters of their names.
    [
        ((), "kbgbkb", "mm"),
        ((0,), "gbkb", "kbmm"),
        ((1,), "kbkb", "gbmm"),
        ((0, 1, 2), "", "kbgbmmkb"),
    ],
)
def test_order_of_weights_in_files(wrap, frozen, trained, others):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(5)])
    layer = wrap(inner)
    layer(torch.ones((2, 4) if layer is inner else (2, 6, 4)))
    for i in frozen:
        inner.layers[i].trainable = False
    if len(frozen) == 3:
        layer.trainable = False
    for weights, want in ((layer.trainable_weights, trained), (layer.non_trainable_weights, others)):
        assert "".join(v.name.rpartition("/")[2][0] for v in weights) == want
