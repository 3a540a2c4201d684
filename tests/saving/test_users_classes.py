"""Layers, models and functions that users wrote, in files; what the real Kerases write was recorded from them. See
compat_tests/test_users_classes.py for the numbers."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.saving.archive import read_config
from kerastorch.saving.opening import open_file
from kerastorch.saving.paths import weighted_layers

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


class Net(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        x = keras.Input((4,))
        self.encoder = keras.Model(x, layers.Dense(4)(x))
        self.dense, self.norm = layers.Dense(units, activation="relu"), layers.BatchNormalization()
        self.several = [layers.Dense(units), layers.Dense(2)]
        self.last = layers.Dense(2)

    def call(self, inputs, training=None):
        x = self.norm(self.dense(self.encoder(inputs)), training=training)
        for layer in self.several:
            x = layer(x)
        return self.last(x)


BY_KERAS3 = [
    "dense", "encoder/layers/dense", "last", "layers/batch_normalization", "layers/dense_1", "layers/dense_2",
]  # fmt: skip
BY_TF_KERAS = [
    "layers/dense", "layers/dense_1", "layers/functional/layers/dense", "norm", "several/dense", "several/dense_1",
]  # fmt: skip
PLACES = {
    "Keras 3": (BY_KERAS3, ["dense", "encoder", "last", "norm", "several0", "several1"]),
    "tf.keras": (BY_TF_KERAS, ["dense", "last", "encoder", "norm", "several0", "several1"]),
}


@pytest.mark.parametrize(("stored", "whose"), PLACES.values(), ids=PLACES)
def test_where_the_layers_of_a_users_model_stand(stored, whose):
    net = Net()
    net(X)
    named = {id(layer): name for name, layer in net.named_children() if name not in ("encoder", "several")}
    named[id(net.encoder.layers[1])] = "encoder"
    named |= {id(layer): f"several{i}" for i, layer in enumerate(net.several)}
    found = {
        path.rstrip("/"): named[id(layer)]
        for path, layer in weighted_layers(net, [f"{path}/vars/0" for path in stored])
        if layer._saved_variables()
    }
    assert found == dict(zip(stored, whose, strict=True))


def test_a_users_model_is_built_again_and_stands_where_keras3_looks(tmp_path):
    net = Net(5)
    want = net.predict(X, verbose=0)
    net.save(tmp_path / "m.keras")
    with open_file(tmp_path / "m.keras") as file:
        assert read_config(file)[1]["build_config"] == {"input_shape": [None, 4]}
        assert {path.rpartition("/vars")[0] for path in file.datasets("model.weights.h5")} == set(BY_KERAS3)
    loaded = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Net": Net}, device="cpu")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), want)


def test_weights_are_not_dropped_where_a_model_cannot_be_built(tmp_path, monkeypatch):
    net = Net(5)
    net(X)
    monkeypatch.setattr(Net, "get_build_config", lambda self: None)
    net.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="does not tell the shape of its inputs"):
        keras.models.load_model(tmp_path / "m.keras", custom_objects={"Net": Net})


class Wide(layers.Layer):
    width = 1

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.width))
        self.built = True

    def get_build_config(self):
        return {"input_shape": [None, 4], "width": self.width}

    def build_from_config(self, config):
        self.width = config["width"]
        self.build(config["input_shape"])

    def call(self, inputs):
        return inputs @ self.w


def test_a_layer_is_built_as_it_says(tmp_path):
    wide = Wide()
    wide.width = 3
    model = keras.Sequential([keras.Input((4,)), wide, layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Wide": Wide}, device="cpu")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


class Holder(layers.Layer):
    def __init__(self, inner=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner or layers.LSTM(3)

    def call(self, inputs):
        return self.inner(inputs)


def test_a_network_that_was_built_on_fake_tensors_keeps_none():
    x = keras.Input((5, 4))
    holder = Holder()
    model = keras.Model(x, holder(x))
    data = torch.ones(2, 5, 4)
    y = model(data)
    assert type(y) is torch.Tensor
    torch.testing.assert_close(y, holder.inner(data))


class CountingCell(layers.SimpleRNNCell):
    steps = 0

    def call(self, inputs, states, training=None):
        self.steps += 1
        return super().call(inputs, states, training=training)


@pytest.mark.parametrize("many", [False, True])
def test_drawing_an_open_length_takes_few_steps(many):
    cell = CountingCell(3)
    x = keras.Input((None, 4))
    y = Holder(layers.RNN(cell, return_sequences=many))(x)
    assert y.shape == ((None, None, 3) if many else (None, 3)) and cell.steps == 0
    data = torch.ones(2, 12, 4)
    torch.testing.assert_close(keras.Model(x, y)(data), layers.RNN(cell, return_sequences=many)(data))


class Scale(layers.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(4,), initializer="random_normal")

    def call(self, inputs):
        return torch.tanh(inputs * self.w)

    def get_config(self):
        return {}


def test_layers_without_a_name_in_their_configs_have_the_graphs(tmp_path):
    last, first = Scale(), Scale()
    x = keras.Input((4,))
    model = keras.Model(x, last(first(x)))
    model.save(tmp_path / "m.h5")
    keras.backend.clear_session()
    loaded = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Scale": Scale}, device="cpu")
    assert [layer.name for layer in loaded.layers] == ["input_1", "scale_1", "scale"]
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def bent(x):
    return torch.tanh(x) * 2


@pytest.mark.parametrize("name", ["bent", "pk>bent"])
def test_a_users_function_as_keras3_writes_it(name):
    written = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    config = {"name": "dense", "units": 2, "activation": written}
    layer = {"module": "keras.layers", "class_name": "Dense", "config": config, "registered_name": None}
    model = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}
    read = keras.models.model_from_json(json.dumps(model), custom_objects={name: bent})
    read.build((None, 4))
    np.testing.assert_allclose(
        read(X).detach(), bent(torch.tensor(X) @ read.layers[0].kernel.value).detach(), atol=1e-6
    )


def test_a_users_function_is_written_as_keras3_finds_it(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation=bent)])
    model.save(tmp_path / "m.keras")
    with open_file(tmp_path / "m.keras") as file:
        activation = read_config(file)[1]["config"]["layers"][1]["config"]["activation"]
    assert activation == {
        "module": "builtins", "class_name": "function", "config": "bent", "registered_name": "function"
    }  # fmt: skip


class Mine(keras.Model):
    pass


class Stack(keras.Sequential):
    """Of the name of one of Keras 3's operations."""


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("dialect", ["keras2", "keras3"])
def test_classes_made_of_models(suffix, dialect, tmp_path):
    x = keras.Input((4,))
    stack = Stack([keras.Input((4,)), layers.Dense(4)])
    model = Mine(x, layers.Dense(2)(stack(layers.ReLU()(stack(x)))))
    want = model.predict(X, verbose=0)
    model.save(tmp_path / f"m{suffix}", dialect=None if suffix == ".keras" else dialect)
    if suffix == ".h5":
        with h5py.File(tmp_path / "m.h5") as file:
            assert json.loads(file.attrs["model_config"])["class_name"] == "Mine"
    loaded = keras.models.load_model(
        tmp_path / f"m{suffix}", custom_objects={"Mine": type("Mine", (keras.Model,), {}), "Stack": Stack}, device="cpu"
    )
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), want)


