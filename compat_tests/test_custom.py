"""Layers, functions and models of a user's own in files of the real Kerases: read, and written back, with the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch
from compat_tests.conftest import random_inputs
from compat_tests.test_both_ways import assert_same


def functions(keras):
    """An activation and a regularizer."""

    def twice(x):
        return x * 2.0

    def none(x):
        return 0.0

    return {"twice": twice, "none": none}


def own_store(keras):
    """A layer that names what it stores, and says with what it was built."""

    class Affine(keras.layers.Layer):
        def build(self, input_shape, width=1):
            self.scale = self.add_weight(name="scale", shape=(4, width))
            self.shift = self.add_weight(name="shift", shape=(width,), trainable=False)
            self.built = True

        def call(self, inputs):
            return inputs @ self.scale + self.shift

        def save_own_variables(self, store):
            store["slope"], store["start"] = np.asarray(self.scale), np.asarray(self.shift)

        def load_own_variables(self, store):
            self.scale.assign(store["slope"][...])
            self.shift.assign(store["start"][...])

        def get_build_config(self):
            return {"shape": (None, 4), "width": self.shift.shape[0]}

        def build_from_config(self, config):
            self.build(config["shape"], config["width"])

    return {"Affine": Affine}


def one_with_own_store(keras, own):
    x = keras.Input((4,))
    layer = own["Affine"]()
    layer.build((None, 4), 3)
    return keras.Model(x, keras.layers.Dense(2)(layer(x)))


def own_functions(keras, own):
    x = keras.Input((5, 4))
    y = keras.layers.LSTM(3, activation=own["twice"], recurrent_regularizer=own["none"], return_sequences=True)(x)
    y = keras.layers.Dense(2, activation=own["twice"], kernel_regularizer=own["none"])(y)
    return keras.Model(x, keras.layers.Activation(own["twice"])(y))


def blend(keras):
    """Three inputs by names."""

    class Blend(keras.layers.Layer):
        def call(self, first, second, parts=None):
            return first * 2.0 + second if parts is None else first * parts[0] + second * parts[1]

    return {"Blend": Blend}


def called_by_names(keras, own):
    x, y = keras.Input((4,)), keras.Input((4,))
    swapped = own["Blend"]()(second=x, first=y)
    return keras.Model([x, y], own["Blend"]()(parts=[x, y], second=swapped, first=keras.layers.Dense(4)(x)))


def pairing(keras):
    """A dict in, a dict out."""

    class Pairing(keras.layers.Layer):
        def call(self, inputs):
            return {"sum": inputs["a"] + inputs["b"], "difference": inputs["a"] - inputs["b"]}

    return {"Pairing": Pairing}


def called_on_a_dict(keras, own):
    x, y = keras.Input((4,)), keras.Input((4,))
    found = own["Pairing"]()({"b": x, "a": y})
    return keras.Model([x, y], [keras.layers.Dense(2)(found["difference"]), found["sum"]])


def ready_made(keras):
    """A drawn model that is made by its own arguments."""

    class Ready(keras.Model):
        def __init__(self, units, **kwargs):
            x = keras.Input((4,))
            super().__init__(x, keras.layers.Dense(4)(keras.layers.Dense(units)(x)), **kwargs)
            self.units = units

        def get_config(self):
            return {"units": self.units, "name": self.name}

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(**config)

    return {"Ready": Ready}


def ready_made_inside(keras, own):
    x = keras.Input((4,))
    inner, other = own["Ready"](3), own["Ready"](5)
    return keras.Model(x, [keras.layers.Dense(2)(inner(inner(x))), other(x)])


CASES = {
    "ready made": (ready_made, ready_made_inside),
    "called on a dict": (pairing, called_on_a_dict),
    "called by names": (blend, called_by_names),
    "functions": (functions, own_functions),
    "own store": (own_store, one_with_own_store),
}
UNREAD = {("own store", "m.h5")}
"""What the real Kerases do not read of their own: their h5 files say nothing of how a layer was built."""


@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_the_users_own(case, file, real, tmp_path):
    if (case, file) in UNREAD:
        pytest.skip("Keras does not read it, either")
    classes, build = CASES[case]
    own = classes(real)
    theirs = build(real, own)
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    data = random_inputs(theirs)
    want = outputs(theirs(data))
    theirs.save(tmp_path / file)
    ours = kerastorch.models.load_model(tmp_path / file, classes(kerastorch), device="cpu")
    tensors = [torch.from_numpy(x) for x in data] if isinstance(data, list) else torch.from_numpy(data)
    assert_same(outputs(ours(tensors)), want)
    for again in ("again.h5", "again.keras"):
        ours.save(tmp_path / again)
        assert_same(outputs(kerastorch.models.load_model(tmp_path / again, classes(kerastorch))(tensors)), want)
        # tf_keras does not read what Keras 3 writes.
        if (real.__name__ == "keras" or again.endswith("h5")) and (case, again.replace("again", "m")) not in UNREAD:
            kept = real.models.load_model(tmp_path / again, custom_objects=own, compile=False)
            assert_same(outputs(kept(data)), want)


def outputs(found):
    """The outputs of any Keras as arrays, those in a dict in the order of their names."""
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found)]
    found = found if isinstance(found, (list, tuple)) else [found]
    return [x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x) for x in found]


def test_weights_in_a_way_of_a_layers_own(real, tmp_path):
    theirs = one_with_own_store(real, own_store(real))
    ours = one_with_own_store(kerastorch, own_store(kerastorch))
    for a, b in ((theirs, ours), (ours, theirs)):
        a.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in a.get_weights()])
        b.set_weights([np.zeros(w.shape) for w in b.get_weights()])
        a.save_weights(tmp_path / "m.weights.h5")
        b.load_weights(tmp_path / "m.weights.h5")
        for got, want in zip(b.get_weights(), a.get_weights(), strict=True):
            np.testing.assert_array_equal(got, want)


def twice(x):
    return x * 2.0


CODE, NAMED = "code", "named"


@pytest.mark.parametrize("of", [CODE, NAMED])
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_lambda_comes_back_to_its_keras(real, keras3, of, suffix, tmp_path):
    """Its code, or the name of its function, is written as it was read, and opens in either Keras where forms allow."""
    if of == NAMED and real is not keras3:
        pytest.skip("tf_keras writes the code of functions, too")
    function = real.utils.register_keras_serializable("pack")(twice) if of == NAMED else lambda x: x * 2.0
    x = real.Input((4,))
    original = real.Model(x, real.layers.Lambda(function, name="lam")(real.layers.Dense(3)(x)))
    data = random_inputs(original)
    want = np.asarray(original(data))
    original.save(tmp_path / f"theirs.{suffix}")
    with pytest.raises(ValueError, match="lam"):
        kerastorch.models.load_model(tmp_path / f"theirs.{suffix}", device="cpu")
    known = [{"lam": twice}, *([{"twice": twice}, {"pack>twice": twice}] if of == NAMED else [])]
    for custom_objects in known:
        model = kerastorch.models.load_model(tmp_path / f"theirs.{suffix}", custom_objects, device="cpu")
        assert_same(model.predict(data, verbose=0), want)
        for name, dialect in (("x.h5", None), ("x.h5", "keras3"), ("x.keras", None)):
            model.save(tmp_path / name, dialect=dialect)
            opens_in = (
                [keras3] if dialect or name == "x.keras" or of == NAMED else [pytest.importorskip("tf_keras"), keras3]
            )
            for keras in opens_in:
                again = keras.models.load_model(tmp_path / name, custom_objects={"twice": twice}, safe_mode=False)
                assert_same(again(data), want)


@pytest.mark.parametrize(("name", "dialect"), [("x.h5", None), ("x.h5", "keras3"), ("x.keras", None)])
def test_a_lambda_made_here_goes_by_its_functions_name(tf_keras, keras3, name, dialect, tmp_path):
    x = kerastorch.Input((4,))
    model = kerastorch.Model(x, kerastorch.layers.Lambda(twice, arguments={})(kerastorch.layers.Dense(3)(x)))
    data = random_inputs(model)
    model.save(tmp_path / name, dialect=dialect)
    keras = tf_keras if name == "x.h5" and dialect is None else keras3
    again = keras.models.load_model(tmp_path / name, custom_objects={"twice": twice})
    assert_same(again(data), model.predict(data, verbose=0))
