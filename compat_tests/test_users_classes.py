"""Models with layers, models and functions that users wrote, between the real Kerases and kerastorch: both ways, with the
same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch
from compat_tests.conftest import random_inputs, randomize

RANDOM = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
REAL = ("tf_keras", "keras")


def tanh(keras):
    """The tanh of a Keras's own tensors."""
    return torch.tanh if keras is kerastorch else keras.activations.tanh


def drawn(keras, shape, *layers):
    x = y = keras.Input(shape)
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y)


def holding(keras, make):
    class Holder(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = make(keras.layers)

        def build(self, input_shape):
            self.inner.build(input_shape)
            self.built = True

        def call(self, inputs):
            return self.inner(inputs)

    return Holder


def recurrent(keras):
    """A layer that holds an LSTM."""
    custom = {"Holder": holding(keras, lambda layers: layers.LSTM(3))}
    return custom, lambda: drawn(keras, (5, 4), custom["Holder"](), keras.layers.Dense(2))


def nameless(keras):
    """Layers whose configs have no name, the one made last called first."""

    class Scale(keras.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=(4,))
            self.built = True

        def call(self, inputs):
            return tanh(keras)(inputs * self.w)

        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls()

    def build():
        last, first = Scale(), Scale()
        return drawn(keras, (4,), first, last, keras.layers.Dense(2))

    return {"Scale": Scale}, build


def functions(keras):
    """Functions as activation and regularizer."""

    def bent(x):
        return tanh(keras)(x) * 2.0

    def flat(w):
        return 0.0

    def build():
        layers = keras.layers
        return drawn(keras, (5, 4), layers.LSTM(3, activation=bent), layers.Dense(2, bent, kernel_regularizer=flat))

    return {"bent": bent, "flat": flat}, build


def trained_otherwise(keras):
    """A drawn model of a class with a training step of its own, alone."""

    class Mine(keras.Model):
        def train_step(self, data):
            return {}

    def build():
        x = keras.Input((4,))
        return Mine(x, keras.layers.Dense(3)(keras.layers.Dense(4, activation="relu")(x)))

    return {"Mine": Mine}, build


def trained_otherwise_inside(keras):
    """The same within a drawn model."""
    custom, build = trained_otherwise(keras)
    return custom, lambda: drawn(keras, (4,), build(), keras.layers.Dense(2))


def stacked(keras):
    """A subclass of Sequential, within a drawn model that calls it twice."""

    class Stack(keras.Sequential):
        pass

    def build():
        layers = keras.layers
        stack = Stack([keras.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(4)])
        return drawn(keras, (4,), stack, layers.ReLU(), stack)

    return {"Stack": Stack}, build


def with_dicts(keras):
    """A layer that takes a dict and returns one."""

    class Mix(keras.layers.Layer):
        def call(self, inputs):
            return {"sum": inputs["a"] + inputs["b"], "difference": inputs["a"] - inputs["b"]}

    def build():
        a, b = keras.Input((4,)), keras.Input((4,))
        mixed = Mix()({"a": a, "b": b})
        return keras.Model([a, b], [keras.layers.Dense(2)(mixed["sum"]), mixed["difference"]])

    return {"Mix": Mix}, build


def subclassed(keras):
    """A model with a call of its own: its layers stand at attributes before and behind `layers`, in a list, in a model."""
    layers = keras.layers

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

        def get_config(self):
            return {"units": self.units, "name": self.name}

        @classmethod
        def from_config(cls, config, custom_objects=None):
            return cls(**config)

    def build():
        net = Net(5)
        x = np.ones((2, 4), "float32")
        net(x)
        return net

    return {"Net": Net}, build


def held_everywhere(keras):
    """A model made with positional arguments, with a call of its own, whose layers stand in lists and dicts, also private ones
    and such as are filled later, and at attributes of all kinds of names."""
    layers = keras.layers

    class Held(keras.Model):
        def __init__(self, width, out, **kwargs):
            super().__init__(**kwargs)
            self.sizes = (width, out)
            self.blocks = [layers.Dense(width), layers.Dense(width, activation="relu")]
            self.dict = {"x": layers.Dense(width), "a": layers.Dense(width)}
            self.zoo = {}
            self.zoo["x"], self.zoo["a"] = layers.Dense(width), layers.Dense(width)
            self._private, self._several = layers.Dense(width), []
            self._several.append(layers.Dense(width))
            self.Upper, self.zeta, self.head = layers.Dense(width), layers.Dense(width), layers.Dense(out)
            self.alias = self.zeta

        def call(self, inputs):
            x = inputs
            for layer in (*self.blocks, self.dict["x"], self.dict["a"], self.zoo["x"], self.zoo["a"], *self._several):
                x = layer(x)
            return self.head(self.Upper(self.zeta(self._private(x))))

        def get_config(self):
            return {"width": self.sizes[0], "out": self.sizes[1], "name": self.name}

    def build():
        return drawn(keras, (4,), Held(5, 4), Held(3, 4), layers.Dense(2))

    return {"Held": Held}, build


def subclassed_inside(keras):
    """The same within a drawn model."""
    custom, _ = subclassed(keras)
    return custom, lambda: drawn(keras, (4,), custom["Net"](5), keras.layers.Dense(2))


def built_otherwise(keras):
    """A layer whose weights depend on more than a shape."""

    class Wide(keras.layers.Layer):
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
            return tanh(keras)(inputs @ self.w.value) if keras is kerastorch else tanh(keras)(inputs @ self.w)

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], self.width)

    def build():
        layer = Wide()
        layer.width = 3
        return drawn(keras, (4,), layer, keras.layers.Dense(2))

    return {"Wide": Wide}, build


