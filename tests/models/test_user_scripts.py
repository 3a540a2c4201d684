"""What scripts written for Keras do with layers and models, where both tf_keras and Keras 3 do the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations, prune

import kerastorch as keras
from kerastorch import layers

X = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)


class Stack(layers.Layer):
    """Layers that only a call builds, in a class that says its outputs' shape."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.others = layers.Dense(4), [layers.Dense(2)]

    def call(self, inputs):
        return self.others[0](self.first(inputs))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


def test_layers_in_a_layer_that_says_its_shape_are_built_when_it_is_drawn():
    x = keras.Input((3,))
    model = keras.Model(x, Stack(name="stack")(x))
    assert [w.name for w in model.weights] == [f"stack/dense{n}/{w}:0" for n in ("", "_1") for w in ("kernel", "bias")]
    assert len(list(model.parameters())) == 4


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def test_lists_of_one_input_and_one_output_are_as_without_the_lists():
    x = keras.Input((3,))
    model = keras.Model(inputs=[x], outputs=[layers.Dense(2)(x)])
    assert model(X).shape == (2, 2) and model.predict(X, verbose=0).shape == (2, 2)
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert layers.Dense(1)(model.output).shape == (None, 1)
    assert keras.Sequential([model, layers.Dense(1)])(X).shape == (2, 1)


def test_a_call_that_goes_beyond_the_graph():
    class Shifted(keras.Model):
        def call(self, inputs, training=None):
            return super().call(inputs, training=training) + (20.0 if training else 10.0)

    class ShiftedStack(keras.Sequential):
        def call(self, inputs):
            return super().call(inputs) + 10.0

    x = keras.Input((3,))
    dense = layers.Dense(2)
    plain, shifted = keras.Model(x, dense(x)), Shifted(x, dense(x))
    want = plain.predict(X, verbose=0) + 10
    stack = ShiftedStack([dense])
    around = keras.Model(x, layers.ReLU()(shifted(x)))
    for model in (shifted, stack, around):
        np.testing.assert_allclose(model.predict(X, verbose=0), want, rtol=1e-6)
        np.testing.assert_allclose(model(X).detach(), want, rtol=1e-6)
    np.testing.assert_allclose(shifted(X, training=True).detach(), want + 10, rtol=1e-6)


def test_masks_of_a_users_class_reach_what_follows():
    class Known(layers.Layer):
        def call(self, inputs):
            return inputs.unsqueeze(-1)

        def compute_mask(self, inputs, mask=None):
            return inputs != 0

    x = keras.Input((4,))
    lstm = layers.LSTM(3)
    model = keras.Model(x, lstm(Known()(x)))
    padded = torch.tensor([[1.0, 2.0, 0.0, 0.0]])
    assert Known()(padded)._keras_mask.tolist() == [[True, True, False, False]]
    torch.testing.assert_close(model(padded), lstm(padded[:, :2, None]))


def test_losses_are_those_of_the_last_call():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3, activity_regularizer="l2")

        def call(self, inputs):
            self.add_loss(inputs.sum())
            return self.dense(self.dense(inputs))

    net = Net()
    for _ in range(3):
        net(X)
    assert len(net.losses) == 3
    net.predict(np.ones((70, 3), "float32"), verbose=0)
    assert len(net.losses) == 3
    dense = layers.Dense(2, activity_regularizer="l1")
    for _ in range(3):
        dense(X)
    assert len(dense.losses) == 1


def test_gradients_by_a_value_within():
    x = keras.Input((12, 12, 1))
    first = layers.Conv2D(4, 3, activation="relu")(x)
    second = layers.BatchNormalization()(layers.Conv2D(4, 3)(first))
    scores = layers.Dense(2)(layers.GlobalAveragePooling2D()(second))
    model = keras.Model(x, [first, second, scores])
    picture = torch.randn(1, 12, 12, 1)
    *within, found = model(picture)
    torch.testing.assert_close(found, keras.Model(x, scores)(picture))
    for value, gradient in zip(within, torch.autograd.grad(found[:, 0].sum(), within), strict=True):
        assert gradient.shape == value.shape and gradient.abs().sum() > 0


def test_a_stack_that_its_first_call_drew_takes_other_sizes():
    model = keras.Sequential([layers.Conv2D(2, 3, strides=2, padding="same"), layers.GlobalAveragePooling2D()])
    model(torch.ones(1, 8, 8, 3))
    picture = torch.randn(1, 9, 13, 3)
    x = keras.Input((None, None, 3))
    open_model = keras.Model(x, model.layers[1](model.layers[0](x)))
    torch.testing.assert_close(model(picture), open_model(picture))
    torch.testing.assert_close(model(picture[:, :8, :8]), open_model(picture[:, :8, :8]))
    assert model.input_shape == (None, None, None, 3)
    with pytest.raises(ValueError, match="incompatible"):
        model(torch.ones(1, 8))


