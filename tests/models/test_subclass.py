"""Layers and models that users write."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.layers import Dense

X = np.ones((2, 4), "float32")


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


class Linear(layers.Layer):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            name="w", shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True
        )
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.count.assign_add(1.0)
        return inputs @ self.w + self.b


class Net(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = Linear(4)
        self.blocks = []
        for _ in range(2):
            self.blocks.append(Dense(3, activation="relu"))
        self.heads = {"a": Dense(1, name="a"), "b": Dense(2, name="b")}

    def call(self, inputs, training=None):
        x = self.first(inputs)
        for block in self.blocks:
            x = block(x)
        return {key: head(x) for key, head in self.heads.items()}


def test_a_layer():
    layer = Linear(3)
    y = layer(X)
    assert y.shape == (2, 3)
    assert [w.name for w in layer.weights] == ["linear/w:0", "linear/b:0", "linear/count:0"]
    assert [w.name for w in layer.non_trainable_weights] == ["linear/count:0"]
    assert layer.count.numpy() == 1
    assert list(dict(layer.named_parameters())) == ["w", "b"]
    assert list(dict(layer.named_buffers())) == ["count"]
    y.sum().backward()
    np.testing.assert_array_equal(layer.w.grad, np.full((4, 3), 2.0))
    assert layer.get_config() == {"name": "linear", "trainable": True, "dtype": "float32", "units": 3}


def test_a_model():
    model = Net()
    y = model(X)
    assert {key: tuple(value.shape) for key, value in y.items()} == {"a": (2, 1), "b": (2, 2)}
    assert [layer.name for layer in model.layers] == ["linear", "dense", "dense_1", "a", "b"]
    assert len(model.weights) == 11
    assert model.weights[0].name == "net/linear/w:0"
    assert list(model.state_dict())[:4] == ["first.w", "first.b", "first.count", "blocks.0.linear.weight"]
    predicted = model.predict(X, verbose=0)
    np.testing.assert_allclose(predicted["b"], y["b"].detach(), atol=1e-6)
    assert model.trainable
    model.first.trainable = False
    assert not model.first.w.tensor.requires_grad
    assert len(model.trainable_weights) == 8
    lines = []
    model.summary(print_fn=lines.append)
    rows = [
        line.split()[:2]
        for line in lines
        if "(" in line and not line.startswith(("Total", "Trainable", "Non", " Layer"))
    ]
    assert rows == [[layer.name, f"({type(layer).__name__})"] for layer in model.layers]


def test_build_by_shape():
    model = Net()
    model.build((None, 4))
    assert len(model.weights) == 11
    assert model.first.count.numpy() == 0


def test_weights_files_of_a_subclass(tmp_path):
    model, other = Net(), Net()
    model(X), other(X)
    model.save_weights(tmp_path / "w.h5")
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_allclose(model(X)["a"].detach(), other(X)["a"].detach())


def test_a_users_layer_from_a_file(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, Linear(2)(x))
    model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="(?s)Linear 'linear'.*units"):
        keras.models.load_model(tmp_path / "m.h5")
    given = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Linear": Linear})
    with keras.utils.custom_object_scope({"Linear": Linear}):
        scoped = keras.models.load_model(tmp_path / "m.h5")
    for loaded in (given, scoped):
        for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_registered_layer(tmp_path):
    @keras.utils.register_keras_serializable("tests", "Doubled")
    class Doubled(layers.Layer):
        def call(self, inputs):
            return inputs * 2

    x = keras.Input((4,))
    model = keras.Model(x, Doubled()(x))
    assert model.get_config()["layers"][1]["class_name"] == "tests>Doubled"
    model.save(tmp_path / "m.h5")
    assert torch.equal(keras.models.load_model(tmp_path / "m.h5")(X), torch.tensor(2 * X))


def test_the_phase_reaches_inside():
    class Inner(layers.Layer):
        def call(self, inputs, training=None):
            return inputs * (2 if training else 1)

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def call(self, inputs):
            return self.inner(inputs)

    layer = Outer()
    assert torch.equal(layer(X), torch.tensor(X))
    assert torch.equal(layer(X, training=True), torch.tensor(2 * X))
    assert torch.equal(layer(X), torch.tensor(X))
    layer.train()
    assert torch.equal(layer(X), torch.tensor(2 * X))


def test_a_shape_that_cannot_be_found_by_running_may_be_stated():
    class Picky(layers.Layer):
        def call(self, inputs):
            return torch.tensor(inputs.detach().numpy().sum(-1))

    class Stated(Picky):
        def compute_output_shape(self, input_shape):
            return input_shape[:-1]

    x = keras.Input((4,))
    with pytest.raises(ValueError, match='"picky".*compute_output_shape'):
        Picky()(x)
    model = keras.Model(x, Stated()(x))
    assert model.output_shape == (None,)
    assert model(X).tolist() == [4.0, 4.0]
