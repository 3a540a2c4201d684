"""Models that are code of the user's: their files hold no architecture, and what they need is told."""

import h5py
import numpy as np
import pytest

import kerastorch as keras


class Net(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.bottom, self.tops = keras.layers.Dense(units), [keras.layers.Dense(4), keras.layers.Dense(2)]

    def call(self, x, training=False):
        x = self.bottom(x)
        for top in self.tops:
            x = top(x)
        return x

    def get_config(self):
        return {"units": self.units, "name": self.name}


class Lazy(Net):
    """Says that it is built, with nothing built in it."""

    def build(self, input_shape):
        self.built = True


X = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")


def test_the_shape_of_its_inputs_comes_along(tmp_path):
    model = Net(6)
    want = model(X, training=False)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Net": Net})
    assert not loaded.load_report.unused and len(loaded.load_report.loaded) == 6
    np.testing.assert_array_equal(loaded(X).detach(), want.detach())


def test_lists_of_layers_stand_where_keras_3_looks_for_them(tmp_path):
    model = Net()
    model(X)
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert sorted(file) == ["bottom", "layers", "vars"] and sorted(file["layers"]) == ["dense_1", "dense_2"]


def test_without_the_shape_it_is_refused(tmp_path):
    model = Net()
    model(X)
    model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="does not tell the shape of its inputs. Make it in code"):
        keras.models.load_model(tmp_path / "m.h5", custom_objects={"Net": Net})
    made = Net()
    made(X)
    made.load_weights(tmp_path / "m.h5")
    np.testing.assert_array_equal(made(X).detach(), model(X).detach())


def test_weights_for_layers_that_are_not_built_are_not_left_out(tmp_path):
    model = Net()
    model(X)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"layer 'dense\w*' is not built, as no call has told"):
        keras.models.load_model(tmp_path / "m.keras", custom_objects={"Net": Lazy})


def test_a_layer_whose_config_lacks_its_name_gets_it_from_beside_the_config(tmp_path):
    class Scale(keras.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", (input_shape[-1],), initializer="random_normal")

        def call(self, x):
            return x * self.factor

        def get_config(self):
            return {}

    x = keras.Input((5,))
    first, last = Scale(name="scale_1"), Scale(name="scale")  # made anew, they would be counted the other way round
    model = keras.Model(x, last(keras.layers.ReLU()(first(x))))
    model.save(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Scale": Scale})
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(loaded(X).detach(), model(X).detach())