def blocks(keras):
    """Layers of many layers, whose configs have no name, used twice, the one made last called first."""
    layers = keras.layers

    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.attention = layers.MultiHeadAttention(2, 3)
            self.feed = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(4)])
            self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()

        def call(self, inputs):
            x = self.first(inputs + self.attention(inputs, inputs))
            return self.second(x + self.feed(x))

    def build():
        last, first = Block(), Block()
        return drawn(keras, (5, 4), first, last)

    return {"Block": Block}, build


CASES = {
    "blocks": (blocks, ("keras",)),
    "subclassed": (subclassed, REAL),
    "subclassed_inside": (subclassed_inside, REAL),
    "held_everywhere": (held_everywhere, REAL),
    "built_otherwise": (built_otherwise, REAL),
    "recurrent": (recurrent, REAL),
    "nameless": (nameless, REAL),
    "functions": (functions, REAL),
    "trained_otherwise": (trained_otherwise, REAL),
    "trained_otherwise_inside": (trained_otherwise_inside, REAL),
    "stacked": (stacked, REAL),
    "with_dicts": (with_dicts, REAL),
}


def loaded(keras, file, custom):
    keras.backend.clear_session()
    options = {"device": "cpu"} if keras is kerastorch else {"compile": False}
    return keras.models.load_model(file, custom_objects=custom, **options)


def same(got, want):
    got, want = (y if isinstance(y, list) else [y] for y in (got, want))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_users_wrote(case, suffix, real, tmp_path):
    make, generations = case
    if real.__name__ not in generations:
        pytest.skip("this Keras does not have it")
    custom, build = make(real)
    original = randomize(build())
    x = random_inputs(original) if getattr(original, "inputs", None) else RANDOM
    want = original.predict(x, verbose=0)
    try:
        original.save(tmp_path / f"theirs{suffix}")
        same(loaded(real, tmp_path / f"theirs{suffix}", custom).predict(x, verbose=0), want)
    except (NotImplementedError, TypeError, ValueError) as error:
        pytest.skip(f"this Keras does not open its own file: {error}")
    own, build_own = make(kerastorch)
    model = loaded(kerastorch, tmp_path / f"theirs{suffix}", own)
    same(model.predict(x, verbose=0), want)
    original.save_weights(tmp_path / "theirs.weights.h5")
    made = randomize(build_own(), seed=1)
    made.load_weights(tmp_path / "theirs.weights.h5")
    same(made.predict(x, verbose=0), want)
    for back in (".keras", ".h5") if make not in (subclassed, built_otherwise) else (suffix,):
        model.save(tmp_path / f"ours{back}")
        same(loaded(kerastorch, tmp_path / f"ours{back}", own).predict(x, verbose=0), want)
        # In h5 the layers of a dict stand in the order of its keys, as for tf.keras; Keras 3 has that in which they came.
        in_another_order = make is held_everywhere and (real.__name__, back) == ("keras", ".h5")
        if back == suffix and (real.__name__, back) != ("tf_keras", ".keras") and not in_another_order:
            same(loaded(real, tmp_path / f"ours{back}", custom).predict(x, verbose=0), want)