def test_layers_of_one_model_in_another():
    model = keras.Sequential([layers.Dense(3), layers.ReLU()])
    model(X)
    x = y = keras.Input((3,))
    for layer in model.layers:
        y = layer(y)
    np.testing.assert_array_equal(keras.Model(x, y)(X).detach(), model(X).detach())
    assert model.layers[0].output is model.layers[0].get_output_at(0)
    inner = keras.Model(model.inputs, model.layers[0].output)
    np.testing.assert_array_equal(inner(X).detach(), model.layers[0](X).detach())
    drawn = keras.Model(x, y)
    assert drawn.layers[0].input is x and drawn.layers[0].input_shape == [(None, 3)]


def test_one_layer_twice_in_a_stack():
    relu = layers.ReLU()
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3), relu, layers.Dense(3), relu])
    assert len(model.layers) == 4 and len(model.state_dict()) == 4 and model.predict(X, verbose=0).min() >= 0


def test_parts_that_are_set_before_the_base_class_is_made():
    class Wrapped(layers.Layer):
        def __init__(self, dense, **kwargs):
            self.dense, self.several = dense, [layers.Dense(2)]
            super().__init__(**kwargs)

        def call(self, inputs):
            return self.several[0](self.dense(inputs))

    layer = Wrapped(layers.Dense(4))
    assert layer(X).shape == (2, 2) and len(layer.weights) == 4


def test_arrays_as_arguments_of_a_drawn_layer(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Add()([x, np.ones((1, 3))]))
    np.testing.assert_allclose(model(X), X + 1)
    model.save(tmp_path / "m.h5")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "m.h5")(X), X + 1)


def test_weights_are_compared_value_by_value():
    dense = layers.Dense(2, kernel_initializer="ones", bias_initializer=None)
    dense(X)
    assert bool((dense.kernel == 1).all()) and not bool((dense.kernel != np.ones((3, 2))).any())
    assert len({dense.kernel, dense.bias}) == 2
    made = layers.Dense(2, kernel_initializer=lambda shape, dtype=None: np.full(shape, 2.0))
    made(X)
    assert bool((made.kernel == 2).all())


@pytest.mark.parametrize("change", [lambda x: prune.l1_unstructured(x, "weight", 0.5), parametrizations.weight_norm])
def test_weights_that_torch_computes(change):
    dense = layers.Dense(2)
    dense(X)
    change(dense.linear)
    np.testing.assert_array_equal(dense.get_weights()[0], dense.linear.weight.detach().T)


def test_forward_in_the_place_of_call():
    class Cut(layers.Layer):
        def forward(self, inputs):
            return inputs[:, :2]

    x = keras.Input((3,))
    assert keras.Model(x, Cut()(x)).output_shape == (None, 2)
    np.testing.assert_array_equal(Cut()(X), X[:, :2])


def test_forward_around_a_call_that_is_there():
    class Twice(layers.Dense):
        def forward(self, inputs):
            return super().forward(inputs) * 2

    layer = Twice(2)
    np.testing.assert_allclose(layer(X).detach(), layer.call(torch.as_tensor(X)).detach() * 2)


class TwiceDrawn(keras.Model):
    def forward(self, inputs):
        return super().forward(inputs) * 2


class TwiceStacked(keras.Sequential):
    def forward(self, inputs):
        return super().forward(inputs) * 2


class TwiceDense(layers.Dense):
    def forward(self, inputs):
        return super().forward(inputs) * 2


@pytest.mark.parametrize(
    "make",
    [
        lambda x, dense: TwiceDrawn(x, dense(x)),
        lambda x, dense: TwiceStacked([x, dense]),
        lambda x, dense: keras.Model(x, TwiceDense(2, weights=dense.get_weights())(x)),
    ],
)
def test_forward_around_what_is_drawn(make):
    dense = layers.Dense(2)
    want = dense(X) * 2
    x = keras.Input(X.shape[1:])
    model = make(x, dense)
    for call in (model, model, keras.Model(x, model(x))):
        torch.testing.assert_close(call(torch.as_tensor(X)), want)
    np.testing.assert_allclose(model.predict(X), want.detach(), rtol=1e-6)


def test_parts_of_open_axes_are_open():
    """As in tf_keras 2.21: there may be fewer steps than are asked for."""
    x = keras.Input((None, 4))
    assert x[:, :3].shape == x[:, -3:].shape == (None, None, 4)
    assert x[..., 1:3].shape == (None, None, 2)
    assert x[:2, 0, None].shape == (None, 1, 4)
    assert keras.Input((5, 4))[:, :3].shape == (None, 3, 4)


