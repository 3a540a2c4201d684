"""Layers and functions of a user's own in files: what Keras 3 wrote for them, and what is written for it."""

from __future__ import annotations

import json
import re
import zipfile

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.saving.dialects import canonical
from kerastorch.saving.dialects.keras3_writing import written
from kerastorch.saving.origin import Origin


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def config_in(path):
    """The config of the model in an archive."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


@pytest.mark.parametrize(
    ("registered", "name"), [("function", "twice"), (None, "twice"), ("twice", "twice"), ("Own>twice", "Own>twice")]
)
def test_a_function_is_found_by_its_name(registered, name):
    described = {"module": "builtins", "class_name": "function", "config": "twice", "registered_name": registered}
    assert canonical(described, Origin(3)) == name


def test_functions_are_written_for_keras3_as_such():
    arguments = {"activation": "twice", "kernel_initializer": "zeros", "bias_constraint": "above", "name": "twice"}
    found = written({"class_name": "Dense", "config": arguments})["config"]
    function = {"module": "builtins", "class_name": "function", "registered_name": "function"}
    assert found["activation"] == {**function, "config": "twice"}
    assert found["bias_constraint"] == {**function, "config": "above"}
    assert (found["kernel_initializer"], found["name"]) == ("zeros", "twice")
    own = {"class_name": "Mine", "config": {"activation": "whatever"}}
    assert written(own)["config"] == own["config"]  # whose meaning its class alone knows


class Wide(layers.Layer):
    """Built with more than a shape, and stored under keys of its own."""

    def build(self, input_shape, width=1):
        self.kernel = self.add_weight("kernel", (input_shape[-1], width))
        self.built = True

    def call(self, inputs):
        return inputs @ self.kernel

    def save_own_variables(self, store):
        store["wide"] = self.kernel.numpy().T

    def load_own_variables(self, store):
        self.kernel.assign(store["wide"].T)

    def get_build_config(self):
        return {**(super().get_build_config() or {}), "shape": (None, 3), "width": self.kernel.shape[1]}

    def build_from_config(self, config):
        self.build(config["shape"], config["width"])


@pytest.fixture
def wide():
    x = keras.Input((3,))
    layer = Wide(name="wide")
    layer.build((None, 3), 5)
    return keras.Model(x, layers.Dense(2)(keras.Sequential([keras.Input((3,)), layer], name="inner")(x)))


@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
def test_a_layer_is_built_and_filled_as_it_says(wide, file, tmp_path):
    wide.save(tmp_path / file)
    loaded = keras.models.load_model(tmp_path / file, {"Wide": Wide})
    for got, want in zip(loaded.get_weights(), wide.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_where_a_layers_own_values_stand(wide, tmp_path):
    wide.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert {key: data.shape for key, data in file["layers/sequential/layers/wide/vars"].items()} == {"wide": (5, 3)}
    wide.save(tmp_path / "m.keras")
    inner = config_in(tmp_path / "m.keras")["config"]["layers"][1]["config"]["layers"]
    assert inner[1]["build_config"] == {"shape": [None, 3], "width": 5}


@pytest.mark.parametrize("key", ["wide", "other"])
def test_own_values_that_do_not_fit(wide, key, tmp_path):
    wide.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        del file["layers/sequential/layers/wide/vars/wide"]
        file[f"layers/sequential/layers/wide/vars/{key}"] = np.zeros((7, 3), "float32")
    with pytest.raises(ValueError, match=rf"'wide'.*load_own_variables.*{key}"):
        wide.load_weights(tmp_path / "m.weights.h5")


class Scaled(layers.Layer):
    """As wide as its first input."""

    def build(self, input_shape):
        self.scale = self.add_weight("scale", (input_shape[-1],))

    def call(self, wide, narrow):
        return wide * self.scale + narrow


@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
def test_a_call_by_names_in_another_order(file, tmp_path):
    x, y = keras.Input((1,)), keras.Input((4,))
    model = keras.Model([x, y], Scaled(name="s")(narrow=x, wide=y))
    assert model.get_layer("s").scale.shape == (4,)
    data = [torch.ones(2, 1), torch.arange(8.0).reshape(2, 4)]
    want = model(data)
    torch.testing.assert_close(want, data[1] * model.get_layer("s").scale.value + 1)
    model.save(tmp_path / file)
    torch.testing.assert_close(keras.models.load_model(tmp_path / file, {"Scaled": Scaled})(data), want)


def test_a_call_by_names_as_keras3_writes_it():
    def tensor(name):
        history = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": history}

    node = {"args": [], "kwargs": {"narrow": tensor("x"), "wide": tensor("y")}}
    described = {"class_name": "Scaled", "config": {"name": "s"}, "inbound_nodes": [node]}
    arguments = {"narrow": ["x", 0, 0], "wide": ["y", 0, 0]}
    assert canonical(described, Origin(3))["inbound_nodes"] == [[["x", 0, 0, {"kerastorch_call": [[], arguments]}]]]


class Ready(keras.Model):
    """A drawn model that is made by its own arguments."""

    def __init__(self, units, **kwargs):
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(units)(x), **kwargs)
        self.units = units

    def get_config(self):
        return {"units": self.units, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


@pytest.mark.parametrize("make", [Ready, layers.Dense], ids=["a model", "a layer"])
def test_calls_are_counted_as_each_keras_does(make, tmp_path):
    """Keras 3 counts the calls of a model within a model from 0 where they are inputs, and from 1 as outputs."""
    x = keras.Input((4,))
    inner = make(4, name="inner")
    model = keras.Model(x, [layers.Dense(2, name="last")(inner(inner(x))), inner(x)])
    model.save(tmp_path / "m.keras")
    config = config_in(tmp_path / "m.keras")["config"]
    nodes = next(layer for layer in config["layers"] if layer["name"] == "last")["inbound_nodes"]
    assert [node["args"][0]["config"]["keras_history"] for node in nodes] == [["inner", 1, 0]]
    assert config["output_layers"] == [["last", 0, 0], ["inner", 3 if make is Ready else 2, 0]]
    model.save(tmp_path / "m.h5")
    data = torch.randn(3, 4)
    for file in ("m.keras", "m.h5"):
        loaded = keras.models.load_model(tmp_path / file, {"Ready": Ready})
        for got, want in zip(loaded(data), model(data), strict=True):
            torch.testing.assert_close(got, want)


def above(w):
    return w


class Stretched(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **kwargs):
        return torch.zeros(shape)


class Cell(layers.SimpleRNNCell):
    pass


@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
def test_all_that_is_unknown_is_told_at_once(wide, file, tmp_path):
    """With configs, and the shapes of weights, in models and layers within the model as well."""
    x = keras.Input((3,))
    y = layers.Dense(3, bias_constraint=above, kernel_initializer=Stretched(), name="first")(x)
    y = layers.Reshape((1, 2))(wide(y))
    model = keras.Model(x, layers.RNN([Cell(4, name="cell"), layers.GRUCell(2, activation=above)])(y))
    model.save(tmp_path / file)
    own = {"Wide": Wide, "Cell": Cell, "above": above, "Stretched": Stretched}
    with pytest.raises(ValueError, match="2 unknown layer") as raised:
        keras.models.load_model(tmp_path / file)
    for told in (
        "{'Wide': ..., 'Cell': ...}", "Wide 'wide': ", r"\(\d, \d\)", "Cell 'cell': .*'units': 4", r"3 unknown function\(s\)",
        "{'Stretched': ..., 'above': ...}", "constraint above of 'first'", "initializer Stretched of 'first': {}",
        "activation above of 'gru_cell'",
    ):  # fmt: skip
        assert re.search(told.replace("{", r"\{").replace("...", r"\.\.\."), str(raised.value)), told
    assert keras.models.load_model(tmp_path / file, own).count_params() == model.count_params()
    with pytest.raises(ValueError, match=r"(?s)2 unknown function.*\{'above': \.\.\.\}") as raised:
        keras.models.load_model(tmp_path / file, {**own, "Cell": layers.SimpleRNNCell, "above": None})


class PassesNothingOn(keras.layers.Layer):
    """A class without get_config, whose constructor takes no name."""

    def __init__(self, scale, units=2):
        super().__init__()
        self.scale, self.units = scale, units

    def call(self, inputs):
        return inputs * self.scale


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_a_class_whose_constructor_passes_nothing_on(name, tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2)(PassesNothingOn(3.0)(PassesNothingOn(2.0)(x))))
    model.save(tmp_path / name)
    loaded = keras.models.load_model(tmp_path / name, {"PassesNothingOn": PassesNothingOn})
    assert [layer.scale for layer in loaded.layers[1:3]] == [2.0, 3.0]
    np.testing.assert_array_equal(loaded.predict(np.ones((1, 3)), verbose=0), model.predict(np.ones((1, 3)), verbose=0))
