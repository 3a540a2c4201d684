"""Models with classes of the user's own: files of the real Keras 3 in kerastorch, and back, with the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import kerastorch
from compat_tests.conftest import randomize
from compat_tests.test_both_ways import assert_same


def _block(keras):
    layers = keras.layers

    class Block(layers.Layer):
        """Its config has no name of its own, as Keras 3 makes it from the arguments that were given."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.attention = layers.MultiHeadAttention(2, 3)
            self.feed = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(4)])
            self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()

        def call(self, x):
            x = self.first(x + self.attention(x, x))
            return self.second(x + self.feed(x))

    return Block


def _twice(keras, cls):
    x = keras.Input((5, 4))
    after = cls()  # made first, called last: its name says nothing of its place
    return keras.Model(x, after(cls()(x)))


def _subclassed(keras):
    class Net(keras.Model):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.dense, self.norm = keras.layers.Dense(units), keras.layers.BatchNormalization()
            self.tops = [keras.layers.Dense(4), keras.layers.Dense(2)]

        def call(self, x):
            x = self.norm(self.dense(x))
            for top in self.tops:
                x = top(x)
            return x

        def get_config(self):
            return {"units": self.units, "name": self.name}

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(**config)

    return Net


def _called(keras, cls):
    model = cls(5)
    model(np.zeros((3, 5, 4), "float32"))
    return model


def _within(keras, cls):
    x = keras.Input((5, 4))
    return keras.Model(x, keras.layers.Dense(2)(cls(6)(x)))


def _trained_otherwise(keras):
    class Trained(keras.Model):
        def train_step(self, data):
            return {"loss": 0.0}

    return Trained


def _drawn(keras, cls):
    x = keras.Input((5, 4))
    return cls(x, keras.layers.Dense(2)(keras.layers.Dense(3, activation="tanh")(x)))


def _drawn_within(keras, cls):
    x = keras.Input((5, 4))
    return keras.Model(x, keras.layers.Dense(2)(_drawn(keras, cls)(x)))


CASES = {
    "blocks": (_block, _twice, ["h5", "keras"]),
    "subclassed": (_subclassed, _called, ["keras"]),  # from h5 Keras 3 does not load its own file
    "subclassed within": (_subclassed, _within, ["keras"]),
    "drawn": (_trained_otherwise, _drawn, ["h5", "keras"]),
    "drawn within": (_trained_otherwise, _drawn_within, ["h5", "keras"]),
}
X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


@pytest.mark.parametrize(("case", "suffix"), [(case, suffix) for case in CASES for suffix in CASES[case][2]])
def test_to_kerastorch_and_back(case, suffix, keras3, tmp_path):
    make, build, _ = CASES[case]
    theirs, ours = make(keras3), make(kerastorch)
    original = randomize(build(keras3, theirs))
    want = np.asarray(original(X))
    original.save(tmp_path / f"theirs.{suffix}")
    model = kerastorch.models.load_model(
        tmp_path / f"theirs.{suffix}", custom_objects={ours.__name__: ours}, device="cpu"
    )
    assert_same(model(X).detach().numpy(), want)
    assert not model.load_report.unused
    original.save_weights(tmp_path / "theirs.weights.h5")
    made = randomize(build(kerastorch, ours), seed=1)
    made.load_weights(tmp_path / "theirs.weights.h5")
    assert_same(made(X).detach().numpy(), want)
    for came in (model, made):
        came.save(tmp_path / f"ours.{suffix}")
        again = kerastorch.models.load_model(
            tmp_path / f"ours.{suffix}", custom_objects={ours.__name__: ours}, device="cpu"
        )
        assert_same(again(X).detach().numpy(), want)
        loaded = keras3.models.load_model(tmp_path / f"ours.{suffix}", custom_objects={theirs.__name__: theirs})
        assert_same(np.asarray(loaded(X)), want)