@pytest.mark.parametrize(
    "make", [lambda: layers.Dense(3), lambda: layers.Conv1D(3, 2), lambda: layers.BatchNormalization()]
)
def test_built_twice(make):
    """As in tf_keras 2.21; Keras 3 refuses it."""
    layer = make()
    layer.build((None, 5, 4))
    count = len(layer.weights)
    layer.build((None, 5, 6))
    assert len(layer.weights) == count and 6 in layer.weights[0].shape
    layer(torch.ones(2, 5, 6))


def test_open_axes_stay_open():
    x = keras.Input((None, None, 3))
    y = layers.Add()([layers.Conv2D(3, 3, padding="same")(x), x])
    assert y.shape == (None, None, None, 3)
    assert layers.Conv2D(2, 3, strides=2)(y).shape == (None, None, None, 2)


def test_training_may_be_any_truth():
    x = keras.Input((3,))
    drawn, dropout = keras.Model(x, layers.Dropout(0.5)(x)), layers.Dropout(0.5)
    for yes, no in ((1, 0), (np.True_, np.False_), (torch.tensor(True), torch.tensor(False))):
        for call in (drawn, dropout):
            np.testing.assert_array_equal(call(X, training=no), X)
            assert (call(np.ones((9, 3), "float32"), training=yes) != 1).any()


def test_a_last_axis_of_one_is_left_out_or_put_in():
    x = keras.Input((3,))
    model = keras.Model(x, layers.ReLU()(x))
    assert model(X[..., None]).shape == model.predict(X[..., None], verbose=0).shape == (2, 3)


def test_a_layer_that_is_given_layers(tmp_path):
    @keras.saving.register_keras_serializable(package="scripts")
    class Wrap(layers.Layer):
        def __init__(self, inner, activation="relu", **kwargs):
            super().__init__(**kwargs)
            self.inner, self.activation = inner, keras.activations.get(activation)

        def call(self, inputs):
            return self.activation(self.inner(inputs))

        def get_config(self):
            described = keras.saving.serialize_keras_object(self.inner)
            return {
                **super().get_config(),
                "inner": described,
                "activation": keras.activations.serialize(self.activation),
            }

        @classmethod
        def from_config(cls, config):
            return cls(keras.saving.deserialize_keras_object(config.pop("inner")), **config)

    x = keras.Input((3,))
    model = keras.Model(x, Wrap(layers.Dense(2))(x))
    for name in ("m.h5", "m.keras"):
        model.save(tmp_path / name)
        np.testing.assert_array_equal(keras.models.load_model(tmp_path / name).predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("described", "kind"),
    [
        (
            {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None},
            layers.Dense,
        ),
        ({"class_name": "Dense", "config": {"units": 2, "name": "d"}}, layers.Dense),
        (
            {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": 1}},
            keras.initializers.HeNormal,
        ),
        ({"class_name": "L2", "config": {"l2": 0.1}}, keras.regularizers.L2),
        ("a name of nothing", str),
        ([1, {"a": None}], list),
    ],
)
def test_what_a_config_stands_for(described, kind):
    assert isinstance(keras.saving.deserialize_keras_object(described), kind)


def test_a_config_of_an_unknown_class():
    with pytest.raises(ValueError, match="Unheard"):
        keras.saving.deserialize_keras_object({"class_name": "Unheard", "config": {}})
    assert keras.saving.deserialize_keras_object("relu") is keras.activations.relu


@pytest.mark.parametrize(
    ("make", "amount"),
    [
        (lambda: layers.Dropout(0.5), "rate"),
        (lambda: layers.SpatialDropout1D(0.5), "rate"),
        (lambda: layers.GaussianDropout(0.5), "rate"),
        (lambda: layers.AlphaDropout(0.5), "rate"),
        (lambda: layers.GaussianNoise(1.0), "stddev"),
    ],
)
def test_noise_is_set_again(make, amount):
    layer, x, ones = make(), keras.Input((4, 5)), torch.ones(20, 4, 5)
    model = keras.Model(x, layer(x))
    assert (model(ones, training=True) != 1).any()
    setattr(layer, amount, 0.0)
    assert (model(ones, training=True) == 1).all() and (layer(ones, training=True) == 1).all()
    setattr(layer, amount, 0.5)
    assert (model(ones, training=True) != 1).any()


def test_batch_normalization_is_set_again():
    x, values = keras.Input((5,)), torch.randn(30, 5) * 3 + 2
    layer = layers.BatchNormalization()
    model = keras.Model(x, layer(x))
    layer.momentum, layer.epsilon = 0.5, 1.0
    model(values, training=True)
    torch.testing.assert_close(layer.moving_mean.value, values.mean(0) / 2)
    want = (values - layer.moving_mean.value) / torch.sqrt(layer.moving_variance.value + 1)
    torch.testing.assert_close(model(values), want)