class Lazy(Net):
    """Says that it is built, with nothing built in it."""

    def build(self, input_shape):
        self.built = True


def test_weights_for_layers_that_are_not_built_are_not_left_out(tmp_path):
    net = Net(5)
    net(X)
    net.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"layer 'dense\w*' is not built, as no call has told"):
        keras.models.load_model(tmp_path / "m.keras", custom_objects={"Net": Lazy})


def test_a_users_model_in_h5_is_made_in_code(tmp_path):
    net = Net(5)
    net(X)
    net.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="does not tell the shape of its inputs. Make it in code"):
        keras.models.load_model(tmp_path / "m.h5", custom_objects={"Net": Net})
    made = Net(5)
    made(X)
    made.load_weights(tmp_path / "m.h5")
    np.testing.assert_array_equal(made(X).detach(), net(X).detach())


class Settings(layers.Layer):
    """Its config holds a dict that looks like half of a description."""

    def __init__(self, settings=None, **kwargs):
        super().__init__(**kwargs)
        self.settings = settings

    def call(self, inputs):
        return inputs * self.settings["config"]["factor"]


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_config_within_a_config_that_describes_nothing(suffix, tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, Settings({"config": {"factor": 3}})(x))
    model.save(tmp_path / f"m.{suffix}")
    loaded = keras.models.load_model(tmp_path / f"m.{suffix}", custom_objects={"Settings": Settings}, device="cpu")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), 3 * X)


def test_damaged_text_on_compile_stops_no_writing(tmp_path):
    keras.Sequential([keras.Input((4,)), layers.Dense(2)]).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file.attrs["training_config"], file.attrs["keras_version"] = "{cut off", "3.0.0"
    model = keras.models.load_model(tmp_path / "m.h5", device="cpu")
    with pytest.warns(UserWarning, match="compile.. is left out"):
        model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", device="cpu")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
